//! What it costs to name a place in a list and to read such a name back: every page of every list does both.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use jiff::Timestamp;
use oncue_domain::id::EventId;
use oncue_domain::store::EventPlace;
use oncue_web::cursor::{read_place, write_place};

fn main() {
    let brief = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let mut criterion = brief.configure_from_args();
    let fired_at = Timestamp::from_microsecond(1_802_680_200_123_456).expect("in range");
    let place = EventPlace { fired_at, id: EventId(48_213_007) };
    let cursor = write_place('n', place);
    assert_eq!(read_place(&cursor), Some(('n', place)), "what was written is read");
    let mut group = criterion.benchmark_group("cursor");
    group.bench_function("write", |bencher| bencher.iter(|| write_place('n', black_box(place))));
    group.bench_function("read", |bencher| bencher.iter(|| read_place(black_box(&cursor))));
    group.bench_function("refuse", |bencher| bencher.iter(|| read_place(black_box("bm9uc2Vuc2U"))));
    group.finish();
    criterion.final_summary();
}
