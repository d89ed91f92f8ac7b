//! What templates cost: reading one when it is saved, rendering it with every attempt.

use std::hint::black_box;

use criterion::Criterion;
use oncue_domain::message::occurrence;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::template::{AddressTemplate, Context, Place, Shared, Template};

use crate::sample::{SMALL, event, large};

const LINE: &str = "{{ trigger.name }} fired at {{ event.fired_at }}";

const BODY: &str = r#"{"text": {{ ("Order " ~ payload.order) | tojson }}, "at": {{ event.scheduled_at | tojson }}, "lines": [
{%- for item in payload.items -%}
{"sku": {{ item.sku | upper | tojson }}, "many": {{ item.quantity > 3 }}}{% if not loop.last %}, {% endif %}
{%- endfor -%}
]}"#;

const ADDRESS: &str = "https://example.com/{{ trigger.id }}/{{ event.message_id }}?name={{ trigger.name }}";

/// Benches of the names that begin with `template`.
pub(crate) fn benches(criterion: &mut Criterion) {
    let (zones, large) = (Zones::bundled(), large());
    let read = |text, place| Template::parse(text, place).expect("a bench writes its templates well");
    let (line, body) = (read(LINE, Place::Line), read(BODY, Place::Body));
    let address = AddressTemplate::parse(ADDRESS).expect("an address");
    let mut group = criterion.benchmark_group("template");
    group.bench_function("read a line", |bencher| bencher.iter(|| Template::parse(black_box(LINE), Place::Line)));
    group.bench_function("read a body", |bencher| bencher.iter(|| Template::parse(black_box(BODY), Place::Body)));
    for (size, payload) in [("small", SMALL), ("20 KiB", large.as_str())] {
        let event = event(payload);
        // What is shared is for one attempt alone: with the next it is made anew, and so it is here.
        let attempt = |render: &dyn Fn(&Context<'_>)| {
            let shared = Shared::default();
            render(&Context {
                event: &event,
                occurrence: occurrence(&event, None),
                message_id: event.message_id,
                destination: "Pager",
                source: "https://oncue.example",
                report_url: None,
                zones: &zones,
                shared: &shared,
            });
        };
        attempt(&|context| assert!(body.render(context).is_ok(), "the body fits a {size} payload"));
        group.bench_function(format!("body, {size} payload"), |bencher| {
            bencher.iter(|| attempt(&|context| drop(black_box(body.render(context)))));
        });
        if size == "small" {
            group.bench_function("line", |bencher| {
                bencher.iter(|| attempt(&|context| drop(black_box(line.render(context)))));
            });
            group.bench_function("address", |bencher| {
                bencher.iter(|| attempt(&|context| drop(black_box(address.render(context)))));
            });
        }
    }
    group.finish();
}
