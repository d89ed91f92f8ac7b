//! Receivers that fail, and what happens then.

use std::time::Duration;

use serde_json::{Value, json};

use super::{delivery, fire, sending_to};
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::server::Server;
use crate::support::wait::until_within;

#[test]
fn a_failure_is_tried_again_under_the_same_id() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| if before == 0 { Reply::Answer(500, "", "broken") } else { OK });
    let event = fire(&ann, sending_to(&ann, &receiver.url()));
    let received = receiver.wait_for(2);
    let pause = received[1].at - received[0].at;
    assert!(
        (Duration::from_secs(3)..Duration::from_secs(10)).contains(&pause),
        "the first pause is about 5 s, not {pause:?}"
    );
    assert_eq!(received[0].webhook_id(), received[1].webhook_id());
    assert_eq!(received[0].body, received[1].body);
    let delivery = delivery(&ann, &event, 2);
    assert_eq!(delivery["status"], "delivered");
    let statuses: Vec<&Value> =
        delivery["attempts"].as_array().expect("attempts").iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [500, 200]);
}

#[test]
fn a_dropped_connection_is_a_failure_and_is_tried_again() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| if before == 0 { Reply::Drop } else { OK });
    let event = fire(&ann, sending_to(&ann, &receiver.url()));
    let delivery = delivery(&ann, &event, 2);
    assert_eq!((&delivery["attempts"][0]["status"], &delivery["attempts"][1]["status"]), (&Value::Null, &json!(200)));
    assert!(delivery["attempts"][0]["error"].as_str().is_some_and(|error| !error.is_empty()), "{delivery}");
    let received = receiver.received();
    assert_eq!(received.len(), 2, "one attempt is one request");
    assert_eq!(received[0].webhook_id(), received[1].webhook_id());
}

#[test]
fn nobody_listening_is_a_failure_that_is_shown() {
    let server = Server::start_delivering();
    let ann = server.user();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let event = fire(&ann, sending_to(&ann, &format!("http://127.0.0.1:{port}/")));
    let delivery = delivery(&ann, &event, 1);
    assert_eq!((&delivery["status"], &delivery["attempts"][0]["status"]), (&json!("pending"), &Value::Null));
    assert!(delivery["attempts"][0]["error"].is_string());
}

#[test]
fn a_redirect_is_not_followed() {
    let server = Server::start_delivering();
    let ann = server.user();
    let elsewhere = Receiver::start();
    let location: &'static str = Box::leak(format!("location: {}\r\n", elsewhere.url()).into_boxed_str());
    let receiver = Receiver::scripted(move |_, before| Reply::Answer([301, 302, 307, 308][before % 4], location, ""));
    for _ in 0..4 {
        let event = fire(&ann, sending_to(&ann, &receiver.url()));
        let delivery = delivery(&ann, &event, 1);
        assert_eq!(delivery["status"], "pending", "a redirect is no success: {delivery}");
        assert!(
            delivery["attempts"][0]["status"].as_u64().is_some_and(|status| (300..400).contains(&status)),
            "{delivery}"
        );
    }
    assert!(elsewhere.received().is_empty());
}

#[test]
fn a_slow_receiver_delays_only_itself() {
    let server = Server::start_delivering();
    let ann = server.user();
    let slow = Receiver::scripted(|_, _| Reply::Slow(Duration::from_secs(8), 200));
    let quick = Receiver::start();
    let (to_slow, to_quick) = (sending_to(&ann, &slow.url()), sending_to(&ann, &quick.url()));
    for _ in 0..60 {
        fire(&ann, to_slow);
    }
    fire(&ann, to_quick);
    until_within(Duration::from_secs(4), "the quick one is served", || {
        Some(()).filter(|()| quick.received().len() == 1)
    });
}
