//! The shared cache against the real memcached, and against servers that misbehave: it may lose every answer and must never
//! cost more than a little time.

mod program;

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::{Preferences, User};
use oncue_domain::cache::{Cache, Key};
use oncue_domain::id::UserId;
use oncue_store::memcached::{DEADLINE, Memcached, Servers};

use self::program::{Impostor, PATIENCE, Program};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Where the deadline is not what a test is about: no machine is so busy.
const AMPLE: Duration = Duration::from_secs(20);

/// How long a thousand calls may take that do not wait: one deadline each would make fifty seconds of them.
const NO_TIME: Duration = Duration::from_secs(20);

async fn open(ports: &[u16], deadline: Duration) -> Memcached {
    let servers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let servers = Servers::parse(&format!("memcached://{}", servers.join(","))).expect("addresses");
    Memcached::open(servers, deadline, u64::from(ports[0])).await
}

fn key(number: i64) -> Key {
    let owner = User {
        id: UserId(number),
        email: "ann@example.com".to_owned(),
        is_operator: false,
        created_at: NOW,
        disabled_at: None,
        preferences: Preferences::default(),
    };
    Key::new("statistics", 1, &owner)
}

async fn get(cache: &Memcached, number: i64) -> Option<Vec<u8>> {
    cache.get(&key(number), NOW).await.map(|value| value.to_vec())
}

async fn put(cache: &Memcached, number: i64, value: &[u8]) {
    cache.put(&key(number), value.to_vec(), KEPT_FOR, NOW).await;
}

/// Puts and gets until that works.
async fn until_it_keeps(cache: &Memcached, number: i64) {
    let start = Instant::now();
    loop {
        put(cache, number, b"well").await;
        if get(cache, number).await.as_deref() == Some(b"well") {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "the cache does not heal");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A thousand calls that all find nothing, and never wait for long.
async fn a_thousand_misses(cache: &Memcached) {
    let start = Instant::now();
    for number in 0..500 {
        assert_eq!(get(cache, number).await, None);
        put(cache, number, b"lost").await;
    }
    assert!(start.elapsed() < NO_TIME, "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_one_node_keeps_another_finds_under_its_own_key_alone() {
    let program = Program::start(&[]);
    let (one, other) = (open(&[program.port()], AMPLE).await, open(&[program.port()], AMPLE).await);
    assert_eq!(get(&other, 1).await, None);
    put(&one, 1, b"a\r\nEND\r\n").await;
    assert_eq!(get(&other, 1).await.as_deref(), Some(&b"a\r\nEND\r\n"[..]));
    assert_eq!(get(&other, 2).await, None);
    put(&other, 1, b"").await;
    assert_eq!(get(&one, 1).await.as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn an_answer_is_kept_for_whole_seconds_and_never_for_ever() {
    let program = Program::start(&[]);
    let cache = open(&[program.port()], AMPLE).await;
    for (kept_for, longest) in [
        (KEPT_FOR, 300),
        (SignedDuration::from_millis(1_200), 2),
        (SignedDuration::from_micros(1), 1),
        (SignedDuration::from_secs(-5), 1),
    ] {
        cache.put(&key(1), b"short".to_vec(), kept_for, NOW).await;
        let left = program.say(&format!("mg {} t", key(1)), "\r\n");
        // It may be over already.
        let left: Option<u64> = left.trim().strip_prefix("HD t").map(|left| left.parse().expect("not for ever"));
        assert!(left.is_none_or(|left| left <= longest), "{kept_for}: {left:?}");
        assert!(longest < 300 || left > Some(200), "{left:?}");
    }
}

#[tokio::test]
async fn a_server_that_dies_costs_its_answers_and_no_time_and_heals_by_itself() {
    let mut program = Program::start(&[]);
    let cache = open(&[program.port()], DEADLINE).await;
    until_it_keeps(&cache, 1).await;
    program.kill();
    a_thousand_misses(&cache).await;
    program.start_again();
    until_it_keeps(&cache, 1).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_found_when_it_comes() {
    let mut program = Program::start(&[]);
    program.kill();
    let cache = open(&[program.port()], DEADLINE).await;
    a_thousand_misses(&cache).await;
    program.start_again();
    until_it_keeps(&cache, 1).await;
}

#[tokio::test]
async fn connections_that_ended_unused_cost_nothing() {
    let mut program = Program::start(&[]);
    let cache = open(&[program.port()], AMPLE).await;
    put(&cache, 1, b"gone with it").await;
    program.kill();
    program.start_again();
    assert_eq!(get(&cache, 1).await, None);
    put(&cache, 1, b"kept").await;
    assert_eq!(get(&cache, 1).await.as_deref(), Some(&b"kept"[..]), "no outage was made of it");
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_waited_for_once() {
    let mute = Impostor::start(|mut stream| while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {});
    let cache = open(&[mute.port()], DEADLINE).await;
    a_thousand_misses(&cache).await;
    assert!(mute.connections() < 100, "{} connections", mute.connections());
}

#[tokio::test]
async fn calls_beside_each_other_wait_one_deadline_together() {
    let mute = Impostor::start(|mut stream| while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {});
    let cache = Arc::new(open(&[mute.port()], DEADLINE).await);
    let start = Instant::now();
    let calls: Vec<_> = (0..1000)
        .map(|number| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { get(&cache, number).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no call panics"), None);
    }
    assert!(start.elapsed() < NO_TIME, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_talks_garbage_is_a_miss_of_every_sort() {
    let asked = key(1);
    let another = format!("VALUE {} 0 1\r\na\r\nEND\r\n", key(2)).into_bytes();
    let endless = format!("VALUE {asked} 0 18446744073709551615\r\n").into_bytes();
    let huge = format!("VALUE {asked} 0 1000001\r\n").into_bytes();
    let early = format!("VALUE {asked} 0 100\r\nabc").into_bytes();
    let web = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec();
    for garbage in [another, endless, huge, early, web, vec![0xff; 4096], vec![b'E'; 1 << 20], b"ERROR\r\n".to_vec()] {
        let what = String::from_utf8_lossy(&garbage[..garbage.len().min(60)]).into_owned();
        let liar = Impostor::start(move |mut stream| {
            // The first question of each connection is a look, which it answers well; so the next one is asked.
            let read = stream.read(&mut [0; 1024]).unwrap_or(0);
            let _ = stream.write_all(b"END\r\n");
            if read > 0 && stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                let _ = stream.write_all(&garbage);
            }
        });
        let cache = open(&[liar.port()], AMPLE).await;
        let start = Instant::now();
        assert_eq!(get(&cache, 1).await, None, "{what}");
        assert!(start.elapsed() < AMPLE, "{what} is noticed and not waited out");
    }
}

#[tokio::test]
async fn of_two_servers_a_dead_one_costs_only_its_share() {
    let (living, mut dying) = (Program::start(&[]), Program::start(&[]));
    let cache = open(&[living.port(), dying.port()], AMPLE).await;
    for number in 0..200 {
        put(&cache, number, number.to_string().as_bytes()).await;
        assert_eq!(get(&cache, number).await, Some(number.to_string().into_bytes()));
    }
    let lives = |number| living.say(&format!("mg {}", key(number)), "\r\n") == "HD\r\n";
    let share: Vec<i64> = (0..200).filter(|number| lives(*number)).collect();
    assert!((50..150).contains(&share.len()), "{share:?}");
    dying.kill();
    for number in 0..200 {
        let expected = share.contains(&number).then(|| number.to_string().into_bytes());
        assert_eq!(get(&cache, number).await, expected, "{number}");
    }
}

#[tokio::test]
async fn a_value_that_is_too_large_is_not_kept_and_leaves_the_server_well() {
    let program = Program::start(&["-I", "8k", "-o", "slab_chunk_max=4096"]);
    let cache = open(&[program.port()], AMPLE).await;
    put(&cache, 1, b"small").await;
    for too_large in [20_000, 1_000_000, 1_000_001, 3_000_000] {
        put(&cache, 2, &vec![b'x'; too_large]).await;
        assert_eq!(get(&cache, 2).await, None, "{too_large} bytes");
        assert_eq!(get(&cache, 1).await.as_deref(), Some(&b"small"[..]), "after {too_large} bytes");
    }
    let roomy = Program::start(&[]);
    let cache = open(&[roomy.port()], AMPLE).await;
    put(&cache, 1, &vec![b'x'; 1_000_000]).await;
    assert_eq!(get(&cache, 1).await.map(|value| value.len()), Some(1_000_000), "as much as memcached takes by itself");
}
