//! The reference libraries of Standard Webhooks take what we sign for genuine, and we take what they sign. They ask the clock
//! themselves, and know shared secrets only: signatures with ed25519 they pass over.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use jiff::Timestamp;
use oncue_domain::signature::{Received, SigningSecret, sign, verify};

use crate::tool;

const ID: &str = "evt_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b";
const BODY: &str = "{\"name\":\"Nächtliche \\\"Sicherung\\\"\",\"payload\":{\"n\":1.50}}\n";

fn ours() -> SigningSecret {
    SigningSecret::symmetric([7; 32])
}

#[expect(clippy::disallowed_methods, reason = "the libraries compare with the clock of the machine")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A call and whether a receiver with our secret should believe it.
fn calls(now: Timestamp) -> Vec<(&'static str, String, String, &'static str, bool)> {
    let (other, asymmetric) = (SigningSecret::symmetric([8; 32]), SigningSecret::asymmetric([9; 32]));
    let second = now.as_second();
    let old = Timestamp::from_second(second - 3600).expect("in range");
    let plain = sign(&[ours()], ID, now, BODY.as_bytes());
    let rotated = sign(&[asymmetric, other.clone(), ours()], ID, now, BODY.as_bytes());
    vec![
        ("good", second.to_string(), plain.clone(), BODY, true),
        ("good among others", second.to_string(), rotated, BODY, true),
        ("changed body", second.to_string(), plain.clone(), "{}", false),
        ("changed time", (second - 1).to_string(), plain, BODY, false),
        ("other secret", second.to_string(), sign(&[other], ID, now, BODY.as_bytes()), BODY, false),
        ("old", old.as_second().to_string(), sign(&[ours()], ID, old, BODY.as_bytes()), BODY, false),
    ]
}

fn believe(signature: &str, second: i64) {
    let timestamp = second.to_string();
    let received = Received { message_id: ID, timestamp: &timestamp, signatures: signature, body: BODY.as_bytes() };
    let secrets = [SigningSecret::asymmetric([9; 32]), ours()];
    let at = Timestamp::from_second(second).expect("in range");
    assert_eq!(verify(&secrets, received, at), Ok(&secrets[1]), "{signature}");
}

#[test]
fn the_library_for_rust_believes_us_and_we_believe_it() {
    let library = standardwebhooks::Webhook::new(&ours().reveal()).expect("a secret");
    let now = now();
    for (name, timestamp, signatures, body, is_genuine) in calls(now) {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", ID.parse().expect("a header value"));
        headers.insert("webhook-timestamp", timestamp.parse().expect("a header value"));
        headers.insert("webhook-signature", signatures.parse().expect("a header value"));
        assert_eq!(library.verify(body.as_bytes(), &headers).is_ok(), is_genuine, "{name}");
    }
    let theirs = library.sign(ID, now.as_second(), BODY.as_bytes()).expect("signed");
    believe(&theirs, now.as_second());
}

#[test]
fn the_library_for_python_believes_us_and_we_believe_it() {
    let mut python = Command::new("python3");
    python.args(["-c", include_str!("verify/library.py")]).env("PYTHONPATH", tool::python_packages());
    ask(&mut python);
}

#[test]
fn the_library_for_javascript_believes_us_and_we_believe_it() {
    let mut node = Command::new("node");
    node.args(["-e", include_str!("verify/library.cjs")]).env("NODE_PATH", tool::node_packages());
    ask(&mut node);
}

/// Asks a program that speaks lines: a call in each, fields between tabs. It answers `true` or `false`, and at the end
/// with a signature of its own for the first call.
fn ask(program: &mut Command) {
    let (now, secret) = (now(), ours().reveal());
    let calls = calls(now);
    let lines: String = calls
        .iter()
        .map(|(_, timestamp, signatures, body, _)| {
            format!("{secret}\t{ID}\t{timestamp}\t{signatures}\t{}\n", STANDARD.encode(body))
        })
        .collect();
    let answers = tool::run(program, &lines);
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), calls.len() + 1, "{answers:?}");
    for ((name, .., is_genuine), answer) in calls.iter().zip(&answers) {
        assert_eq!(*answer, is_genuine.to_string(), "{name}");
    }
    believe(answers[calls.len()], now.as_second());
}
