//! Below the requests: clients that hang, that talk nonsense, that do not listen while they speak.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::support::client::status_of;
use crate::support::server::Server;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

#[test]
fn a_hanging_request_head_does_not_hold_a_connection_for_ever() {
    let server = Server::start();
    let mut stream = connect(&server);
    stream.write_all(b"GET /ping HTTP/1.1\r\nhost: local").expect("the beginning of a head is taken");
    let mut answer = Vec::new();
    // Ended with an answer or without one, but ended.
    let ended = stream.read_to_end(&mut answer);
    assert!(
        ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
        "the connection stayed open"
    );
}

#[test]
fn nonsense_on_the_wire_harms_nobody() {
    let server = Server::start();
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "a".repeat(100_000));
    let many =
        format!("GET /ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{}\r\n", "x-more: 1\r\n".repeat(10_000));
    for nonsense in [
        "GET\r\n\r\n",
        "GET /ping HTTP/9.9\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET /%ff%fe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "POST /triggers HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        "POST /triggers HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n",
        "POST /triggers HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n",
        &long,
        &many,
    ] {
        let mut stream = connect(&server);
        // A server that has heard enough may close before everything is said.
        let _ = stream.write_all(nonsense.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        let status = status_of(&text);
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{:?}: {text}",
            &nonsense[..nonsense.len().min(200)]
        );
    }
    assert_eq!(server.nobody().get("/ping").is(200).json(), json!({"ping": "pong"}));
}

/// Sends one request in full and only then listens: the way most clients work. Gives the head of the answer.
fn say_and_listen(stream: &mut TcpStream, head: &str, body_bytes: usize) -> Option<String> {
    let request = format!("{head}content-length: {body_bytes}\r\n\r\n{}", " ".repeat(body_bytes));
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        answer.push(byte[0]);
    }
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let length =
        answer.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(answer)
}

#[test]
fn a_refusal_reaches_a_client_that_first_says_everything() {
    let server = Server::start();
    let head = "POST /api/v1/triggers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let foreign = "POST /api/v1/triggers HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n";
    for (head, body_bytes, status) in
        [(head, 10, "401"), (head, 300_000, "401"), (foreign, 300_000, "403"), (head, 1_000_000, "401")]
    {
        for _ in 0..20 {
            let answer = say_and_listen(&mut connect(&server), head, body_bytes);
            let answer = answer.unwrap_or_else(|| panic!("{body_bytes} bytes: the connection ended before the answer"));
            assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
        }
    }
}

#[test]
fn a_refusal_leaves_the_connection_usable_or_says_that_it_ends() {
    let server = Server::start();
    let head = "POST /api/v1/triggers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for body_bytes in [10, 10_000, 300_000] {
        for _ in 0..20 {
            let mut stream = connect(&server);
            let first = say_and_listen(&mut stream, head, body_bytes);
            let first = first.unwrap_or_else(|| panic!("{body_bytes} bytes: the connection ended before the answer"));
            if !first.contains("connection: close") {
                let second = say_and_listen(&mut stream, head, body_bytes);
                assert!(second.is_some(), "{body_bytes} bytes: the connection ended without a word after: {first}");
            }
        }
    }
}
