//! The form against surface two's JSON, both ways.

use oncue_domain::destination::Webhook;
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::trigger::{ScheduleDetails, Terms};
use serde_json::json;

use super::*;

fn form(pairs: &[(&str, &str)]) -> TriggerForm {
    TriggerForm::from_fields(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn said(form: &TriggerForm) -> Value {
    let (json, wrong) = form.to_json(None);
    assert_eq!(wrong, []);
    serde_json::from_str(&json).expect("JSON")
}

fn definition(schedule: Option<Schedule>) -> Definition {
    Definition {
        name: Some("nightly".to_owned()),
        schedule: schedule.map(|schedule| ScheduleDetails::plain(schedule, None)),
        payload: Some(Payload::parse("{\"n\": 1e400}").expect("JSON")),
        payload_schema: None,
        webhook: Some(Webhook::parse("https://example.com/hook", None).expect("an address")),
        destinations: Vec::new(),
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    }
}

fn shown(definition: &Definition) -> TriggerForm {
    TriggerForm::of(definition, &Zones::utc())
}

#[test]
fn each_kind_says_its_own_fields_and_no_others() {
    let typed = [
        ("run_at", "2027-02-15T14:00"),
        ("every", "90s"),
        ("start_at", "2027-01-01T00:00"),
        ("cron", "0 9 * * 1-5"),
        ("rrule", "RRULE:FREQ=DAILY\r\nEXDATE:20270104T090000"),
        ("rrule_start", "2027-01-01T09:00"),
        ("timezone", "Europe/Riga"),
    ];
    let of_kind = |kind| said(&form(&[&typed[..], &[("kind", kind)]].concat()));
    assert_eq!(of_kind("once")["schedule_details"], json!({"run_at": "2027-02-15T14:00", "timezone": "Europe/Riga"}));
    assert_eq!(
        of_kind("every")["schedule_details"],
        json!({"every": "90s", "start_at": "2027-01-01T00:00", "timezone": "Europe/Riga"})
    );
    assert_eq!(of_kind("cron")["schedule_details"], json!({"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"}));
    let rule = "RRULE:FREQ=DAILY\nEXDATE:20270104T090000";
    assert_eq!(
        of_kind("rrule")["schedule_details"],
        json!({"rrule": rule, "start_at": "2027-01-01T09:00", "timezone": "Europe/Riga"})
    );
    let api = of_kind("api");
    assert_eq!((api.get("schedule_details"), &api["type"]), (None, &json!("api")));
    for kind in ["once", "every", "cron", "rrule"] {
        assert_eq!(of_kind(kind)["type"], "scheduled", "{kind}");
    }
}

#[test]
fn what_is_left_empty_is_said_to_be_none() {
    let json = said(&form(&[("kind", "cron"), ("cron", "@daily")]));
    assert_eq!(
        json,
        json!({"type": "scheduled", "name": "", "schedule_details": {"cron": "@daily"}, "api_payload": null,
            "webhook_url": null, "format": null, "expects": null, "overlap": null, "expires_at": null, "is_test": false})
    );
    assert_eq!(said(&form(&[]))["type"], Value::Null);
    assert_eq!(said(&form(&[("kind", "api"), ("is_test", "on")]))["is_test"], true);
}

#[test]
fn a_payload_travels_as_it_was_typed() {
    let (json, _) = form(&[("kind", "api"), ("payload", "{\"b\": 1e400,\r\n \"a\": 1.10}")]).to_json(None);
    assert!(json.contains("{\"b\": 1e400,\n \"a\": 1.10}"), "{json}");
}

#[test]
fn a_payload_that_is_no_json_is_an_error_of_its_field() {
    let (_, wrong) = form(&[("kind", "api"), ("payload", "{a}")]).to_json(None);
    let errors = FormErrors::of(wrong.into_iter().collect());
    assert_eq!(errors.0[0].field, "payload");
    assert!(errors.0[0].message.contains("not valid JSON"), "{errors:?}");
}

#[test]
fn errors_come_back_to_their_fields_in_the_order_of_the_form() {
    let errors = FormErrors::of(vec![
        Invalid::new("webhook_url", "w"),
        Invalid::new("somewhere.else", "s"),
        Invalid::new("schedule_details.cron", "c"),
        Invalid::new("schedule_details", "k"),
        Invalid::new("name", "n"),
    ]);
    let order: Vec<_> = errors.0.iter().map(|error| error.field).collect();
    assert_eq!(order, ["name", "kind", "cron", "webhook_url", ""]);
    assert_eq!(errors.at("cron"), Some("c"));
    assert_eq!(errors.at("every"), None);
    assert!(errors.begin_at("name") && !errors.begin_at("cron"));
}

#[test]
fn a_whole_line_of_a_crontab_gives_its_schedule_and_its_zone() {
    let pasted =
        form(&[("kind", "cron"), ("cron", "CRON_TZ=Europe/Riga 30 2 * * * root /bin/backup"), ("timezone", "UTC")]);
    assert_eq!((pasted.cron.as_str(), pasted.timezone.as_str()), ("30 2 * * *", "Europe/Riga"));
    assert_eq!(pasted.pasted.map(|pasted| pasted.left_out).as_deref(), Some("root /bin/backup"));
    let elsewhere = form(&[("kind", "every"), ("every", "1h"), ("cron", "* * * * * true")]);
    assert_eq!((elsewhere.cron.as_str(), elsewhere.pasted), ("* * * * * true", None), "only the chosen kind is read");
}

#[test]
fn a_preset_fills_the_form_and_leaves_the_rest_as_it_was_typed() {
    let filled = form(&[("kind", "once"), ("name", "mornings"), ("preset", "weekdays"), ("payload", "{oh no}")]);
    assert_eq!((filled.kind.as_str(), filled.cron.as_str()), ("cron", "0 9 * * 1-5"));
    assert_eq!((filled.name.as_str(), filled.payload.as_str()), ("mornings", "{oh no}"));
    assert_eq!(form(&[("kind", "once"), ("preset", "nonsense")]).kind, "once");
}

#[test]
fn a_form_that_nobody_touched_changes_nothing() {
    let anchor: Timestamp = "2026-11-21T10:00:00.123456Z".parse().expect("an instant");
    let period = Period::parse("90s").expect("a period");
    let schedules = [
        None,
        Some(Schedule::Once { at: anchor }),
        Some(Schedule::Every { period: period.clone(), anchor, first: FirstFiring::AtAnchor }),
        Some(Schedule::Every { period, anchor, first: FirstFiring::OnePeriodLater }),
        Some(Schedule::Cron { expression: CronExpression::parse("@daily").expect("a line"), zone: Zones::utc() }),
    ];
    for schedule in schedules {
        let definition = definition(schedule);
        let shown = shown(&definition);
        let (json, wrong) = shown.to_json(Some((&shown, &definition)));
        assert_eq!(wrong, []);
        assert_eq!(json, format!("{{\"type\":{}}}", shown.kind_word()));
    }
}

#[test]
fn a_new_period_leaves_the_start_to_the_microsecond() {
    let anchor: Timestamp = "2026-11-21T10:00:00.123456Z".parse().expect("an instant");
    let period = Period::parse("90s").expect("a period");
    let definition = definition(Some(Schedule::Every { period, anchor, first: FirstFiring::AtAnchor }));
    let shown = shown(&definition);
    assert_eq!(shown.start_at, "2026-11-21T10:00:00.123");
    let edited = TriggerForm { every: "2m".to_owned(), ..shown.clone() };
    let (json, _) = edited.to_json(Some((&shown, &definition)));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["schedule_details"], json!({"every": "2m", "start_at": "2026-11-21T10:00:00.123456Z"}));
}

#[test]
fn emptied_fields_are_said_to_be_none() {
    let definition = definition(None);
    let shown = shown(&definition);
    let emptied = TriggerForm { kind: "api".to_owned(), ..TriggerForm::default() };
    let (json, _) = emptied.to_json(Some((&shown, &definition)));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json, json!({"type": "api", "name": "", "api_payload": null, "webhook_url": null, "format": null}));
}

#[test]
fn a_wall_time_is_shown_as_short_as_browsers_send_it() {
    let zone = Zones::bundled().get("Asia/Kolkata").expect("it exists");
    let shown = |text: &str| wall(text.parse().expect("an instant"), &zone);
    assert_eq!(shown("2027-02-15T08:30:00Z"), "2027-02-15T14:00");
    assert_eq!(shown("2027-02-15T08:30:07Z"), "2027-02-15T14:00:07");
    assert_eq!(shown("2027-02-15T08:30:07.123456Z"), "2027-02-15T14:00:07.123");
    assert!(is_same_wall("2027-02-15T14:00", "2027-02-15T14:00:00.000"));
    assert!(!is_same_wall("2027-02-15T14:00", "2027-02-15T14:01"));
    assert!(!is_same_wall("", "2027-02-15T14:01"));
    assert_eq!((TriggerForm::step("2027-02-15T14:00"), TriggerForm::step("2027-02-15T14:00:07.123")), ("1", "0.001"));
}

#[test]
fn destinations_keep_their_order_and_new_ones_come_last() {
    let fields = [
        ("destinations_before", "9 4 7"),
        ("destination_4", "on"),
        ("destination_9", "on"),
        ("destination_12", "on"),
        ("destination_3", "on"),
        ("destination_x", "on"),
        ("destination_5", "off"),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let form = TriggerForm::from_fields(fields);
    assert_eq!(form.destinations, [9, 4, 3, 12].map(DestinationId));
    let ticked = TriggerForm { destinations: vec![DestinationId(4)], ..TriggerForm::fresh() };
    assert!(ticked.to_json(None).0.contains("\"destinations\":[4]"), "{}", ticked.to_json(None).0);
}

#[test]
fn terms_are_said_with_the_kinds_that_have_them() {
    let typed = [
        ("every", "1h"),
        ("cron", "@daily"),
        ("run_at", "2027-02-15T14:00"),
        ("starts_at", "2027-01-01T00:00"),
        ("excluded_dates", "2026-12-24, 2026-12-25\r\n2026-12-26"),
        ("gap", "left_out"),
        ("jitter", "5m"),
    ];
    let of_kind = |kind| said(&form(&[&typed[..], &[("kind", kind)]].concat()))["schedule_details"].clone();
    let dates = json!(["2026-12-24", "2026-12-25", "2026-12-26"]);
    let start = "2027-01-01T00:00";
    assert_eq!(of_kind("once"), json!({"run_at": "2027-02-15T14:00", "jitter": "5m"}));
    let spread = json!({"every": "1h", "starts_at": start, "excluded_dates": dates, "jitter": "5m"});
    assert_eq!(of_kind("every"), spread);
    assert_eq!(
        of_kind("cron"),
        json!({"cron": "@daily", "starts_at": start, "excluded_dates": dates, "gap": "left_out", "jitter": "5m"})
    );
}

#[test]
fn terms_that_nobody_touched_stay_to_the_microsecond() {
    let end: Timestamp = "2027-11-21T10:00:00.123456Z".parse().expect("an instant");
    let period = Period::parse("1h").expect("a period");
    let schedule = Schedule::Every { period, anchor: end, first: FirstFiring::OnePeriodLater };
    let terms = Terms {
        bounds: Bounds::new(None, Some(end)).expect("a span"),
        excluded: ExcludedDates::new([jiff::civil::date(2026, 12, 24)]).expect("a date"),
        ..Terms::default()
    };
    let details = ScheduleDetails::new(schedule, None, terms, Zones::utc());
    let definition = Definition { schedule: Some(details), ..definition(None) };
    let shown = shown(&definition);
    let (json, _) = shown.to_json(Some((&shown, &definition)));
    assert_eq!(json, "{\"type\":\"scheduled\"}", "nothing is touched");
    let mut edited = shown.clone();
    edited.terms.excluded_dates.push_str(" 2026-12-25");
    let (json, _) = edited.to_json(Some((&shown, &definition)));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let dates = json!(["2026-12-24", "2026-12-25"]);
    assert_eq!(
        json["schedule_details"],
        json!({"every": "1h", "ends_at": "2027-11-21T10:00:00.123456Z", "excluded_dates": dates})
    );
    let differences = Difference::between(&shown, &edited);
    assert_eq!(differences.iter().map(|one| one.label).collect::<Vec<_>>(), ["More about when"]);
    assert_eq!(differences[0].yours, "until 2027-11-21 10:00:00.123; not on 2026-12-24, 2026-12-25");
}
