//! The login token is a JWT with HS256 and nothing else; whatever somebody makes up is refused.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::token::{read, sign, unsigned};

const SECRET: &str = "a secret for tests that has more than 32 bytes";

fn start() -> (Server, Client) {
    let server = Setup::new().option("--jwt-secret", SECRET).serve();
    let ann = server.user();
    (server, ann)
}

fn refused(server: &Server, token: &str, why: &str) {
    for client in [server.nobody().bearer(token), server.nobody().with("cookie", &format!("access_token={token}"))] {
        assert_eq!(client.get("/api/v1/triggers").status, 401, "{why}: {token}");
        assert_eq!(client.get("/triggers").status, 401, "{why}: {token}");
    }
}

#[test]
fn a_token_is_signed_with_hs256_and_names_its_end() {
    let (server, ann) = start();
    let (header, claims) = read(ann.token());
    assert_eq!(header["alg"], "HS256");
    let week_s = 7 * 24 * 3600;
    let ends_in_s = claims["exp"].as_i64().expect("exp") - jiff::Timestamp::now().as_second();
    assert!((week_s - 60..=week_s).contains(&ends_in_s), "{claims}");
    let again = sign(&header, &claims, SECRET.as_bytes());
    server.nobody().bearer(&again).get("/api/v1/triggers").is(200);
}

#[test]
fn no_other_algorithm_is_taken() {
    let (server, ann) = start();
    let (_, claims) = read(ann.token());
    for algorithm in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        json!("HS384"),
        json!("HS512"),
        json!("RS256"),
        json!("ES256"),
        json!("EdDSA"),
        Value::Null,
    ] {
        let header = json!({"alg": algorithm, "typ": "JWT"});
        refused(&server, &sign(&header, &claims, SECRET.as_bytes()), "algorithm");
        refused(&server, &format!("{}.", unsigned(&header, &claims)), "algorithm without signature");
        refused(&server, &unsigned(&header, &claims), "algorithm without third part");
    }
    refused(&server, &sign(&json!({}), &claims, SECRET.as_bytes()), "no algorithm");
}

#[test]
fn no_other_key_is_taken() {
    let (server, ann) = start();
    let (header, claims) = read(ann.token());
    for key in ["", "secret", "another secret for tests that has more than 32 bytes"] {
        refused(&server, &sign(&header, &claims, key.as_bytes()), "key");
    }
    let other = Server::start();
    refused(&other, ann.token(), "another server's token");
    let stolen = other.user();
    refused(&server, stolen.token(), "another server's token");
}

#[test]
fn a_signature_covers_every_claim() {
    let (server, ann) = start();
    let (header, mut claims) = read(ann.token());
    claims["exp"] = json!(4_000_000_000_i64);
    let signature = ann.token().rsplit_once('.').expect("three parts").1;
    refused(&server, &format!("{}.{signature}", unsigned(&header, &claims)), "changed claims");
    let whole = ann.token();
    refused(&server, &format!("{whole}."), "a fourth part");
    refused(&server, &whole[..whole.len() - 8], "a shortened signature");
}

#[test]
fn an_ended_token_is_refused_even_when_well_signed() {
    let (server, ann) = start();
    let (header, claims) = read(ann.token());
    for exp in [
        json!(jiff::Timestamp::now().as_second() - 10),
        json!(0),
        json!(-1),
        Value::Null,
        json!("4000000000"),
        json!([4_000_000_000_i64]),
    ] {
        let mut forged = claims.clone();
        forged["exp"] = exp.clone();
        refused(&server, &sign(&header, &forged, SECRET.as_bytes()), "exp");
    }
    let mut endless = claims;
    endless.as_object_mut().expect("claims").remove("exp");
    refused(&server, &sign(&header, &endless, SECRET.as_bytes()), "no exp");
}

#[test]
fn a_token_of_no_session_is_refused_even_when_well_signed() {
    let (server, ann) = start();
    let bob = server.register("bob@example.com");
    let (header, claims) = read(ann.token());
    let (_, bobs) = read(bob.token());
    for name in ["sid", "sub"] {
        for value in [json!("made up"), json!(""), Value::Null, json!(1), bobs[name].clone()] {
            let mut forged = claims.clone();
            forged[name] = value;
            refused(&server, &sign(&header, &forged, SECRET.as_bytes()), name);
        }
        let mut without = claims.clone();
        without.as_object_mut().expect("claims").remove(name);
        refused(&server, &sign(&header, &without, SECRET.as_bytes()), name);
    }
    ann.post_nothing("/logout").is(302);
    refused(&server, &sign(&header, &claims, SECRET.as_bytes()), "an ended session");
}

#[test]
fn nonsense_is_no_credential() {
    let (server, ann) = start();
    for token in ["", ".", "..", "...", "a.b.c", "null", "undefined", "%", "oncue_", &"a".repeat(20_000)] {
        assert_eq!(
            server.nobody().bearer(token).get("/api/v1/triggers").status,
            401,
            "{}",
            &token[..token.len().min(20)]
        );
    }
    for scheme in ["Basic", "Token", "bearerx", ""] {
        let header = format!("{scheme} {}", ann.token());
        assert_eq!(server.nobody().with("authorization", &header).get("/api/v1/triggers").status, 401, "{scheme}");
    }
    server.nobody().with("authorization", &format!("bearer {}", ann.token())).get("/api/v1/triggers").is(200);
}

#[test]
fn a_token_in_an_address_is_no_credential() {
    let (server, ann) = start();
    for query in ["access_token", "token", "jwt"] {
        let answer = server.nobody().get(&format!("/api/v1/triggers?{query}={}", ann.token()));
        assert!(matches!(answer.status, 400 | 401), "{query}: {}", answer.status);
    }
}
