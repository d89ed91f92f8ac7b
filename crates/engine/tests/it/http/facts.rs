//! What a receipt tells of the way: the address, the times of its parts, the answer's headers.

use std::time::Duration;

use oncue_domain::destination::{Egress, Reach};
use oncue_domain::outbound::{ANSWER_HEADER_BYTES_MAX, ANSWER_HEADERS_MAX, Facts, Outbound, Request, Trust};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::{AMPLE, Receiver, SHORT, answer, failure, outbound, read_request, request, send};

const PAUSE: Duration = Duration::from_millis(60);

#[tokio::test]
async fn the_parts_of_the_way_are_timed_and_a_kept_connection_has_fewer() {
    let receiver = Receiver::start(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            sleep(PAUSE).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
            sleep(PAUSE).await;
            let _ = stream.write_all(b"ok").await;
        }
    })
    .await;
    let out = outbound(Reach::Loopback, AMPLE);
    let pause = u32::try_from(PAUSE.as_micros()).expect("a short pause");
    for is_first in [true, false] {
        let exchange = send(&out, &receiver.url()).await;
        let Facts { address, connect_us, tls_us, wait_us, receive_us } = exchange.facts;
        assert_eq!(address, Some(receiver.address));
        assert_eq!((connect_us.is_some(), tls_us), (is_first, None));
        let (wait, receive) = (wait_us.expect("it was waited"), receive_us.expect("it was received"));
        assert!(wait >= pause && receive >= pause, "{wait} {receive}");
        let parts = connect_us.unwrap_or(0) + wait + receive;
        assert!(u128::from(parts) <= exchange.took.as_micros(), "{parts} of {:?}", exchange.took);
        assert_eq!(answer(exchange).body, b"ok");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn what_was_not_come_to_has_no_time() {
    let out = outbound(Reach::Public, AMPLE);
    let refused = send(&out, "http://127.0.0.1:8080/").await;
    assert_eq!(refused.facts, Facts::default(), "an address that is refused is not told");

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    drop(listener);
    let facts = send(&outbound(Reach::Loopback, AMPLE), &format!("http://{address}/")).await.facts;
    assert_eq!((facts.address, facts.wait_us, facts.receive_us), (Some(address), None, None));
    assert!(facts.connect_us.is_some());
}

#[tokio::test]
async fn the_operators_own_address_is_not_told() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let exchange = outbound(Reach::Public, AMPLE).send(request(&receiver.url(), Trust::Operator)).await;
    assert_eq!(exchange.facts.address, None);
    assert!(exchange.facts.wait_us.is_some());
}

#[tokio::test]
async fn a_request_may_be_given_less_time_but_not_more() {
    let silent = Receiver::start(|stream, _| async move {
        sleep(AMPLE).await;
        drop(stream);
    })
    .await;
    for (timeout, words) in [(Some(SHORT / 3), "within 0.1 s"), (Some(AMPLE), "within 0.3 s"), (None, "within 0.3 s")] {
        let request = Request { timeout, ..request(&silent.url(), Trust::Guarded) };
        let exchange = outbound(Reach::Loopback, SHORT).send(request).await;
        let waited = exchange.facts.wait_us.expect("the request was sent");
        assert!(u128::from(waited) <= exchange.took.as_micros() && waited > 50_000, "{waited}");
        assert_eq!(exchange.facts.receive_us, None);
        let failure = failure(exchange);
        assert!(failure.contains(words), "{failure}");
    }
}

#[tokio::test]
async fn the_answers_headers_are_kept_as_text_within_bounds() {
    let receiver = Receiver::answering(
        &b"HTTP/1.1 200 OK\r\nX-Text: plain\r\nx-twice: 1\r\nX-Twice: 2\r\nX-Latin: caf\xe9\r\nContent-Length: 0\r\n\r\n"[..],
    )
    .await;
    let kept = answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await).headers;
    let of = |name: &str| kept.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    assert_eq!(of("x-text"), ["plain"]);
    assert_eq!(of("x-twice"), ["1", "2"]);
    assert_eq!(of("x-latin"), ["caf\u{fffd}"]);

    let many: String = (0..98).map(|n| format!("x-{n}: {}\r\n", "y".repeat(250))).collect();
    let receiver = Receiver::answering(format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\nlast: z\r\n\r\n")).await;
    let kept = answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await).headers;
    assert!(kept.len() <= ANSWER_HEADERS_MAX);
    assert!(kept.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= ANSWER_HEADER_BYTES_MAX);
    assert!(kept.contains(&("last".to_owned(), "z".to_owned())), "a line that fits is kept behind lines that do not");
}

#[tokio::test]
async fn methods_go_out_as_they_are_named() {
    use oncue_domain::outbound::Method;
    for method in Method::ALL {
        let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
        let receiver = Receiver::start(move |mut stream, _| {
            let seen = seen.clone();
            async move {
                seen.send(read_request(&mut stream).await.expect("a request")).expect("the test listens");
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        })
        .await;
        let request = Request { method, ..request(&receiver.url(), Trust::Guarded) };
        let egress = Egress::new(Reach::Public, vec![]).exempting(receiver.address);
        let out = oncue_engine::http::HttpOutbound::new(super::settings(egress, AMPLE));
        assert_eq!(answer(out.send(request).await).status, 204);
        let head = arrived.recv().await.expect("a request");
        assert!(head.starts_with(&format!("{} /hook?a=b HTTP/1.1\r\n", method.word())), "{head}");
    }
}
