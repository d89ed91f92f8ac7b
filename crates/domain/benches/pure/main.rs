//! What the rules cost by themselves: no store, no network, no clock. Whoever changes one of them finds here whether it became slower,
//! without the noise of a server around it; what a server makes of it all is for `oncue bench` to say. A bench belongs here if it
//! calls nothing but the domain, with inputs that stand in its file and never change from one run to the next.
//!
//! `cargo bench -p oncue-domain`, or with a part of a name behind it: `cargo bench -p oncue-domain -- signature`.

mod message;
mod occurrence;
mod receipt;
mod sample;
mod signature;
mod template;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    // Short, because there are many, and because `scripts/compare-commits` runs them several times over.
    let brief = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let mut criterion = brief.configure_from_args();
    occurrence::benches(&mut criterion);
    message::benches(&mut criterion);
    signature::benches(&mut criterion);
    template::benches(&mut criterion);
    receipt::benches(&mut criterion);
    criterion.final_summary();
}
