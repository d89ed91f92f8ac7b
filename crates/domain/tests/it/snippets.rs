//! The snippets of docs/verify.md, each taken out of the document and asked about the same calls. Python, node and Rust are
//! always there when the tests run; Java and Go are asked where they are.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use oncue_domain::signature::{SigningSecret, sign};

use crate::{receiver, tool};

const DOCUMENT: &str = include_str!("../../../../docs/verify.md");
const ID: &str = "evt_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b";
const NOW: i64 = 1_800_000_000;
/// Bytes that are no UTF-8: a receiver verifies what came over the wire, not what it made of it.
const BODY: &[u8] = b"{\"payload\":{\"n\":1.50}}\xff\n";

struct Call {
    name: &'static str,
    keys: Vec<String>,
    id: &'static str,
    timestamp: String,
    signatures: String,
    body: &'static [u8],
    is_genuine: bool,
}

impl Call {
    fn line(&self) -> String {
        let (keys, body) = (self.keys.join(" "), STANDARD.encode(self.body));
        format!("{keys}\t{}\t{}\t{}\t{body}\t{NOW}\n", self.id, self.timestamp, self.signatures)
    }
}

/// What receivers get to see, good and bad.
fn calls() -> Vec<Call> {
    let (old, new, pair) =
        (SigningSecret::symmetric([1; 32]), SigningSecret::symmetric([2; 32]), SigningSecret::asymmetric([3; 32]));
    let public = pair.public_key().expect("asymmetric");
    let at = |second| Timestamp::from_second(second).expect("in range");
    let signed = |secrets: &[SigningSecret], second| sign(secrets, ID, at(second), BODY);
    let good = || Call {
        name: "good",
        keys: vec![new.reveal()],
        id: ID,
        timestamp: NOW.to_string(),
        signatures: signed(std::slice::from_ref(&new), NOW),
        body: BODY,
        is_genuine: true,
    };
    let bad = |name| Call { name, is_genuine: false, ..good() };
    let both = signed(&[new.clone(), old.clone(), pair.clone()], NOW);
    let v1a = signed(std::slice::from_ref(&pair), NOW);
    vec![
        good(),
        Call { name: "rotated, old secret known", keys: vec![old.reveal()], signatures: both.clone(), ..good() },
        Call { name: "rotated, both known", keys: vec![old.reveal(), new.reveal()], ..good() },
        Call { name: "public key", keys: vec![public.clone()], signatures: v1a.clone(), ..good() },
        Call { name: "public key among others", keys: vec![public.clone()], signatures: both.clone(), ..good() },
        Call {
            name: "barely old enough",
            timestamp: (NOW - 300).to_string(),
            signatures: signed(std::slice::from_ref(&new), NOW - 300),
            ..good()
        },
        Call { body: b"{\"payload\":{\"n\":9.50}}\xff\n", ..bad("changed body") },
        Call {
            body: b"{\"payload\":{\"n\":9.50}}\xff\n",
            keys: vec![public.clone()],
            signatures: v1a.clone(),
            ..bad("changed body, public key")
        },
        Call { id: "evt_1", ..bad("changed id") },
        Call { id: "", ..bad("no id") },
        Call { timestamp: (NOW - 1).to_string(), ..bad("changed time") },
        Call {
            timestamp: (NOW - 301).to_string(),
            signatures: signed(std::slice::from_ref(&new), NOW - 301),
            ..bad("too old")
        },
        Call {
            timestamp: (NOW + 301).to_string(),
            signatures: signed(std::slice::from_ref(&new), NOW + 301),
            ..bad("too new")
        },
        Call { timestamp: String::new(), ..bad("no time") },
        Call { timestamp: "soon".to_owned(), ..bad("no number") },
        Call { keys: vec![SigningSecret::symmetric([4; 32]).reveal()], signatures: both, ..bad("other secret") },
        Call { signatures: String::new(), ..bad("no signature") },
        Call { signatures: "v1,".to_owned(), ..bad("empty signature") },
        Call { signatures: "v1 v1,$ ,,, v2,AAAA".to_owned(), ..bad("garbage") },
        Call { signatures: good().signatures[..20].to_owned(), ..bad("torn signature") },
        Call { keys: vec![public], signatures: v1a.replace("v1a,", "v1,"), ..bad("wrong scheme") },
        Call { signatures: good().signatures.replace("v1,", "v1a,"), ..bad("wrong scheme, shared secret") },
    ]
}

/// The first block of the document in that language.
fn snippet(language: &str) -> &'static str {
    let opening = format!("```{language}\n");
    let start = DOCUMENT.find(&opening).unwrap_or_else(|| panic!("docs/verify.md has no {language}")) + opening.len();
    let length = DOCUMENT[start..].find("```").expect("the block ends");
    &DOCUMENT[start..start + length]
}

fn lines() -> String {
    calls().iter().map(Call::line).collect()
}

#[track_caller]
fn compare(answers: &str) {
    let answers: Vec<&str> = answers.lines().collect();
    let calls = calls();
    assert_eq!(answers.len(), calls.len(), "{answers:?}");
    for (call, answer) in calls.iter().zip(answers) {
        assert_eq!(answer, call.is_genuine.to_string(), "{}", call.name);
    }
}

#[test]
fn the_snippet_for_python_tells_genuine_calls_from_forged_ones() {
    let program = snippet("python").to_owned() + include_str!("verify/driver.py");
    let mut python = Command::new("python3");
    python.args(["-c", &program]).env("PYTHONPATH", tool::python_packages());
    compare(&tool::run(&mut python, &lines()));
}

#[test]
fn the_snippet_for_javascript_tells_genuine_calls_from_forged_ones() {
    let program = snippet("javascript").to_owned() + include_str!("verify/driver.mjs");
    compare(&tool::run(Command::new("node").args(["--input-type=module", "-e", &program]), &lines()));
}

#[test]
fn the_snippet_for_rust_is_one_that_is_compiled_here_and_tells_genuine_calls_from_forged_ones() {
    assert_eq!(snippet("rust"), include_str!("receiver.rs"), "docs/verify.md and tests/it/receiver.rs differ");
    for call in calls() {
        let keys: Vec<&str> = call.keys.iter().map(String::as_str).collect();
        let answer = receiver::is_genuine(&keys, call.id, &call.timestamp, &call.signatures, call.body, NOW);
        assert_eq!(answer, call.is_genuine, "{}", call.name);
    }
}

#[test]
fn the_snippet_for_java_tells_genuine_calls_from_forged_ones_where_there_is_java() {
    assert!(snippet("java").contains("static boolean isGenuine("));
    if !tool::is_there("javac") {
        return;
    }
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("Webhooks.java"), snippet("java")).expect("written");
    std::fs::write(folder.path().join("Driver.java"), include_str!("verify/Driver.java")).expect("written");
    tool::run(Command::new("javac").args(["Webhooks.java", "Driver.java"]).current_dir(folder.path()), "");
    compare(&tool::run(Command::new("java").args(["-cp", "."]).arg("Driver").current_dir(folder.path()), &lines()));
}

#[test]
fn the_snippet_for_go_tells_genuine_calls_from_forged_ones_where_there_is_go() {
    assert!(snippet("go").contains("func IsGenuine("));
    if !tool::is_there("go") {
        return;
    }
    let folder = tempfile::TempDir::new().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("go.mod", "module webhook\n\ngo 1.21\n");
    write("webhook.go", snippet("go"));
    write("driver_test.go", include_str!("verify/driver_test.go"));
    write("calls", &lines());
    let answers = folder.path().join("answers");
    let mut go = Command::new("go");
    go.args(["test", "./..."]).env("CALLS", folder.path().join("calls")).env("ANSWERS", &answers);
    tool::run(go.current_dir(folder.path()), "");
    compare(&std::fs::read_to_string(answers).expect("answers"));
}
