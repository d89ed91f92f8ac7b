# docker build -t oncue . && docker run -p 8000:8000 -v oncue:/data oncue
#
# This file has been linted and its steps have been run by hand, one by one; it has not been built by a container engine.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
RUN cargo build --release --locked --package oncue

# Only glibc and libgcc are needed from here: zone data and TLS roots are in the binary.
FROM debian:bookworm-slim
# A volume takes over the owner of the folder that it covers.
RUN install -d -o 65532 -g 65532 /data
COPY --from=build /src/target/release/oncue /usr/local/bin/oncue
ENV ONCUE_LISTEN=0.0.0.0:8000 \
    DATABASE_URL=sqlite:/data/oncue.db
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/usr/local/bin/oncue", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/oncue"]
CMD ["serve"]
