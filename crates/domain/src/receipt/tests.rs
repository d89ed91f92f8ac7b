use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::delivery::CLAIM_FOR;
use crate::destination::definition::Definition;
use crate::destination::{Target, Webhook};
use crate::id::DestinationId;
use crate::message::tests::event;
use crate::message::{Outgoing, Parcel, Source, compose, render};
use crate::outbound::{Answer, Failure, Trust};
use crate::schedule::zone::Zones;
use crate::template::Occurrence;

fn claim(target: Target) -> Claim {
    let event = Arc::new(event("nightly", "{\"k\": \"ü\"}"));
    let due_at = event.fired_at;
    Claim {
        slot: 0,
        deliveries: 1,
        target,
        tried: 0,
        ladder_from: 0,
        due_at,
        until: due_at + CLAIM_FOR,
        fence: 1,
        event,
    }
}

fn source() -> Source {
    Source {
        public_url: "https://oncue.example".to_owned(),
        version: "0.1.0",
        reports: crate::run::ReportKey::derive(b"a test's secret"),
    }
}

fn answered() -> Exchange {
    let headers = vec![("date".to_owned(), "today".to_owned()), ("x-other".to_owned(), "ü".to_owned())];
    let facts = Facts {
        address: Some("192.0.2.7:443".parse().expect("an address")),
        connect_us: Some(1),
        tls_us: Some(300),
        wait_us: Some(u32::MAX),
        receive_us: Some(0),
    };
    let answer = Answer { status: 500, headers, body: b"no".to_vec() };
    Exchange { result: Ok(answer), took: Duration::from_millis(9), facts }
}

fn composed(said: &serde_json::Value) -> Outgoing {
    let definition = Definition::read(said, None).expect("a destination");
    let claim = claim(Target::Destination(DestinationId(7)));
    let parcel = Parcel { event: &claim.event, message_id: claim.message_id(), occurrence: Occurrence::default() };
    compose(parcel, &definition, &source(), &Zones::bundled(), claim.event.fired_at).expect("it fits")
}

fn sent(said: &serde_json::Value) -> Sent {
    let draft = match composed(said) {
        Outgoing::Http(request) => Draft::of_request(&request),
        Outgoing::Mail(mail) => Draft::of_mail(&mail),
        Outgoing::Inbox(inbound) => Draft::of_request(&inbound.request),
    };
    let claim = claim(Target::Destination(DestinationId(7)));
    let kept = draft.finish(&claim, &mut answered(), claim.event.fired_at);
    Kept::read(&kept.head, kept.body).expect("a receipt").sent.expect("something was sent")
}

#[test]
fn a_receipt_says_what_was_sent_how_long_it_took_and_what_came_back() {
    let webhook = Webhook::parse("https://example.com/hook?q=1", None).expect("an address");
    let claim = claim(Target::Webhook(webhook.clone()));
    let started_at = claim.due_at + SignedDuration::from_millis(20);
    let request = render(&claim.event, &webhook, Trust::Guarded, &source(), started_at);
    let mut exchange = answered();
    let kept = Draft::of_request(&request).finish(&claim, &mut exchange, started_at);
    let bytes = (kept.head.len(), kept.body.as_ref().map_or(0, Bytes::len));
    assert!(bytes.0 < 200 && bytes.1 < 250, "it takes little room: {bytes:?}");
    let receipt = Kept::read(&kept.head, kept.body).expect("a receipt");
    assert_eq!((receipt.queue_us, receipt.facts), (Some(20_000), exchange.facts));
    assert_eq!(receipt.answer_headers, answered().result.expect("an answer").headers);
    let sent = receipt.sent.expect("a request");
    assert_eq!((sent.method, sent.address.as_str()), (Some(Method::Post), "https://example.com/hook?q=1"));
    assert_eq!((&sent.body, sent.body_bytes), (&request.body, request.body.len() as u64));
    let headers: Vec<_> = sent.headers.iter().map(|header| (&*header.name, header.value.as_deref())).collect();
    let expected: Vec<_> = request.headers.iter().map(|(name, value)| (&**name, Some(value.as_str()))).collect();
    assert_eq!(headers, expected);
}

#[test]
fn what_an_owner_put_into_headers_is_not_kept_whatever_the_kind() {
    let said = [
        serde_json::json!({"name": "a", "kind": "webhook", "url": "https://example.com/", "method": "PUT",
            "headers": {"X-Api-Key": "s3cr3t-1", "authorization": "Bearer s3cr3t-2", "accept": "s3cr3t-3"},
            "body": {"format": "cloudevents-binary"}}),
        serde_json::json!({"name": "a", "kind": "github",
            "github": {"owner": "a", "repository": "b", "event_type": "x", "token": "s3cr3t-4"}}),
        serde_json::json!({"name": "a", "kind": "ntfy",
            "ntfy": {"server": "https://ntfy.sh", "topic": "t", "token": "s3cr3t-5"}, "headers": {"x-tag": "s3cr3t-6"}}),
        serde_json::json!({"name": "a", "kind": "inbox", "inbox": {}, "headers": {"x-key": "s3cr3t-7"}}),
        serde_json::json!({"name": "a", "kind": "email", "email": {"host": "smtp.example.com", "port": 465, "security": "tls",
            "from": "a@example.com", "to": ["b@example.com"], "user": "ops", "password": "s3cr3t-8"}}),
    ];
    for said in said {
        let sent = sent(&said);
        let shown = format!("{sent:?}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
        let hidden: Vec<_> =
            sent.headers.iter().filter(|header| header.value.is_none()).map(|header| &header.name).collect();
        let expected: &[&str] = match said["kind"].as_str() {
            Some("webhook") => &["accept", "authorization", "x-api-key"],
            Some("github") => &["authorization"],
            Some("ntfy") => &["authorization", "x-tag"],
            Some("inbox") => &["x-key"],
            _ => &[],
        };
        assert_eq!(hidden, expected, "{said}");
        assert!(sent.headers.iter().all(|header| header.name != "x-github-api-version" || header.value.is_some()));
    }
}

#[test]
fn what_calls_are_signed_with_is_taken_out_of_an_answer_that_repeats_it() {
    let keys = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
    let said = serde_json::json!({"name": "a", "kind": "webhook", "url": "https://example.com/",
        "secrets": keys.map(|key| serde_json::json!({"secret": key}))});
    let Outgoing::Http(request) = composed(&said) else { panic!("a request") };
    let definition = Definition::read(&said, None).expect("a destination");
    let answer = Answer { status: 500, headers: Vec::new(), body: keys.join(" and ").into_bytes() };
    let mut exchange = Exchange { result: Ok(answer), ..answered() };
    let claim = claim(Target::Destination(DestinationId(7)));
    Draft::of_request(&request).hiding_keys_of(&definition).finish(&claim, &mut exchange, claim.due_at);
    let body = exchange.result.expect("an answer").body;
    assert_eq!(String::from_utf8_lossy(&body), "whsec_(hidden) and whsec_(hidden)");
}

#[test]
fn a_mail_is_told_with_its_server_and_its_people() {
    let sent =
        sent(&serde_json::json!({"name": "a", "kind": "email", "email": {"host": "smtp.example.com", "port": 587,
        "security": "starttls", "from": "a@example.com", "to": ["b@example.com", "C <c@example.com>"]}}));
    assert_eq!((sent.method, sent.address.as_str()), (None, "smtp://smtp.example.com:587"));
    let to = sent.headers.iter().find(|header| header.name == "to").and_then(|header| header.value.as_deref());
    assert_eq!(to, Some("b@example.com, C <c@example.com>"));
    assert!(String::from_utf8_lossy(&sent.body).contains("Fired:"));
}

#[test]
fn of_what_goes_to_the_operators_own_destination_only_the_times_are_kept() {
    let webhook = Webhook::parse("https://inner.example/s3cr3t", None).expect("an address");
    let claim = claim(Target::Default);
    let request = render(&claim.event, &webhook, Trust::Operator, &source(), claim.due_at);
    let kept = Draft::of_request(&request).finish(&claim, &mut answered(), claim.due_at);
    let receipt = Kept::read(&kept.head, kept.body.clone()).expect("a receipt");
    let facts = Facts { address: None, ..answered().facts };
    assert_eq!(receipt, Receipt { sent: None, queue_us: Some(0), facts, answer_headers: Vec::new() });
    assert_eq!(kept.body, None);
}

#[test]
fn what_was_not_answered_or_not_even_written_has_a_receipt_as_far_as_it_came() {
    let claim = claim(Target::Destination(DestinationId(7)));
    let facts = Facts { connect_us: Some(7), ..Facts::default() };
    let mut exchange = Exchange { result: Err(Failure("No.".to_owned())), took: Duration::ZERO, facts };
    let kept = Draft::unsent().finish(&claim, &mut exchange, claim.due_at);
    let receipt = Kept::read(&kept.head, None).expect("a receipt");
    assert_eq!(receipt, Receipt { sent: None, queue_us: Some(0), facts, answer_headers: Vec::new() });
}

#[test]
fn what_a_gone_node_let_go_was_due_nobody_knows_when() {
    let webhook = Webhook::parse("https://example.com/", None).expect("an address");
    let now = claim(Target::Default).event.fired_at;
    let queued = |due_at, started_at| queued(&Claim { due_at, ..claim(Target::Webhook(webhook.clone())) }, started_at);
    assert_eq!(queued(Timestamp::UNIX_EPOCH, now), None);
    assert_eq!(queued(now + SignedDuration::from_secs(5), now + SignedDuration::from_secs(6)), Some(1_000_000));
    assert_eq!(queued(now + SignedDuration::from_secs(5), now), Some(0), "the clock was put back");
}

#[test]
fn a_body_that_is_longer_than_anything_we_send_is_cut() {
    let webhook = Webhook::parse("https://example.com/", None).expect("an address");
    let claim = claim(Target::Webhook(webhook.clone()));
    let mut request = render(&claim.event, &webhook, Trust::Guarded, &source(), claim.due_at);
    request.body = vec![b'x'; BODY_BYTES_MAX + 1].into();
    let kept = Draft::of_request(&request).finish(&claim, &mut answered(), claim.due_at);
    let sent = Kept::read(&kept.head, kept.body).expect("a receipt").sent.expect("a request");
    assert_eq!((sent.body.len(), sent.body_bytes), (BODY_BYTES_MAX, BODY_BYTES_MAX as u64 + 1));
}

proptest! {
    #[test]
    fn what_is_kept_is_read_back(
        names in proptest::collection::vec(("[a-z-]{1,20}", "[ -~äß漢]{0,20}"), 0..6),
        queue in proptest::option::of(0..u64::MAX - 1), times in proptest::array::uniform4(proptest::option::of(any::<u32>())),
        address in proptest::option::of(any::<SocketAddr>()), url in "[!-~]{0,30}", bytes in any::<u32>(), end in any::<proptest::sample::Index>(),
    ) {
        let [connect_us, tls_us, wait_us, receive_us] = times;
        // Only the address and the port of a socket's address are kept.
        let address = address.map(|address| SocketAddr::new(address.ip(), address.port()));
        let facts = Facts { address, connect_us, tls_us, wait_us, receive_us };
        let headers = names.iter().map(|(name, value)| (name.as_str(), (!value.is_empty()).then_some(value.as_str())));
        let mut writer = Writer::new();
        writer.sent(Some(Method::Patch), &url, headers, bytes as usize);
        let head = writer.end(queue, &facts, &names, false);
        let body = Bytes::from_static(b"body");
        let receipt = Kept::read(&head, Some(body.clone())).expect("a receipt");
        let headers: Vec<Header> = names
            .iter()
            .map(|(name, value)| Header { name: name.clone(), value: (!value.is_empty()).then(|| value.clone()) })
            .collect();
        let sent = Sent { method: Some(Method::Patch), address: url, headers, body, body_bytes: u64::from(bytes) };
        prop_assert_eq!(receipt, Receipt { sent: Some(sent), queue_us: queue, facts, answer_headers: names });
        let end = end.index(head.len());
        prop_assert_eq!(Kept::read(&head[..end], Some(Bytes::new())), Err(Unreadable), "cut after {}", end);
        prop_assert_eq!(Kept::read(&head, None), Err(Unreadable), "its body is missing");
    }

    #[test]
    fn any_bytes_are_a_receipt_or_none(form in 0_u8..4, mut head in proptest::collection::vec(any::<u8>(), 0..200)) {
        head.insert(0, form);
        let _ = Kept::read(&head, Some(Bytes::new()));
    }

    #[test]
    fn any_body_is_read_back_byte_for_byte(body in proptest::collection::vec(any::<u8>(), 0..300), often in 1_usize..200) {
        let webhook = Webhook::parse("https://example.com/", None).expect("an address");
        let claim = claim(Target::Webhook(webhook.clone()));
        let mut request = render(&claim.event, &webhook, Trust::Guarded, &source(), claim.due_at);
        request.body = body.repeat(often).into();
        let kept = Draft::of_request(&request).finish(&claim, &mut answered(), claim.due_at);
        prop_assert!(kept.body.as_ref().is_some_and(|kept| kept.len() <= request.body.len()));
        let sent = Kept::read(&kept.head, kept.body).expect("a receipt").sent.expect("a request");
        prop_assert_eq!(sent.body, request.body);
    }
}
