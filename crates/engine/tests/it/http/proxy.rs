//! The operator's egress proxy: what it is asked for, and what becomes of a delivery where it does not play its part.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oncue_domain::destination::{Egress, Reach};
use oncue_domain::outbound::{Outbound, Request, Trust};
use oncue_engine::http::{HttpOutbound, Names, Proxy, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::names::Told;
use super::{AMPLE, Receiver, answer, failure, read_request, request, send, settings};

/// A proxy that answers each CONNECT with what is next, and where that is a 200, goes on to `behind` instead of where it was asked.
pub(super) struct Stand {
    pub(super) receiver: Receiver,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stand {
    pub(super) async fn start(answers: &[&'static str], behind: Option<SocketAddr>) -> Stand {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, answers) = (asked.clone(), answers.to_vec());
        let receiver = Receiver::start(move |mut stream, number| {
            let (noted, answers) = (noted.clone(), answers.clone());
            async move {
                let Some(head) = read_request(&mut stream).await else { return };
                noted.lock().expect("nobody panics").push(head);
                let answer = answers[(number - 1).min(answers.len() - 1)];
                let _ = stream.write_all(answer.as_bytes()).await;
                if let Some(behind) = behind.filter(|_| answer.contains(" 200")) {
                    let mut onward = TcpStream::connect(behind).await.expect("the receiver listens");
                    let _ = copy_bidirectional(&mut stream, &mut onward).await;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        Stand { receiver, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics").clone()
    }

    /// The way out through it.
    pub(super) fn out(&self, names: Arc<dyn Names>) -> Settings {
        let proxy = Proxy::parse(&format!("http://ann:se%20cret@{}", self.receiver.address)).expect("a proxy");
        let egress = Egress::new(Reach::Public, vec!["0.0.0.0:8000".parse().expect("a socket address")]);
        Settings { proxy: Some(proxy), names, ..settings(egress, AMPLE) }
    }
}

pub(super) const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\nVia: stand\r\n\r\n";

fn at(address: &str) -> SocketAddr {
    address.parse().expect("a socket address")
}

#[tokio::test]
async fn the_proxy_is_asked_for_the_judged_address_and_the_receiver_by_its_name() {
    let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            while let Some(request) = read_request(&mut stream).await {
                seen.send(request).expect("the test listens");
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let stand = Stand::start(&[ESTABLISHED], Some(receiver.address)).await;
    let target = at("93.184.216.34:8080");
    let names = Told::new("shop.example", vec![vec![target]]);
    let out = HttpOutbound::new(stand.out(names.clone()));
    for is_first in [true, false] {
        let exchange = send(&out, "http://shop.example:8080/hook").await;
        assert_eq!((exchange.facts.address, exchange.facts.connect_us.is_some()), (Some(target), is_first));
        assert_eq!(answer(exchange).body, b"ok");
        let request = arrived.recv().await.expect("a request").to_lowercase();
        assert!(request.starts_with("post /hook http/1.1\r\n") && request.contains("host: shop.example:8080\r\n"));
        assert!(!request.contains("proxy"), "{request}");
    }
    assert_eq!(
        stand.asked(),
        ["CONNECT 93.184.216.34:8080 HTTP/1.1\r\nHost: 93.184.216.34:8080\r\nProxy-Authorization: Basic \
          YW5uOnNlIGNyZXQ=\r\n\r\n"]
    );
    assert_eq!(names.asked(), 1);
}

#[tokio::test]
async fn a_proxy_is_no_way_around_the_guard() {
    let stand = Stand::start(&[ESTABLISHED], None).await;
    let inner =
        ["10.0.0.1:80", "127.0.0.1:80", "169.254.169.254:80", "[::1]:80", "[fd00::1]:80", "[::ffff:10.0.0.1]:80"];
    for address in inner.map(at) {
        let names = Told::new("shop.example", vec![vec![at("93.184.216.34:80"), address]]);
        let out = HttpOutbound::new(stand.out(names));
        for url in ["http://shop.example/".to_owned(), format!("http://{address}/")] {
            assert!(failure(send(&out, &url).await).contains("deliveries"), "{url}");
        }
    }
    let port = stand.receiver.address.port();
    let out = HttpOutbound::new(stand.out(Told::new("proxy.example", vec![vec![stand.receiver.address]])));
    assert!(failure(send(&out, &format!("http://proxy.example:{port}/")).await).contains("deliveries"), "itself");
    assert_eq!(stand.receiver.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_none_is_told_in_plain_words() {
    const ENDLESS: &str = concat!("HTTP/1.1 200 OK\r\nx: ", "0123456789abcdef");
    let long: &'static str = Box::leak(format!("{ENDLESS}{}", "y".repeat(20_000)).into_boxed_str());
    for (said, words) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n<html>", "does not let deliveries go to this address (403)"),
        ("HTTP/1.1 401 Who\r\n\r\n", "does not let deliveries go to this address (401)"),
        ("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "--egress-proxy"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "found no way to the receiver (502)"),
        ("HTTP/1.0 504\r\n\r\n", "found no way to the receiver (504)"),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", "it answered 302 to CONNECT"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "it answered 100 to CONNECT"),
        ("HTTP/1.1 20 x\r\n\r\n", "is not an HTTP proxy"),
        ("HTTP/1.1 200x\r\n\r\n", "is not an HTTP proxy"),
        ("\u{5}\u{0}", "is not an HTTP proxy"),
        ("SSH-2.0-OpenSSH_9.9\r\n", "is not an HTTP proxy"),
        ("", "closed the connection without an answer"),
        ("HTTP/1.1 200 OK\r\n", "closed the connection without an answer"),
        (long, "more than 8 KiB"),
    ] {
        let stand = Stand::start(&[said], None).await;
        let names = Told::new("shop.example", vec![vec![at("93.184.216.34:80")]]);
        let exchange = send(&HttpOutbound::new(stand.out(names)), "http://shop.example/").await;
        assert_eq!(exchange.facts.wait_us, None, "the receiver was not asked");
        let failure = failure(exchange);
        assert!(failure.contains(words) && failure.contains("proxy"), "{said:?}: {failure}");
        assert!(
            !failure.contains("cret") && !failure.contains("93.184") && !failure.contains("127.0.0.1"),
            "{failure}"
        );
        assert_eq!(stand.receiver.connections(), 1, "{said:?}");
    }
}

#[tokio::test]
async fn an_address_that_the_proxy_cannot_reach_is_followed_by_the_next() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let stand = Stand::start(&["HTTP/1.1 502 Bad Gateway\r\n\r\n", ESTABLISHED], Some(receiver.address)).await;
    let two = vec![at("[2606:4700::1]:80"), at("93.184.216.34:80")];
    let exchange =
        send(&HttpOutbound::new(stand.out(Told::new("shop.example", vec![two]))), "http://shop.example/").await;
    assert_eq!(exchange.facts.address, Some(at("93.184.216.34:80")));
    assert_eq!(answer(exchange).status, 200);
    let targets: Vec<String> =
        stand.asked().iter().filter_map(|head| Some(head.split(' ').nth(1)?.to_owned())).collect();
    assert_eq!(targets, ["[2606:4700::1]:80", "93.184.216.34:80"]);
}

#[tokio::test]
async fn a_proxy_that_is_away_or_slow_costs_no_more_than_the_time_given() {
    let slow = Receiver::start(|mut stream, _| async move {
        let mut piece = [0; 1024];
        while stream.read(&mut piece).await.is_ok_and(|n| n > 0) {}
    })
    .await;
    let names = || Told::new("shop.example", vec![vec![at("93.184.216.34:80"); 3]]);
    let through = |address: SocketAddr| {
        let proxy = Proxy::parse(&format!("http://{address}")).expect("a proxy");
        let egress = Egress::new(Reach::Public, vec![]);
        HttpOutbound::new(Settings { proxy: Some(proxy), names: names(), ..settings(egress, AMPLE) })
    };
    let hurried =
        Request { timeout: Some(Duration::from_millis(300)), ..request("http://shop.example/", Trust::Guarded) };
    let exchange = through(slow.address).send(hurried).await;
    assert!(exchange.took < Duration::from_secs(5));
    assert_eq!(failure(exchange), "The operator's egress proxy opened no connection to the receiver within 0.3 s.");

    let away = slow.address.port();
    drop(slow);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gone = listener.local_addr().expect("a bound socket has an address");
    drop(listener);
    let failure = failure(send(&through(gone), "http://shop.example/").await);
    assert!(failure.contains("egress proxy") && failure.contains("gives no connection"), "{failure}");
    assert!(!failure.contains(&away.to_string()), "{failure}");
}

#[tokio::test]
async fn the_operators_own_address_goes_through_the_proxy_too() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let stand = Stand::start(&[ESTABLISHED], Some(receiver.address)).await;
    let out = HttpOutbound::new(stand.out(Arc::new(Told::default())));
    let exchange = out.send(request("http://10.0.0.5/hook", Trust::Operator)).await;
    assert_eq!(exchange.facts.address, None);
    assert_eq!(answer(exchange).status, 200);
    assert!(stand.asked()[0].starts_with("CONNECT 10.0.0.5:80 "));
}
