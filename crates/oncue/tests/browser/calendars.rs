//! The pages of calendars without a browser: what they say is wrong, what an edit would come to, and whose they are.

use serde_json::json;

use crate::support::server::{Server, Setup};
use crate::wall::Person;

#[test]
fn a_calendar_is_made_changed_and_deleted_in_forms() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    assert!(local.get("/ui/calendars").body.contains("No calendar yet"));
    let wrong = local.post("/ui/calendars", &[("name", ""), ("dates", "24.12.2031")]);
    assert_eq!(wrong.status, 422);
    for part in ["id=\"name-error\"", "id=\"dates-error\"", "24.12.2031", "<title>Error: New calendar"] {
        assert!(wrong.body.contains(part), "{part} is missing: {}", wrong.body);
    }
    let dates = "2031-12-24/2031-12-26, 2032-01-01\r\n2032-05-01";
    let made = local.post("/ui/calendars", &[("name", "<b>holidays"), ("description", "of Latvia"), ("dates", dates)]);
    assert_eq!((made.status, made.location.as_str()), (303, "/ui/calendars/1?done=calendar-made"), "{}", made.body);
    let page = local.get(&made.location).body;
    assert!(page.contains("The calendar is made.") && page.contains("2031-12-24/2031-12-26\n2032-01-01"), "{page}");
    assert!(!page.contains("<b>holidays"), "{page}");
    let list = local.get("/ui/calendars").body;
    let shown = list.replace("<span class=\"whole\">", "").replace("</span>", "");
    assert!(shown.contains("2031-12-24 to 2031-12-26, 2032-01-01, 2032-05-01"), "{list}");
    assert!(list.contains("no trigger"), "{list}");

    let form = local.get("/ui/triggers/new").body;
    assert!(form.contains("name=\"calendar_1\""), "{form}");
    let trigger = [
        ("kind", "cron"),
        ("cron", "0 9 * * *"),
        ("timezone", "Europe/Riga"),
        ("calendar_1", "on"),
        ("starts_at", "2031-12-24T00:00"),
    ];
    let checked = local.post("/ui/triggers/check", &trigger);
    assert!(checked.body.contains("2031-12-27") && !checked.body.contains("2031-12-25"), "{}", checked.body);
    assert_eq!(local.post("/ui/triggers", &trigger).status, 303);
    let edit = local.get("/ui/triggers/1/edit").body;
    assert!(
        edit.contains("name=\"calendar_1\" value=\"on\" checked") && edit.contains("id=\"more-about-when\" open"),
        "{edit}"
    );
    let page = local.get("/ui/triggers/1").body;
    assert!(page.contains("not on the dates of &#34;&#60;b&#62;holidays&#34;"), "{page}");
    let clone = local.get("/ui/triggers/1/clone").body;
    assert!(clone.contains("name=\"calendar_1\" value=\"on\" checked") && clone.contains("2031-12-27"), "{clone}");

    let edited = [("name", "feasts"), ("dates", "2031-12-27"), ("revision", "1")];
    let asked = local.post("/ui/calendars/1", &[&edited[..], &[("check", "on")]].concat());
    assert_eq!(asked.status, 200);
    assert!(asked.body.contains("What would change") && asked.body.contains("it then waits for"), "{}", asked.body);
    assert_eq!(server.nobody().get("/api/v1/calendars/1").is(200).json()["revision"], 1);
    let saved = local.post("/ui/calendars/1", &edited);
    assert_eq!(
        (saved.status, saved.location.as_str()),
        (303, "/ui/calendars/1?done=calendar-changed"),
        "{}",
        saved.body
    );
    let late = local.post("/ui/calendars/1", &edited);
    assert_eq!(late.status, 409);
    assert!(late.body.contains("this calendar changed since you opened it"), "{}", late.body);
    let trigger = server.nobody().get("/api/v1/triggers/1").is(200).json();
    assert_eq!(trigger["schedule_details"]["except_calendars"], json!(["feasts"]));
    assert_eq!(trigger["next_at"], "2031-12-24T07:00:00Z");

    let refused = local.post("/ui/calendars/1/delete", &[]);
    assert_eq!(refused.status, 409);
    assert!(
        refused.body.contains("Nothing was deleted") && refused.body.contains("/ui/triggers/1/edit"),
        "{}",
        refused.body
    );
    server.nobody().delete("/api/v1/triggers/1").is(204);
    let gone = local.post("/ui/calendars/1/delete", &[]);
    assert_eq!((gone.status, gone.location.as_str()), (303, "/ui/calendars?done=calendar-deleted"));
    assert_eq!(local.get("/ui/calendars/1").status, 404);
}

#[test]
fn rules_and_several_schedules_keep_to_a_calendar_in_forms_too() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    assert_eq!(local.post("/ui/calendars", &[("name", "holidays"), ("dates", "2031-01-13")]).status, 303);
    let rule = [("kind", "rrule"), ("rrule", "FREQ=WEEKLY;BYDAY=MO"), ("rrule_start", "2031-01-06T09:00")];
    let several = [("kind", "any_of"), ("any_of", "0 9 * * 1\n0 12 * * 1"), ("starts_at", "2031-01-06T08:00")];
    for (number, typed) in [(1, rule), (2, several)] {
        let typed = [&typed[..], &[("timezone", "Europe/Riga"), ("calendar_1", "on")]].concat();
        let checked = local.post("/ui/triggers/check", &typed).body;
        assert!(checked.contains("2031-01-06") && checked.contains("2031-01-20"), "{checked}");
        assert!(!checked.contains("2031-01-13"), "{checked}");
        let made = local.post("/ui/triggers", &typed);
        assert_eq!(made.status, 303, "{}", made.body);
        let trigger = server.nobody().get(&format!("/api/v1/triggers/{number}")).is(200).json();
        assert_eq!(trigger["schedule_details"]["except_calendars"], json!(["holidays"]), "{trigger}");
        assert_eq!(trigger["next_at"], "2031-01-06T07:00:00Z");
        let edit = local.get(&format!("/ui/triggers/{number}/edit")).body;
        assert!(edit.contains("name=\"calendar_1\" value=\"on\" checked"), "{edit}");
        let page = local.get(&format!("/ui/triggers/{number}")).body;
        assert!(page.contains("not on the dates of &#34;holidays&#34;"), "{page}");
    }
    let changed = local.post("/ui/calendars/1", &[("name", "holidays"), ("dates", "2031-01-06"), ("revision", "1")]);
    assert_eq!(changed.status, 303, "{}", changed.body);
    for number in [1, 2] {
        let trigger = server.nobody().get(&format!("/api/v1/triggers/{number}")).is(200).json();
        assert_eq!(trigger["next_at"], "2031-01-13T07:00:00Z", "{trigger}");
    }
}

#[test]
fn a_form_that_is_older_than_the_description_takes_nothing_away() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    assert_eq!(local.post("/ui/calendars", &[("name", "holidays"), ("dates", "2031-12-24")]).status, 303);
    let page = local.get("/ui/calendars/1").body;
    let hidden = |name: &str| {
        let begin = format!("name=\"{name}\" value=\"");
        let rest = page.split_once(&begin).expect("the form says so").1;
        rest.split_once('"').expect("it ends").0.to_owned()
    };
    let (revision, edited_at) = (hidden("revision"), hidden("edited_at"));
    let said = json!({"name": "holidays", "description": "of Latvia", "dates": ["2031-12-24"]});
    let described = server.nobody().put("/api/v1/calendars/1", &said).is(200).json();
    assert_eq!(described["revision"].to_string(), revision, "it makes no revision");
    let typed = [("name", "holidays"), ("dates", "2031-12-25"), ("revision", &*revision), ("edited_at", &*edited_at)];
    let late = local.post("/ui/calendars/1", &typed);
    assert_eq!(late.status, 409);
    assert!(late.body.contains("this calendar changed since you opened it"), "{}", late.body);
    let kept = server.nobody().get("/api/v1/calendars/1").is(200).json();
    assert_eq!((&kept["description"], &kept["dates"]), (&json!("of Latvia"), &json!(["2031-12-24"])));
    let again = late.body.split_once("name=\"edited_at\" value=\"").expect("the form says so").1;
    let typed = [typed[0], typed[1], typed[2], ("edited_at", again.split_once('"').expect("it ends").0)];
    assert_eq!(local.post("/ui/calendars/1", &typed).status, 303, "whoever has seen it may");
}

#[test]
fn what_would_change_names_what_waits_and_would_end() {
    let server = Setup::new().flag("--open").serve();
    let (local, nobody) = (Person::nobody(&server), server.nobody());
    assert_eq!(local.post("/ui/calendars", &[("name", "holidays"), ("dates", "2031-12-24")]).status, 303);
    let hourly = json!({"cron": "0 * * * *", "timezone": "UTC", "except_calendars": ["holidays"]});
    nobody.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": hourly})).is(201);
    let span = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "hold": true});
    nobody.post("/api/v1/triggers/1/backfill", &span).is(200);
    let edited = [("name", "holidays"), ("dates", "2026-01-15 2031-12-24"), ("check", "on")];
    let asked = local.post("/ui/calendars/1", &edited).body;
    assert!(asked.contains("24 firings that wait in its backlog end (UTC)."), "{asked}");
    assert_eq!(nobody.get("/api/v1/backlog").is(200).json()["occurrences"], json!(24), "nothing was done");
}

#[test]
fn what_a_calendar_file_holds_can_be_pasted() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    let file = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20311224\r\nDTEND;VALUE=DATE:20311227\r\nEND:VEVENT\r\nEND:VCALENDAR";
    let made = local.post("/ui/calendars", &[("name", "file"), ("ical", file)]);
    assert_eq!(made.status, 303, "{}", made.body);
    let shown = server.nobody().get("/api/v1/calendars/1").is(200).json();
    assert_eq!(shown["dates"], json!(["2031-12-24/2031-12-26"]));
    let wrong = local.post("/ui/calendars", &[("name", "other"), ("ical", "nothing of the sort")]);
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("id=\"ical-error\"") && wrong.body.contains("nothing of the sort"), "{}", wrong.body);
}

#[test]
fn the_pages_of_a_calendar_are_its_owners() {
    let server = Server::start();
    let (ann, bob) = (Person::registered(&server, "ann@example.com"), Person::registered(&server, "bob@example.com"));
    let nobody = Person::nobody(&server);
    assert_eq!(ann.post("/ui/calendars", &[("name", "of Ann"), ("dates", "2031-12-24")]).status, 303);
    for page in ["/ui/calendars/1", "/ui/calendars/1/delete"] {
        assert_eq!((ann.get(page).status, bob.get(page).status, nobody.get(page).status), (200, 404, 302), "{page}");
        let form = [("name", "taken over")];
        assert_eq!((bob.post(page, &form).status, nobody.post(page, &form).status), (404, 401), "{page}");
    }
    assert!(!bob.get("/ui/calendars").body.contains("of Ann"));
    assert!(!bob.get("/ui/triggers/new").body.contains("of Ann"));
    let taken = bob.post("/ui/triggers", &[("kind", "every"), ("every", "1h"), ("calendar_1", "on")]);
    assert_eq!(taken.status, 422, "it is not his to name");
    assert!(ann.get("/ui/calendars/1").body.contains("of Ann"));
}
