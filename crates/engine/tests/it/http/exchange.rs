//! One request, one answer: what arrives, what comes back, and what is said where nothing does.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use oncue_domain::destination::{Egress, Reach};
use oncue_domain::outbound::{ANSWER_BYTES_MAX, Outbound, Trust};
use oncue_engine::http::HttpOutbound;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{AMPLE, Receiver, SHORT, answer, failure, outbound, read_request, request, reset, send, settings, settle};

#[tokio::test]
async fn a_request_arrives_as_written_and_the_answer_comes_back() {
    let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            seen.send(read_request(&mut stream).await.expect("a request")).expect("the test listens");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;

    let exchange = send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await;

    assert!(exchange.took > Duration::ZERO);
    let answer = answer(exchange);
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]));
    let request = arrived.recv().await.expect("a request").to_lowercase();
    let (head, body) = request.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines: Vec<&str> = head.lines().collect();
    lines[1..].sort_unstable();
    let host = format!("host: {}", receiver.address);
    assert_eq!(
        lines,
        ["post /hook?a=b http/1.1", "content-length: 8", "content-type: application/json", &host, "webhook-id: evt_1"]
    );
    assert_eq!(body, "{\"a\": 1}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = format!("HTTP/1.1 {status} Moved\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
        let receiver = Receiver::answering(redirect).await;
        assert_eq!(answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await).status, status);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn nobody_waits_for_a_receiver_that_never_answers() {
    let silent = Receiver::start(|stream, _| async move {
        tokio::time::sleep(AMPLE).await;
        drop(stream);
    })
    .await;
    let exchange = send(&outbound(Reach::Loopback, SHORT), &silent.url()).await;
    assert!(exchange.took >= SHORT);
    assert_eq!(failure(exchange), "The receiver did not answer within 0.3 s.");
}

#[tokio::test]
async fn headers_that_trickle_for_ever_are_not_waited_for() {
    let trickling = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(failure(send(&outbound(Reach::Loopback, SHORT), &trickling.url()).await).contains("within 0.3 s"));
}

#[tokio::test]
async fn a_body_that_trickles_for_ever_does_not_take_the_status_back() {
    let trickling = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let exchange = timeout(AMPLE, send(&outbound(Reach::Loopback, SHORT), &trickling.url())).await.expect("it ends");
    let answer = answer(exchange);
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(b"x") && answer.body.len() < 1000);
}

#[tokio::test]
async fn an_endless_body_is_let_go_of() {
    let (gone, mut went) = tokio::sync::mpsc::unbounded_channel();
    let endless = Receiver::start(move |mut stream, _| {
        let gone = gone.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let mut sent = 0;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {
                sent += 8192;
            }
            let _ = gone.send(sent);
        }
    })
    .await;
    let answer = answer(send(&outbound(Reach::Loopback, AMPLE), &endless.url()).await);
    assert_eq!((answer.status, answer.body), (200, vec![b'x'; ANSWER_BYTES_MAX]));
    let sent: usize = timeout(AMPLE, went.recv()).await.expect("the connection was closed").expect("a number");
    // What the system's own buffers swallowed is not ours to bound.
    assert!(sent < 64 * 1024 * 1024, "{sent}");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_take_the_status_back() {
    for broken in ["Content-Length: 10000000000\r\n\r\npart", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzzz\r\n"]
    {
        let receiver = Receiver::start(move |mut stream, _| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(format!("HTTP/1.1 204 OK\r\n{broken}").replace("204", "202").as_bytes()).await;
        })
        .await;
        let answer = answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await);
        assert_eq!((answer.status, answer.body.as_slice()), (202, &b"part"[..]));
    }
}

#[tokio::test]
async fn compressed_bodies_are_kept_as_they_came() {
    let receiver =
        Receiver::answering("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\u{1f}bcd").await;
    assert_eq!(answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await).body, b"\x1fbcd");
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_a_failure() {
    let many: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    let large = format!("x: {}\r\n", "y".repeat(64 * 1024));
    for headers in [many, large] {
        let receiver = Receiver::answering(format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n")).await;
        let failure = failure(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await);
        assert_eq!(failure, "The receiver's answer has more than 100 header lines or 32 KiB of them.");
    }
    let enough: String = (0..99).map(|n| format!("x-{n}: {}\r\n", "y".repeat(200))).collect();
    let receiver = Receiver::answering(format!("HTTP/1.1 200 OK\r\n{enough}Content-Length: 0\r\n\r\n")).await;
    assert_eq!(answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await).status, 200);
}

#[tokio::test]
async fn what_is_not_http_is_a_failure() {
    for greeting in [
        "220 mail.example.com ESMTP ready\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\0\0\u{1}\u{2}binary",
        "HTTP/2.0 200 OK\r\n\r\n",
    ] {
        let receiver = Receiver::answering(greeting).await;
        let failure = failure(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await);
        assert_eq!(failure, "What the receiver answered is not HTTP/1.1.", "{greeting:?}");
    }
}

#[tokio::test]
async fn who_speaks_first_does_not_speak_http() {
    for greeting in ["220 mail.example.com ESMTP ready\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] {
        let receiver = Receiver::start(move |mut stream, _| async move {
            let _ = stream.write_all(greeting.as_bytes()).await;
            while read_request(&mut stream).await.is_some() {}
        })
        .await;
        let failure = failure(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await);
        assert_eq!(failure, "What the receiver answered is not HTTP/1.1.", "{greeting:?}");
    }
}

#[tokio::test]
async fn a_refused_or_closed_connection_is_a_failure_in_plain_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    drop(listener);
    let refused = failure(send(&outbound(Reach::Loopback, AMPLE), &format!("http://{address}/")).await);
    assert_eq!(refused, "The receiver refused the connection; check that it is running and listens on that port.");

    let closing = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
    })
    .await;
    let closed = failure(send(&outbound(Reach::Loopback, AMPLE), &closing.url()).await);
    assert_eq!(closed, "The receiver closed the connection without answering.");
    assert_eq!(closing.connections(), 1, "an error on a new connection is final");

    let resetting = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        reset(stream);
    })
    .await;
    let reset = failure(send(&outbound(Reach::Loopback, AMPLE), &resetting.url()).await);
    assert_eq!(reset, "The receiver closed the connection without answering.");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let outbound = outbound(Reach::Loopback, AMPLE);
    for _ in 0..5 {
        assert_eq!(answer(send(&outbound, &receiver.url()).await).status, 200);
        settle().await;
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn an_idle_connection_that_the_receiver_closed_is_no_failure() {
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            drop(stream);
            closed.send(()).expect("the test listens");
        }
    })
    .await;
    let outbound = outbound(Reach::Loopback, AMPLE);
    for _ in 0..10 {
        assert_eq!(answer(send(&outbound, &receiver.url()).await).status, 200);
        // Nothing else has its turn from here to the next request: the runtime has not heard of it.
        closings.recv().await.expect("it was closed");
    }
}

#[tokio::test]
async fn what_a_receiver_may_have_read_is_not_sent_again_in_the_same_attempt() {
    let (read, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut stream, _| {
        let read = read.clone();
        async move {
            for answer in [&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..], b""] {
                if read_request(&mut stream).await.is_some() {
                    read.send(()).expect("the test listens");
                    let _ = stream.write_all(answer).await;
                }
            }
        }
    })
    .await;
    let outbound = outbound(Reach::Loopback, AMPLE);
    for _ in 0..3 {
        assert_eq!(answer(send(&outbound, &receiver.url()).await).status, 200);
        assert_eq!(
            failure(send(&outbound, &receiver.url()).await),
            "The receiver closed the connection without answering."
        );
    }
    let mut count = 0;
    while requests.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!((count, receiver.connections()), (6, 3), "as many requests as attempts");
}

#[tokio::test]
async fn a_connection_is_let_go_of_before_the_receiver_would() {
    for (says, connections) in [("timeout=5, max=1000", 1), ("timeout=1", 2), ("timeout=0", 2), ("max=7", 1)] {
        let answering = format!("HTTP/1.1 200 OK\r\nKeep-Alive: {says}\r\nContent-Length: 2\r\n\r\nok");
        let receiver = Receiver::answering(answering).await;
        let outbound = outbound(Reach::Loopback, AMPLE);
        for _ in 0..2 {
            assert_eq!(answer(send(&outbound, &receiver.url()).await).status, 200);
        }
        assert_eq!(receiver.connections(), connections, "{says}");
    }
}

#[tokio::test]
async fn loopback_is_not_dialled_without_the_switch() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = receiver.address.port();
    let outbound = outbound(Reach::Public, AMPLE);
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "0.0.0.0",
        "localhost",
        "a.localhost",
    ];
    for host in hosts {
        let failure = failure(send(&outbound, &format!("http://{host}:{port}/")).await);
        assert!(failure.contains("deliveries") || failure.contains("Deliveries"), "{host}: {failure}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to() {
    // The name of this machine looks like any other; the hosts file or the resolver leads it inside.
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let port = receiver.address.port();
    let allowed = send(&outbound(Reach::Loopback, AMPLE), &format!("http://localhost:{port}/")).await;
    assert_eq!(answer(allowed).body, b"ok");

    let own = Egress::new(Reach::Private, vec![receiver.address]);
    let refused = send(&HttpOutbound::new(settings(own, AMPLE)), &format!("http://localhost:{port}/")).await;
    assert!(failure(refused).contains("oncue's own"));
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn this_machine_is_recognised_under_its_other_addresses() {
    let Some(address) = outer_address().await else { return };
    let listener = TcpListener::bind((address, 0)).await.expect("an address of this machine");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let everywhere = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port);
    let own = Egress::new(Reach::Private, vec![everywhere]);
    let refused = send(&HttpOutbound::new(settings(own, AMPLE)), &format!("http://{address}:{port}/")).await;
    assert!(failure(refused).contains("oncue's own"));
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "nobody came");
}

/// An address of this machine that is not a loopback one, where there is one to test with.
async fn outer_address() -> Option<IpAddr> {
    let socket = tokio::net::UdpSocket::bind("0.0.0.0:0").await.ok()?;
    socket.connect("192.0.2.1:9").await.ok()?;
    let address = socket.local_addr().ok()?.ip();
    let is_private = Egress::new(Reach::Private, vec![]).judge_address(address, 8080).is_ok();
    (is_private && !address.is_loopback()).then_some(address)
}

#[tokio::test]
async fn the_operators_own_address_is_exempt() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let outbound = outbound(Reach::Public, AMPLE);
    assert_eq!(answer(outbound.send(request(&receiver.url(), Trust::Operator)).await).status, 200);
    assert!(failure(send(&outbound, &receiver.url()).await).contains("--allow-private-destinations"));
    assert_eq!(receiver.connections(), 1, "what the operator's exemption opened is not lent to users");
}

#[tokio::test]
async fn tls_problems_are_told_in_plain_words() {
    let plain = Receiver::start(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        while read_request(&mut stream).await.is_some() {}
    })
    .await;
    let closing = Receiver::start(|stream, _| async move { drop(stream) }).await;
    let outbound = outbound(Reach::Loopback, AMPLE);
    for receiver in [plain, closing] {
        let url = receiver.url().replace("http:", "https:");
        let failure = timeout(AMPLE, send(&outbound, &url)).await.map(failure).expect("it ends");
        assert!(failure.contains("TLS handshake"), "{failure}");
        assert!(!failure.contains("127.0.0.1"), "{failure}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_told_in_plain_words() {
    let failure = failure(send(&outbound(Reach::Public, AMPLE), "http://no-such-name.invalid/").await);
    assert!(failure.contains("could not be resolved") || failure.contains("Looking up"), "{failure}");
}
