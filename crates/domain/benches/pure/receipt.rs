//! What an attempt's receipt costs to write, packed, and to read back.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use oncue_domain::delivery::{CLAIM_FOR, Claim};
use oncue_domain::destination::{Target, Webhook};
use oncue_domain::message::render;
use oncue_domain::outbound::{Answer, Exchange, Facts, Trust};
use oncue_domain::receipt::{Draft, Kept};

use crate::sample::{SMALL, event, large, source};

fn answered() -> Exchange {
    let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let headers = [
        ("date", "Mon, 15 Feb 2027 08:30:00 GMT"),
        ("server", "nginx"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-length", "11"),
        ("connection", "keep-alive"),
    ];
    let facts = Facts {
        address: Some("192.0.2.7:443".parse().expect("an address")),
        connect_us: None,
        tls_us: None,
        wait_us: Some(1_200),
        receive_us: Some(80),
    };
    let answer = Answer { status: 200, headers: headers.map(header).into(), body: br#"{"ok":true}"#.to_vec() };
    Exchange { result: Ok(answer), took: Duration::from_micros(1_400), facts }
}

/// Benches of the names that begin with `receipt`.
pub(crate) fn benches(criterion: &mut Criterion) {
    let webhook = Webhook::parse("https://example.com/hook", None).expect("an address");
    let mut group = criterion.benchmark_group("receipt");
    for (size, payload) in [("small", SMALL.to_owned()), ("20 KiB", large())] {
        let event = Arc::new(event(&payload));
        let due_at = event.fired_at;
        let claim = Claim {
            event: Arc::clone(&event),
            slot: 0,
            deliveries: 1,
            target: Target::Webhook(webhook.clone()),
            tried: 0,
            ladder_from: 0,
            due_at,
            until: due_at + CLAIM_FOR,
            fence: 1,
        };
        let request = render(&event, &webhook, Trust::Guarded, &source(), due_at);
        group.bench_function(format!("draft, {size}"), |bencher| {
            bencher.iter(|| Draft::of_request(black_box(&request)))
        });
        group.bench_function(format!("finish and pack, {size}"), |bencher| {
            bencher.iter_batched(
                || (Draft::of_request(&request), answered()),
                |(draft, mut exchange)| draft.finish(&claim, &mut exchange, due_at),
                BatchSize::SmallInput,
            );
        });
        let kept = Draft::of_request(&request).finish(&claim, &mut answered(), due_at);
        assert!(Kept::read(&kept.head, kept.body.clone()).is_ok(), "what was written is read");
        group.bench_function(format!("read, {size}"), |bencher| {
            bencher.iter(|| Kept::read(black_box(&kept.head), kept.body.clone()).is_ok());
        });
    }
    group.finish();
}
