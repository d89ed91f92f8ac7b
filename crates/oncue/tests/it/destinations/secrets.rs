//! What calls are signed with, by hand after the specification of Standard Webhooks: `webhook-signature` over id, timestamp and body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{DESTINATIONS, at, fire, make, trigger, webhook};
use crate::support::receiver::{Received, Receiver};
use crate::support::server::Server;

/// Whether one of the signatures of a call was made with this secret.
fn is_signed(call: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a shared secret")).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{}.{}.", call.webhook_id(), call.headers["webhook-timestamp"]).as_bytes());
    mac.update(&call.body);
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    call.headers["webhook-signature"].split(' ').any(|given| given == signature)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn a_new_webhook_gets_a_secret_that_is_shown_once_and_signs_its_calls() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let made = webhook(&ann, "Ops", &receiver);
    assert_eq!(made["secrets"].as_array().map(Vec::len), Some(1), "{made}");
    let secret = text(&made["secrets"][0]["secret"]).to_owned();
    fire(&ann, trigger(&ann, &[&made]));
    let call = &receiver.wait_for(1)[0];
    assert!(is_signed(call, &secret), "{:?}", call.headers);
    let mut tampered = call.clone();
    tampered.body.push(b' ');
    assert!(!is_signed(&tampered, &secret));
    let another = text(&webhook(&ann, "Other", &receiver)["secrets"][0]["secret"]).to_owned();
    assert!(!is_signed(call, &another), "every destination has its own");
}

#[test]
fn secrets_can_be_brought_along_or_left_out_on_purpose() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let own = format!("whsec_{}", STANDARD.encode([7; 32]));
    let body = json!({"name": "Own", "kind": "webhook", "url": receiver.url(), "secrets": [{"secret": own}]});
    let answer = ann.post(DESTINATIONS, &body).is(201);
    assert!(!answer.text.contains(&own), "whoever brought it knows it: {}", answer.text);
    fire(&ann, trigger(&ann, &[&answer.json()]));
    assert!(is_signed(&receiver.wait_for(1)[0], &own));
    let mute = make(&ann, &json!({"name": "None", "kind": "webhook", "url": receiver.url(), "secrets": []}));
    assert_eq!(mute["secrets"], json!([]));
    fire(&ann, trigger(&ann, &[&mute]));
    assert!(!receiver.wait_for(2)[1].headers.contains_key("webhook-signature"));
    let chat = make(&ann, &json!({"name": "Chat", "kind": "discord", "url": "https://discord.com/api/webhooks/1/t"}));
    assert!(chat.get("secrets").is_none(), "{chat}");
    ann.post_nothing(&format!("{}/rotate", at(&chat))).problem(409);
}

#[test]
fn rotation_has_no_gap_both_secrets_sign_until_the_former_one_is_deleted() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let made = webhook(&ann, "Ops", &receiver);
    let trigger = trigger(&ann, &[&made]);
    let former = made["secrets"][0].clone();
    let rotated = ann.post_nothing(&format!("{}/rotate", at(&made))).is(201).json();
    assert_eq!(rotated["scheme"], "v1");
    fire(&ann, trigger);
    let call = receiver.wait_for(1)[0].clone();
    assert!(is_signed(&call, text(&former["secret"])) && is_signed(&call, text(&rotated["secret"])));
    ann.delete(&format!("{}/secrets/{}", at(&made), text(&former["id"]))).is(204);
    fire(&ann, trigger);
    let call = receiver.wait_for(2)[1].clone();
    assert!(!is_signed(&call, text(&former["secret"])) && is_signed(&call, text(&rotated["secret"])));
    ann.delete(&format!("{}/secrets/{}", at(&made), text(&former["id"]))).problem(404);
    ann.delete(&format!("{}/secrets/{}", at(&made), text(&rotated["id"]))).problem(409);
}

#[test]
fn another_kind_of_destination_goes_on_signing_or_begins_to_and_says_with_what() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let made = webhook(&ann, "Ops", &receiver);
    let secret = text(&made["secrets"][0]["secret"]).to_owned();
    let inbox = ann.patch(&at(&made), &json!({"kind": "inbox", "inbox": {}})).is(200).json();
    assert_eq!(inbox["secrets"][0]["id"], made["secrets"][0]["id"]);
    let back = ann.patch(&at(&made), &json!({"kind": "webhook", "url": receiver.url()})).is(200).json();
    assert!(back["secrets"][0]["secret"].is_null(), "it was shown before: {back}");
    let trigger = trigger(&ann, &[&made]);
    fire(&ann, trigger);
    assert!(is_signed(&receiver.wait_for(1)[0], &secret));
    let chat = json!({"name": "Ops", "kind": "discord", "url": "https://discord.com/api/webhooks/1/t"});
    ann.put(&at(&made), &chat).is(200);
    let again = json!({"name": "Ops", "kind": "webhook", "url": receiver.url()});
    let again = ann.put(&at(&made), &again).is(200).json();
    let drawn = text(&again["secrets"][0]["secret"]).to_owned();
    fire(&ann, trigger);
    let call = receiver.wait_for(2)[1].clone();
    assert!(is_signed(&call, &drawn) && !is_signed(&call, &secret));
    ann.patch(&at(&made), &json!({"secrets": []})).is(200);
    let kept = ann.patch(&at(&made), &json!({"timeout": "5s"})).is(200).json();
    assert_eq!(kept["secrets"], json!([]), "what is not named stays as it is");
    let asked = ann.patch(&at(&made), &json!({"secrets": null})).is(200).json();
    assert!(asked["secrets"][0]["secret"].is_string(), "{asked}");
}

#[test]
fn an_asymmetric_secret_shows_its_public_key_and_signs_beside_the_others() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let made = webhook(&ann, "Ops", &receiver);
    let rotate = format!("{}/rotate", at(&made));
    let rotated = ann.post(&rotate, &json!({"scheme": "v1a"})).is(201).json();
    assert!(text(&rotated["secret"]).starts_with("whsk_") && text(&rotated["public_key"]).starts_with("whpk_"));
    let shown = ann.get(&at(&made)).is(200).json();
    assert_eq!(shown["secrets"][1], json!({"id": rotated["id"], "scheme": "v1a", "public_key": rotated["public_key"]}));
    fire(&ann, trigger(&ann, &[&made]));
    let call = receiver.wait_for(1)[0].clone();
    assert!(is_signed(&call, text(&made["secrets"][0]["secret"])));
    let schemes: Vec<&str> = call.headers["webhook-signature"].split(' ').map(|one| &one[..3]).collect();
    assert_eq!(schemes, ["v1,", "v1a"]);
    ann.post(&rotate, &json!({"scheme": "v2"})).blames("scheme");
    ann.post(&rotate, &json!({"colour": "red"})).blames("colour");
    for _ in 0..6 {
        ann.post_nothing(&rotate).is(201);
    }
    ann.post_nothing(&rotate).problem(409);
}

#[test]
fn no_secret_is_ever_seen_again() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let body =
        json!({"name": "Ops", "kind": "webhook", "url": receiver.url(), "headers": {"x-api-key": "topsecret-1"}});
    let made = make(&ann, &body);
    let phone = json!({"name": "Phone", "kind": "ntfy", "ntfy": {"topic": "t", "token": "topsecret-2"}});
    let phone = make(&ann, &phone);
    let trigger = trigger(&ann, &[&made, &phone]);
    let event = fire(&ann, trigger);
    let call = receiver.wait_for(1)[0].clone();
    assert_eq!(call.headers["x-api-key"], "topsecret-1", "the receiver is told");
    let drawn =
        [&made["secrets"][0]["secret"], &ann.post_nothing(&format!("{}/rotate", at(&made))).is(201).json()["secret"]]
            .map(|secret| text(secret)["whsec_".len()..].to_owned());
    let id = event.rsplit('/').next().expect("an id");
    for path in [
        DESTINATIONS,
        &at(&made),
        &at(&phone),
        &event,
        "/api/v1/triggers",
        "/api/v1/event_logs?status=all",
        "/api/v1/deliveries",
        "/metrics",
        "/ui",
        "/ui/events",
        &format!("/ui/events/{id}"),
        &format!("/ui/triggers/{trigger}"),
    ] {
        let answer = ann.get(path);
        assert!(answer.status < 500, "{path}: {}", answer.text);
        for secret in drawn.iter().map(String::as_str).chain(["topsecret-1", "topsecret-2"]) {
            assert!(!answer.text.contains(secret), "{path} shows {secret}: {}", answer.text);
        }
    }
    let wrong = ann.patch(&at(&made), &json!({"headers": {"x-api-key": "topsecret-3\r\n"}})).problem(422);
    assert!(!wrong.to_string().contains("topsecret-3"), "{wrong}");
    let log = server.log();
    for secret in drawn.iter().map(String::as_str).chain(["topsecret-1", "topsecret-2", "topsecret-3"]) {
        assert!(!log.contains(secret), "the log shows {secret}");
    }
}
