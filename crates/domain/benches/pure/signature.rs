//! What signing costs, in both schemes of Standard Webhooks, and what checking does.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use oncue_domain::signature::{Received, SigningSecret, sign, verify};

use crate::sample::at;

/// Benches of the names that begin with `signature`.
pub(crate) fn benches(criterion: &mut Criterion) {
    let (id, now) = ("evt_019c0000000070008000000000000001", at("2027-02-15T08:30:00Z"));
    let (v1, v1a) = (SigningSecret::symmetric([1; 32]), SigningSecret::asymmetric([2; 32]));
    let schemes = [("v1", vec![v1.clone()]), ("v1a", vec![v1a.clone()]), ("both", vec![v1, v1a])];
    let mut group = criterion.benchmark_group("signature");
    for bytes in [500, 16 * 1024] {
        let body = vec![b'x'; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        for (scheme, secrets) in &schemes {
            group.bench_function(format!("{scheme} of {bytes} B"), |bencher| {
                bencher.iter(|| sign(black_box(secrets), id, now, black_box(&body)));
            });
            let (timestamp, signatures) = (now.as_second().to_string(), sign(secrets, id, now, &body));
            let received = Received { message_id: id, timestamp: &timestamp, signatures: &signatures, body: &body };
            assert!(verify(secrets, received, now).is_ok(), "{scheme} signs what it can check");
            group.bench_function(format!("check {scheme} of {bytes} B"), |bencher| {
                bencher.iter(|| verify(black_box(secrets), black_box(received), now).is_ok());
            });
        }
    }
    group.finish();
}
