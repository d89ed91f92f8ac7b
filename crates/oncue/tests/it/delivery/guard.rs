//! Where deliveries never go, judged when a trigger is saved and again when an address is dialled.

use serde_json::{Value, json};

use super::{delivery, fire, make, save, sending_to};
use crate::support::receiver::Receiver;
use crate::support::server::Server;

/// Addresses of the inner network, in all their spellings.
const INNER: [&str; 20] = [
    "http://127.0.0.1:9/",
    "http://127.1:8080/",
    "http://2130706433:8080/",
    "http://0x7f000001:8080/",
    "http://0177.0.0.1:8080/",
    "http://localhost:8080/",
    "http://LOCALHOST.:8080/",
    "http://x.localhost:8080/",
    "http://[::1]:8080/",
    "http://[::ffff:127.0.0.1]:8080/",
    "http://0.0.0.0:8080/",
    "http://[::]:8080/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://[fd00::1]/",
    "http://printer/",
    "http://router.local/",
    "http://db.internal/",
];

/// Addresses that stay refused whatever the operator allows.
const NEVER: [&str; 9] = [
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.1.1/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::ffff:169.254.169.254]/",
    "http://2852039166/",
    "http://[64:ff9b::a9fe:a9fe]/",
];

#[test]
fn private_addresses_are_refused_at_saving_and_the_switch_is_named() {
    let server = Server::start();
    let ann = server.user();
    for url in INNER.into_iter().chain(NEVER) {
        save(&ann, url).blames("webhook_url");
    }
    let problem = save(&ann, "http://127.0.0.1:8080/").blames("webhook_url").to_string();
    assert!(problem.contains("--allow-private-destinations"), "{problem}");
    let id = make(&ann, &json!({"type": "api", "webhook_url": "https://example.com/"}));
    let at = format!("/api/v1/triggers/{id}");
    ann.patch(&at, &json!({"webhook_url": "http://10.0.0.1/"})).blames("webhook_url");
    ann.put(&at, &json!({"webhook_url": "http://10.0.0.1/"})).blames("webhook_url");
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 1);
    assert_eq!(ann.get(&at).is(200).json()["webhook_url"], "https://example.com/");
}

#[test]
fn some_addresses_stay_refused_whatever_is_allowed() {
    let server = Server::start_delivering();
    let ann = server.user();
    for url in NEVER {
        save(&ann, url).blames("webhook_url");
    }
    save(&ann, "http://192.168.0.1/").is(201);
}

#[test]
fn oncues_own_port_is_never_a_destination() {
    let server = Server::start_delivering();
    let ann = server.user();
    let port = server.port();
    for url in [
        format!("http://127.0.0.1:{port}/triggers"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:7f00:1]:{port}/"),
    ] {
        save(&ann, &url).blames("webhook_url");
    }
    let answer = save(&ann, &format!("http://localhost:{port}/triggers"));
    if answer.status == 201 {
        let event = fire(&ann, answer.json()["id"].as_i64().expect("an integer"));
        let delivery = delivery(&ann, &event, 1);
        assert_eq!(delivery["attempts"][0]["status"], Value::Null, "a name is judged when it is dialled: {delivery}");
    } else {
        answer.blames("webhook_url");
    }
}

#[test]
fn an_address_is_judged_again_when_it_is_dialled() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let id = sending_to(&ann, &receiver.url());
    fire(&ann, id);
    receiver.wait_for(1);
    let server = server.stop().without_flags().serve();
    let ann = ann.at(server.base());
    let event = fire(&ann, id);
    let delivery = delivery(&ann, &event, 1);
    assert_eq!(delivery["attempts"][0]["status"], Value::Null);
    let error = delivery["attempts"][0]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("--allow-private-destinations"), "the switch is named: {error}");
    assert_eq!(receiver.received().len(), 1);
}
