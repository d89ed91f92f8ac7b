//! Answers that no honest receiver gives: endless, broken, misleading. Each ends within its limits and in words.

use std::time::Duration;

use oncue_domain::destination::Reach;
use oncue_domain::outbound::{ANSWER_BYTES_MAX, Outbound, Request, Trust};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{AMPLE, Receiver, SHORT, answer, failure, outbound, read_request, request, reset, send, settle};

const NOT_HTTP: &str = "What the receiver answered is not HTTP/1.1.";
const NO_ANSWER: &str = "The receiver closed the connection without answering.";

/// Repeats `piece` behind `head` until nobody listens any more, and says how much it could send.
async fn endless(head: &'static str, piece: String) -> (Receiver, mpsc::UnboundedReceiver<usize>) {
    let (gone, went) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut stream, _| {
        let (gone, piece) = (gone.clone(), piece.repeat(8192 / piece.len() + 1));
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            let mut sent = 0;
            while stream.write_all(piece.as_bytes()).await.is_ok() {
                sent += piece.len();
            }
            let _ = gone.send(sent);
        }
    })
    .await;
    (receiver, went)
}

#[tokio::test]
async fn whatever_has_no_end_is_let_go_of() {
    let too_much = "The receiver sent more than 256 KiB and no answer.";
    let too_large = "The receiver's answer has more than 100 header lines or 32 KiB of them.";
    for (head, piece, words) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n".to_owned(), too_much),
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_owned(), too_much),
        ("HTTP/1.1 200 OK\r\nx: ", "y".to_owned(), too_large),
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n".to_owned(), too_large),
        ("HTTP/1.1 200 ", "very ".to_owned(), too_large),
        ("", "\r\n".to_owned(), too_large),
        ("", "HTTP".to_owned(), NOT_HTTP),
        ("", "\0".to_owned(), NOT_HTTP),
    ] {
        let (receiver, mut went) = endless(head, piece.clone()).await;
        let exchange = timeout(AMPLE, send(&outbound(Reach::Loopback, AMPLE), &receiver.url())).await.expect("it ends");
        assert!(exchange.took < AMPLE / 2, "{head:?} {piece:?}: {:?}", exchange.took);
        assert_eq!(failure(exchange), words, "{head:?} {piece:?}");
        let sent = timeout(AMPLE, went.recv()).await.expect("the connection was closed").expect("a number");
        // What the system's own buffers swallowed is not ours to bound.
        assert!(sent < 64 * 1024 * 1024, "{head:?} {piece:?}: {sent}");
    }
}

#[tokio::test]
async fn a_body_without_end_keeps_its_status_however_it_is_packed() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (byte, large) = ("1\r\nx\r\n".to_owned(), format!("1000\r\n{}\r\n", "x".repeat(4096)));
    let extended = format!("1;{}\r\nx\r\n", "e".repeat(1000));
    for (head, piece) in [
        (chunked, byte),
        (chunked, large),
        (chunked, extended),
        (chunked, "1;".to_owned()),
        (chunked, "0".to_owned()),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "x: y\r\n".to_owned()),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: ", "y".to_owned()),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\n", "x".to_owned()),
        ("HTTP/1.1 200 OK\r\n\r\n", "x".to_owned()),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\u{1f}", "\0".to_owned()),
    ] {
        let (receiver, mut went) = endless(head, piece.clone()).await;
        let exchange = timeout(AMPLE, send(&outbound(Reach::Loopback, AMPLE), &receiver.url())).await.expect("it ends");
        assert!(exchange.took < AMPLE / 2, "{head:?} {piece:.9}: {:?}", exchange.took);
        let answer = exchange.result.unwrap_or_else(|failure| panic!("{head:?} {piece:.9}: {}", failure.0));
        assert_eq!(answer.status, 200, "{head:?} {piece:.9}");
        assert!(answer.body.len() <= ANSWER_BYTES_MAX);
        timeout(AMPLE, went.recv()).await.expect("the connection was closed").expect("a number");
    }
}

#[tokio::test]
async fn what_is_compressed_is_never_unpacked() {
    // A megabyte of zeros, deflated: ten bytes of header, a thousand of stream.
    let packed = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xed, 0xc1, 1, 1, 0, 0, 0][..], &[0; 1000][..]].concat();
    for coding in ["gzip", "br", "deflate", "zstd", "gzip, gzip", "x-bomb"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", packed.len());
        let receiver = Receiver::answering([head.as_bytes(), &packed].concat()).await;
        assert_eq!(answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await).body, packed, "{coding}");
    }
}

#[tokio::test]
async fn a_status_line_is_read_strictly() {
    for line in [
        "HTTP/1.1 abc OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/3 200 OK",
        "http/1.1 200 OK",
        "HTTP/11 200 OK",
        "ICY 200 OK",
        "200 OK",
        "<html>it works</html>",
        "POST / HTTP/1.1",
        "PRI * HTTP/2.0",
        "HTTP/1.1 200 O\u{1}K",
    ] {
        let receiver = Receiver::answering(format!("{line}\r\nContent-Length: 0\r\n\r\n")).await;
        let exchange = send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await;
        assert_eq!(failure(exchange), NOT_HTTP, "{line:?}");
    }
    for line in
        ["HTTP/1.1 200", "HTTP/1.0 200 OK", "HTTP/1.1 599 Odd", "HTTP/1.1 999 Odder", "HTTP/1.1 200 \u{e9}t\u{e9}"]
    {
        let receiver = Receiver::answering(format!("{line}\r\nContent-Length: 0\r\n\r\n")).await;
        let status: u16 = line[9..12].parse().expect("three digits");
        assert_eq!(answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await).status, status, "{line:?}");
    }
}

#[tokio::test]
async fn headers_that_two_programs_may_read_differently_are_refused() {
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 99999999999999999999",
        "Content-Length : 5",
        "x y: z",
        ": z",
        "x\0: z",
        "x: a\0b",
        "x",
        " x: folded",
    ] {
        let receiver = Receiver::answering(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello")).await;
        let exchange = send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await;
        assert_eq!(failure(exchange), NOT_HTTP, "{headers:?}");
    }
}

#[tokio::test]
async fn chunks_that_lie_break_the_body_and_not_the_status() {
    for chunks in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5hello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello",
        "2\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "",
    ] {
        let receiver = Receiver::start(move |mut stream, _| async move {
            read_request(&mut stream).await;
            let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await;
        let answer = answer(send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await);
        assert_eq!(answer.status, 200, "{chunks:?}");
        assert!(b"hello".starts_with(&answer.body), "{chunks:?}: {:?}", answer.body);
    }
}

#[tokio::test]
async fn what_follows_an_answer_is_no_answer_to_the_next_request() {
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for surplus in [format!("{forged}HTTP/1.1 201 Forged\r\nContent-Length: 0\r\n\r\n"), format!("{forged}x")] {
        let receiver = Receiver::start(move |mut stream, number| {
            let surplus = surplus.clone();
            async move {
                while read_request(&mut stream).await.is_some() {
                    let said =
                        if number == 1 { surplus.as_str() } else { "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n" };
                    let _ = stream.write_all(said.as_bytes()).await;
                }
            }
        })
        .await;
        let out = outbound(Reach::Loopback, AMPLE);
        assert_eq!(answer(send(&out, &receiver.url()).await).status, 200);
        settle().await;
        assert_eq!(answer(send(&out, &receiver.url()).await).status, 202);
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_is_none_until_its_head_is_whole() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let head = whole.len() - "hello".len();
    for (cut, resets) in (1..whole.len()).step_by(3).flat_map(|cut| [(cut, false), (cut, true)]) {
        let receiver = Receiver::start(move |mut stream, _| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(&whole.as_bytes()[..cut]).await;
            if resets {
                // The bytes are to be read before the reset takes them away.
                sleep(Duration::from_millis(20)).await;
                reset(stream);
            }
        })
        .await;
        let exchange = send(&outbound(Reach::Loopback, AMPLE), &receiver.url()).await;
        if cut < head {
            assert_eq!(failure(exchange), NO_ANSWER, "{cut}");
        } else {
            let answer = answer(exchange);
            assert_eq!((answer.status, answer.body.as_slice()), (200, &whole.as_bytes()[head..cut]), "{cut}");
        }
        assert_eq!(receiver.connections(), 1, "an answer that broke off is not asked for again at once");
    }
}

/// What arrives after an exchange has ended: nothing more, because the connection is closed.
async fn drain(mut stream: TcpStream, gone: mpsc::UnboundedSender<()>) {
    while read_request(&mut stream).await.is_some() {}
    let _ = gone.send(());
}

#[tokio::test]
async fn a_receiver_that_reads_nothing_is_hung_up_on() {
    let (gone, mut went) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |stream, _| {
        let gone = gone.clone();
        async move {
            // Longer than anybody waits for it; only then does it look at what came.
            sleep(SHORT * 3).await;
            drain(stream, gone).await;
        }
    })
    .await;
    let large = Request { body: vec![b'x'; 16 * 1024 * 1024].into(), ..request(&receiver.url(), Trust::Guarded) };
    let exchange = outbound(Reach::Loopback, SHORT).send(large).await;
    assert!(exchange.took < SHORT * 3);
    assert_eq!(failure(exchange), "The receiver did not answer within 0.3 s.");
    timeout(AMPLE, went.recv()).await.expect("the connection was closed").expect("a word");
}

#[tokio::test]
async fn an_answer_before_the_request_was_read_is_an_answer() {
    let receiver = Receiver::start(|mut stream, _| async move {
        let mut piece = [0; 100];
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut piece).await;
        let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await;
        sleep(AMPLE).await;
    })
    .await;
    let out = outbound(Reach::Loopback, AMPLE);
    for connections in [1, 2] {
        let large = Request { body: vec![b'x'; 16 * 1024 * 1024].into(), ..request(&receiver.url(), Trust::Guarded) };
        let exchange = timeout(AMPLE / 2, out.send(large)).await.expect("it ends");
        assert_eq!(answer(exchange).status, 413);
        assert_eq!(receiver.connections(), connections, "half a request is not followed by another one");
    }
}

#[tokio::test]
async fn a_status_that_nobody_asked_for_changes_nothing() {
    let body = "Content-Length: 0\r\n\r\n";
    for (said, status) in [
        (format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 OK\r\n{body}"), 204),
        (format!("HTTP/1.1 205 Reset\r\n{body}"), 205),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n".to_owned(), 304),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n".to_owned(), 101),
    ] {
        let receiver = Receiver::answering(said.clone()).await;
        let exchange = send(&outbound(Reach::Loopback, SHORT), &receiver.url()).await;
        assert_eq!(answer(exchange).status, status, "{said:?}");
    }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_the_same_time_as_any() {
    let slow = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let exchange = send(&outbound(Reach::Loopback, SHORT), &slow.url()).await;
    assert!(exchange.took < SHORT * 4);
    let waited = Duration::from_micros(exchange.facts.wait_us.expect("a first byte came").into());
    assert!(waited < SHORT, "the first byte came early: {waited:?}");
    assert_eq!(failure(exchange), "The receiver did not answer within 0.3 s.");
}
