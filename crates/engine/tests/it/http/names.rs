//! Names that lead inside, that change their minds, or that nobody answers for: looked up in a resolver that says what the test wants.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oncue_domain::destination::{Allowed, Egress, Reach};
use oncue_domain::outbound::{Exchange, Outbound, Request, Trust};
use oncue_engine::http::{HttpOutbound, Names, Settings, Turn};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{AMPLE, Receiver, answer, failure, read_request, request, send, settings};

/// Answers each name with its lists in turn, the last one for ever.
#[derive(Default)]
pub(super) struct Told {
    lists: Mutex<HashMap<String, Vec<Vec<SocketAddr>>>>,
    asked: AtomicUsize,
}

impl Told {
    pub(super) fn new(name: &str, lists: Vec<Vec<SocketAddr>>) -> Arc<Told> {
        Arc::new(Told { lists: Mutex::new(HashMap::from([(name.to_owned(), lists)])), asked: AtomicUsize::new(0) })
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Names for Told {
    async fn look_up(&self, name: &str, _: u16, _: Turn) -> Vec<SocketAddr> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut lists = self.lists.lock().expect("no test panics in here");
        let Some(lists) = lists.get_mut(name) else { return Vec::new() };
        if lists.len() > 1 { lists.remove(0) } else { lists[0].clone() }
    }
}

/// The way out that believes `names`.
pub(super) fn believing(egress: Egress, names: Arc<dyn Names>) -> HttpOutbound {
    HttpOutbound::new(Settings { names, ..settings(egress, AMPLE) })
}

fn at(address: &str) -> SocketAddr {
    address.parse().expect("a socket address")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_whatever_stands_beside_it() {
    let inner = "0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 168.63.129.16 169.254.169.254 172.16.0.1 192.0.0.192 192.0.2.1 \
        192.168.0.1 198.18.0.1 224.0.0.1 255.255.255.255";
    let inner_v6 = "::1 :: ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2001::1 2002:7f00:1::1 fc00::1 fd00:ec2::254 fe80::1 \
        fec0::1 ff02::1 2001:db8::1 ::ffff:0:7f00:1 ::5efe:7f00:1";
    let v4 = inner.split_whitespace().map(|ip| format!("{ip}:8080"));
    let v6 = inner_v6.split_whitespace().map(|ip| format!("[{ip}]:8080"));
    for address in v4.chain(v6) {
        let (inner, public) = (at(&address), at("93.184.216.34:8080"));
        for answers in [vec![inner], vec![public, inner], vec![inner, public], [vec![public; 40], vec![inner]].concat()]
        {
            let names = Told::new("shop.example", vec![answers]);
            let exchange =
                send(&believing(Egress::new(Reach::Public, vec![]), names), "http://shop.example:8080/").await;
            assert_eq!(exchange.facts.address, None, "{address}: nothing is dialled, not even what is public");
            let words = failure(exchange);
            assert!(words.contains("deliveries"), "{address}: {words}");
        }
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    // The good one answers once on each connection, so that the next delivery looks the name up again.
    let good = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let bad = TcpListener::bind(("127.0.0.2", good.address.port())).await.expect("the same port of another address");
    let rebound = bad.local_addr().expect("a bound socket has an address");
    let names = Told::new("shop.example", vec![vec![good.address], vec![rebound], vec![good.address, rebound]]);
    let out = believing(Egress::new(Reach::Public, vec![]).exempting(good.address), names.clone());
    let url = format!("http://shop.example:{}/", good.address.port());

    assert_eq!(answer(send(&out, &url).await).status, 200);
    assert_eq!(names.asked(), 1, "what was judged is what was dialled: nobody asks in between");
    for asked in [2, 3] {
        assert!(failure(send(&out, &url).await).contains("--allow-private-destinations"));
        assert_eq!(names.asked(), asked);
    }
    assert_eq!(good.connections(), 1);
    assert!(tokio::time::timeout(Duration::from_millis(50), bad.accept()).await.is_err(), "nobody came");
}

#[tokio::test]
async fn a_kept_connection_stays_with_the_name_it_was_judged_for() {
    let receiver = Receiver::answering(OK).await;
    let port = receiver.address.port();
    let list = Allowed::parse(&format!("hooks.internal:{port}")).expect("a list");
    let names = Arc::new(Told::default());
    for name in ["hooks.internal", "other.internal", "other.example"] {
        names.lists.lock().expect("nobody panics").insert(name.to_owned(), vec![vec![receiver.address]]);
    }
    let out = believing(Egress::new(Reach::Public, vec![]).allowing(list), names.clone());
    for _ in 0..3 {
        assert_eq!(answer(send(&out, &format!("http://hooks.internal:{port}/")).await).status, 200);
    }
    for host in ["other.internal", "other.example", "127.0.0.1", "localhost"] {
        let words = failure(send(&out, &format!("http://{host}:{port}/")).await);
        assert!(words.contains("--allow-destinations"), "{host}: {words}");
    }
    assert_eq!((receiver.connections(), names.asked()), (1, 2), "one for the open name, one for the public one");
}

/// Never answers.
struct Mute;

#[async_trait]
impl Names for Mute {
    async fn look_up(&self, _: &str, _: u16, _: Turn) -> Vec<SocketAddr> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn nobody_waits_for_a_resolver_that_does_not_answer() {
    let out = believing(Egress::new(Reach::Public, vec![]), Arc::new(Mute));
    let ask = |timeout| Request { timeout, ..request("http://shop.example/", Trust::Guarded) };
    let short: Exchange = out.send(ask(Some(Duration::from_millis(200)))).await;
    assert!(short.took < Duration::from_secs(2));
    assert_eq!(failure(short), "The receiver could not be reached within 0.2 s.");
    assert_eq!(failure(out.send(ask(None)).await), "Looking up the receiver's name took longer than 3 s.");
}

/// Answers for no name, and keeps the turns of some until it is told to give them back: as threads do that wait for name servers which do
/// not answer, long after nobody waits for them.
#[derive(Default)]
struct Clogged {
    kept: Mutex<Vec<Turn>>,
}

#[async_trait]
impl Names for Clogged {
    async fn look_up(&self, name: &str, _: u16, turn: Turn) -> Vec<SocketAddr> {
        if name.starts_with("mute") {
            self.kept.lock().expect("nobody panics").push(turn);
            std::future::pending().await
        }
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_turn_to_look_a_name_up_waits_for_one_as_long_as_the_exchange_may_take() {
    let names = Arc::new(Clogged::default());
    let out = Arc::new(believing(Egress::new(Reach::Public, vec![]), names.clone()));
    let ask = |host: &str| {
        let (out, asked) = (Arc::clone(&out), request(&format!("http://{host}.clogged.example/"), Trust::Guarded));
        tokio::spawn(async move { out.send(Request { timeout: Some(Duration::from_secs(15)), ..asked }).await })
    };
    // As many as are looked up at once below one domain.
    let mute: Vec<_> = (0..4).map(|number| ask(&format!("mute{number}"))).collect();
    for exchange in mute {
        let words = failure(exchange.await.expect("an exchange"));
        assert_eq!(words, "Looking up the receiver's name took longer than 3 s.");
    }
    let in_vain = ask("well").await.expect("an exchange");
    assert_eq!((in_vain.took, in_vain.facts.connect_us), (Duration::from_secs(15), None));
    let words = failure(in_vain);
    assert_eq!(words, "So many names were being looked up that the receiver was not asked within 15 s.");
    let patient = ask("well");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!patient.is_finished(), "its turn may come yet");
    names.kept.lock().expect("nobody panics").clear();
    let words = failure(patient.await.expect("an exchange"));
    assert!(words.contains("could not be resolved"), "it was looked up after all: {words}");
}

#[tokio::test]
async fn a_name_with_more_addresses_than_anybody_needs_costs_no_more_than_the_deadline() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = closed.local_addr().expect("a bound socket has an address").port();
    drop(closed);
    let many = (0..=255).flat_map(|a| (1..=16).map(move |b| SocketAddr::from(([127, 0, a, b], port)))).collect();
    let out = believing(Egress::new(Reach::Loopback, vec![]), Told::new("many.example", vec![many]));
    let exchange = send(&out, &format!("http://many.example:{port}/")).await;
    assert_eq!(exchange.facts.address.map(|last| last.ip().to_string()).as_deref(), Some("127.0.0.16"));
    assert!(failure(exchange).contains("refused the connection"));
}
