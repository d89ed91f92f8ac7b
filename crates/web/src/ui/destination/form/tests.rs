use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::destination::{Definition, Standing};
use oncue_domain::id::{DestinationId, UserId};

use super::*;

fn destination(value: &Value) -> Destination {
    let definition = Definition::read(value, None).expect("a destination");
    Destination {
        id: DestinationId(7),
        owner: UserId(1),
        revision: 3,
        definition: Arc::new(definition),
        standing: Standing::Active,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn typed(pairs: &[(&str, &str)], before: Option<&Destination>) -> DestinationForm {
    let fields = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    DestinationForm::from_fields(fields, before)
}

/// What a browser sends of a form that nobody touched: all that it shows, and no secret.
fn untouched(destination: &Destination) -> DestinationForm {
    let shown = DestinationForm::of(destination);
    let sent = |field: &Field| shown.text(&field.name()).replace("\r\n", "\n").replace('\n', "\r\n");
    let mut pairs: Vec<(String, String)> =
        FIELDS.iter().chain(&FOLLOWING).map(|field| (field.name(), sent(field))).collect();
    for (at, row) in shown.headers.iter().enumerate() {
        pairs.push((format!("header_name_{at}"), row.name.clone()));
    }
    DestinationForm::from_fields(pairs.into_iter().collect(), Some(destination))
}

fn each() -> Vec<Value> {
    let common = json!({
        "timeout": "5s", "retries": ["1h 30m", "2s"], "rate": {"count": 3, "per": "1m", "burst": 9}, "parallelism": 1, "in_order": true,
        "stop_on_4xx": true, "alert": {"destination": 9, "after": 2},
    });
    let rows = [
        json!({"kind": "webhook", "url": "https://example.com/a", "headers": {"x-key": "topsecret"}, "method": "PUT", "body": {"format": "cloudevents-binary"}}),
        json!({"kind": "webhook", "url": "https://example.com/{{ payload }}", "body": {"format": "own", "template": "\n {{ payload }}\r\n\n"}}),
        json!({"kind": "inbox", "body": {"format": "own", "content_type": "application/x-ndjson", "template": "{{ payload }}\n"}}),
        json!({"kind": "github", "github": {"owner": "ann", "repository": "site", "token": "topsecret", "workflow": {"file": "b.yml", "ref": "main", "inputs": {"a": " one\ntwo=2 ", "b=c": "d"}}}}),
        json!({"kind": "discord", "url": "https://discord.com/api/webhooks/1/a"}),
        json!({"kind": "slack", "url": "https://hooks.slack.com/services/T/B/a"}),
        json!({"kind": "github", "github": {"owner": "ann", "repository": "site", "token": "topsecret", "workflow": {"file": "b.yml", "ref": "main", "inputs": {"a": "b=c"}}}}),
        json!({"kind": "github", "github": {"owner": "ann", "repository": "site", "token": "topsecret", "event_type": "due"}}),
        json!({"kind": "ntfy", "ntfy": {"topic": "t", "token": "topsecret", "priority": 4, "tags": ["a", "b c"], "title": "{{ trigger.name }}", "message": "a\nb"}, "headers": {"x-a": "topsecret"}}),
        json!({"kind": "email", "email": {"host": "smtp.example.com", "security": "starttls", "user": "ann", "password": "topsecret", "from": "a@b.example", "to": ["Ann <c@d.example>", "e@f.example"], "subject": "{{ trigger.name }}", "text": "a\n\nb"}}),
        json!({"kind": "inbox", "inbox": {"status": 503, "delay": "1s 500ms"}, "headers": {"x-a": "topsecret"}}),
    ];
    let full = rows.into_iter().map(|mut row| {
        let Value::Object(common) = common.clone() else { unreachable!("it is an object") };
        for (name, value) in common {
            row[name] = value;
        }
        row["name"] = json!("a name");
        row
    });
    full.collect()
}

#[test]
fn a_form_that_nobody_touched_changes_nothing_and_holds_no_secret() {
    for value in each() {
        let destination = destination(&value);
        let form = untouched(&destination);
        assert!(!format!("{form:?}").contains("topsecret"), "{form:?}");
        let said = Value::Object(form.to_json().expect("it says something"));
        let read = Definition::read(&said, Some(&destination.definition));
        assert_eq!(read.as_ref(), Ok(destination.definition.as_ref()), "{said}");
    }
}

#[test]
fn what_is_prefilled_is_right_but_for_what_only_the_user_knows() {
    for (kind, missing) in [
        ("webhook", vec!["name", "url"]),
        ("discord", vec!["name", "url"]),
        ("slack", vec!["name", "url"]),
        ("github", vec!["name", "github_owner", "github_repository", "github_token", "github_workflow_file"]),
        ("ntfy", vec!["name", "ntfy_topic"]),
        ("email", vec!["name", "email_to", "email_from", "email_host"]),
        ("inbox", vec![]),
    ] {
        let form = DestinationForm::fresh(kind).expect("a kind");
        let said = Value::Object(form.to_json().expect("it says something"));
        let errors = Definition::read(&said, None).err().unwrap_or_default();
        let errors = FormErrors::of(errors, kind);
        let fields: Vec<&str> = errors.0.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, missing, "{kind}");
    }
    assert_eq!(DestinationForm::fresh("pigeon"), None);
}

#[test]
fn of_a_text_of_ones_own_every_blank_counts() {
    let before = destination(&json!({"name": "n", "kind": "inbox", "body": {"format": "own", "template": "a\n"}}));
    for (typed_text, template) in [("a\r\n", "a\n"), ("a", "a"), (" b\r\n\r\n", " b\n\n")] {
        let form = typed(&[("body_format", "own"), ("body_template", typed_text)], Some(&before));
        assert_eq!(form.to_json().expect("it says something")["body"]["template"], template);
    }
}

#[test]
fn a_secret_that_was_typed_is_sent_on_and_never_shown() {
    let form = typed(&[("kind", "ntfy"), ("ntfy_topic", "t"), ("ntfy_token", "topsecret")], None);
    assert_eq!(form.text("ntfy_token"), "");
    assert_eq!(form.to_json().expect("it says something")["ntfy"]["token"], "topsecret");
}

#[test]
fn a_secret_can_be_forgotten_where_there_is_one() {
    let before = destination(&json!({"name": "n", "kind": "ntfy", "ntfy": {"topic": "t", "token": "topsecret"}}));
    let form = typed(&[("ntfy_topic", "t"), ("ntfy_token_forget", "on")], Some(&before));
    assert_eq!(form.to_json().expect("it says something")["ntfy"]["token"], "");
    let form = typed(&[("kind", "ntfy"), ("ntfy_topic", "t"), ("ntfy_token_forget", "on")], None);
    assert_eq!(form.to_json().expect("it says something")["ntfy"].get("token"), None);
}

#[test]
fn headers_are_added_kept_and_taken_away_by_their_rows() {
    let before = destination(
        &json!({"name": "n", "kind": "webhook", "url": "https://a.example", "headers": {"x-a": "1", "x-b": "2"}}),
    );
    let rows = [("header_name_0", "x-a"), ("header_name_1", ""), ("header_name_2", "X-C"), ("header_value_2", "3")];
    let form = typed(&rows, Some(&before));
    assert_eq!(form.to_json().expect("it says something")["headers"], json!({"x-a": null, "x-c": "3"}));
    let twice = typed(&[("header_name_0", "x-a"), ("header_name_1", "X-A")], Some(&before));
    assert_eq!(twice.to_json().expect_err("it is named twice").field, "headers.x-a");
    let nameless = typed(&[("header_value_0", "3")], Some(&before));
    assert_eq!(
        nameless.to_json().expect("it says something")["headers"],
        json!({"": "3"}),
        "it is refused where it is read"
    );
}

#[test]
fn pauses_may_be_none_and_what_is_no_number_is_left_to_be_refused() {
    let form = typed(&[("kind", "inbox"), ("retries", ""), ("parallelism", "many"), ("alert_after", "3")], None);
    let said = form.to_json().expect("it says something");
    assert_eq!(said["retries"], json!([]));
    assert_eq!(said["parallelism"], "many");
    assert_eq!(said.get("alert"), None, "nobody is told");
    let form = typed(&[("kind", "inbox"), ("retries", "5s, 5m\r\n1h")], None);
    assert_eq!(form.to_json().expect("it says something")["retries"], json!(["5s", "5m", "1h"]));
}

#[test]
fn errors_come_back_to_their_fields_in_the_order_of_the_form() {
    let error = |path: &str| Invalid::new(path, "No.");
    let errors = ["rate.burst", "headers.x-key", "kind", "secrets.0", "name"].map(error).to_vec();
    let errors = FormErrors::of(errors, "webhook");
    let fields: Vec<&str> = errors.0.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["name", "url", "headers", "rate_burst", ""]);
    assert_eq!(errors.at("headers"), Some("x-key: No."));
    assert!(errors.begin_at("name") && !errors.begin_at("url"));
    let nested = FormErrors::of(vec![error("github.workflow"), error("github.workflow.inputs.a")], "github");
    let fields: Vec<&str> = nested.0.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["github_workflow_file", "github_workflow_inputs"]);
}
