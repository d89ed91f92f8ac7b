//! What a delivery says, from the event to the bytes that go out.

use std::hint::black_box;

use criterion::Criterion;
use oncue_domain::destination::{Definition, Webhook};
use oncue_domain::message::{Parcel, compose, occurrence, render};
use oncue_domain::outbound::Trust;
use oncue_domain::schedule::zone::Zones;
use serde_json::{Value, json};

use crate::sample::{SMALL, event, large, source};

fn destinations() -> [(&'static str, Value); 5] {
    let url = "https://example.com/hook";
    [
        ("structured", json!({"name": "a", "kind": "webhook", "url": url})),
        ("binary", json!({"name": "a", "kind": "webhook", "url": url, "body": {"format": "cloudevents-binary"}})),
        ("discord", json!({"name": "a", "kind": "discord", "url": "https://discord.com/api/webhooks/1/token"})),
        ("slack", json!({"name": "a", "kind": "slack", "url": "https://hooks.slack.com/services/T/B/x"})),
        ("ntfy", json!({"name": "a", "kind": "ntfy", "ntfy": {"topic": "t"}})),
    ]
}

/// Benches of the names that begin with `envelope`.
pub(crate) fn benches(criterion: &mut Criterion) {
    let (zones, source) = (Zones::bundled(), source());
    let mut group = criterion.benchmark_group("envelope");
    for (size, payload) in [("small", SMALL.to_owned()), ("20 KiB", large())] {
        let event = event(&payload);
        let webhook = Webhook::parse("https://example.com/hook", None).expect("an address");
        group.bench_function(format!("a trigger's own webhook, {size}"), |bencher| {
            bencher.iter(|| render(black_box(&event), &webhook, Trust::Guarded, &source, event.fired_at));
        });
        for (name, said) in destinations() {
            let definition = Definition::read(&said, None).expect("a bench writes its destinations well");
            let parcel = Parcel { event: &event, message_id: event.message_id, occurrence: occurrence(&event, None) };
            group.bench_function(format!("{name}, {size}"), |bencher| {
                bencher.iter(|| compose(black_box(parcel), &definition, &source, &zones, event.fired_at));
            });
        }
    }
    group.finish();
}
