//! The form of a trigger as it goes without JavaScript, request by request: what is kept, what is refused and why, and what
//! becomes of a form whose sender is not logged in any more.

use serde_json::Value;

use crate::support::server::{Server, Setup};
use crate::wall::{Answer, Person};

const PASSWORD: &str = "correct horse battery";

fn value_of(page: &str, field: &str) -> String {
    let tag = page.split('<').find(|tag| tag.contains(&format!("name=\"{field}\"")) && tag.contains("value=\""));
    let value = tag.and_then(|tag| tag.split("value=\"").nth(1)).and_then(|rest| rest.split('"').next());
    value.unwrap_or_else(|| panic!("no {field} in {page}")).replace("&#38;", "&")
}

fn triggers(person: &Person<'_>) -> usize {
    let exported = person.post("/ui/triggers/selected", &[("ids", "1,2,3,4,5"), ("action", "export")]).body;
    let list: Value = serde_json::from_str(&exported).expect("a list of triggers");
    list.as_array().expect("a list").len()
}

#[test]
fn a_wrong_form_comes_back_with_everything_in_it_and_every_error_at_its_field() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    let typed = [
        ("name", "three things"),
        ("kind", "cron"),
        ("cron", "30 25 * * *"),
        ("timezone", "Europe/Atlantis"),
        ("payload", "{\n  \"a\": oops}"),
    ];
    for path in ["/ui/triggers", "/ui/triggers/check", "/ui/triggers/test"] {
        let answer = local.post(path, &typed);
        assert_eq!(answer.status, 422, "{path}");
        for part in [
            "3 things are not right yet",
            "id=\"payload-error\"",
            "line 2 column",
            "id=\"cron-error\"",
            "25 is not between 0 and 23",
            "id=\"timezone-error\"",
            "&#34;a&#34;: oops}",
        ] {
            assert!(answer.body.contains(part), "{path}: {part} is missing: {}", answer.body);
        }
        let form = answer.body.split("</form>").find(|part| part.contains("id=\"trigger-form\"")).expect("the form");
        assert_eq!(form.matches("autofocus").count(), 1, "{path}: the focus goes to one field");
        assert_eq!(value_of(&answer.body, "name"), "three things", "{path}");
        assert_eq!(value_of(&answer.body, "cron"), "30 25 * * *", "{path}");
    }
    let past = local.post("/ui/triggers", &[("kind", "once"), ("run_at", "2020-01-01T00:00")]);
    assert!(past.status == 422 && past.body.contains("must be in the future"), "{}", past.body);
    let large = local.post("/ui/triggers", &[("kind", "api"), ("payload", &format!("\"{}\"", "x".repeat(300_000)))]);
    assert!(large.status == 422 && large.body.contains("at most 262144"), "{}", &large.body[..2000]);
    assert_eq!(triggers(&local), 0, "nothing was made");
}

#[test]
fn a_preset_and_a_crontab_line_fill_the_form_without_losing_what_is_in_it() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    let filled = local.post("/ui/triggers/check", &[("kind", "every"), ("name", "kept"), ("preset", "weekdays")]);
    assert_eq!((filled.status, value_of(&filled.body, "cron").as_str()), (200, "0 9 * * 1-5"));
    assert_eq!(value_of(&filled.body, "name"), "kept");
    assert!(filled.body.contains("At 09:00, Monday to Friday"), "{}", filled.body);
    let linked = local.get("/ui/triggers/new?kind=cron&cron=0+9+*+*+1-5&webhook_url=http://evil.example/&name=x");
    assert!(linked.body.contains("At 09:00, Monday to Friday"), "{}", linked.body);
    assert_eq!((value_of(&linked.body, "webhook_url"), value_of(&linked.body, "name")), (String::new(), String::new()));

    let line = [("kind", "cron"), ("cron", "CRON_TZ=Europe/Berlin 30 2 * * * root /bin/backup")];
    let checked = local.post("/ui/triggers/check", &line).body;
    assert!(checked.contains("root /bin/backup") && checked.contains("clocks go"), "{checked}");
    assert_eq!(
        (value_of(&checked, "cron"), value_of(&checked, "timezone")),
        ("30 2 * * *".to_owned(), "Europe/Berlin".to_owned())
    );
    let made = local.post("/ui/triggers", &line);
    assert_eq!((made.status, made.location.as_str()), (303, "/ui/triggers/1?done=created-from-crontab"));
    let copy = local.get("/ui/triggers/1/clone").body;
    assert_eq!(
        (value_of(&copy, "name").as_str(), value_of(&copy, "cron").as_str()),
        ("Copy of Trigger 1", "30 2 * * *")
    );
}

#[test]
fn what_is_not_saved_yet_can_be_fired_once_and_stays_unsaved() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    local.post("/ui/triggers", &[("kind", "every"), ("every", "1h"), ("name", "hourly")]);
    let tried = local.post(
        "/ui/triggers/test",
        &[("id", "1"), ("kind", "every"), ("every", "2h"), ("name", "renamed"), ("payload", "{\"n\": 7}")],
    );
    assert!(tried.status == 200 && tried.body.contains("Test event 1 is logged"), "{}", tried.body);
    assert_eq!(value_of(&tried.body, "every"), "2h");
    assert!(tried.body.contains("data-unsaved"), "leaving the page would lose something");
    let event = local.get("/events/1").body;
    assert!(event.contains("renamed") && event.contains("test") && event.contains("7"), "{event}");
    assert_eq!(value_of(&local.get("/ui/triggers/1/edit").body, "every"), "1h", "nothing was saved");
}

#[test]
fn two_windows_on_one_trigger_do_not_overwrite_each_other_unasked() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    local.post("/ui/triggers", &[("kind", "every"), ("every", "1h"), ("name", "hourly")]);
    let opened = local.get("/ui/triggers/1/edit").body;
    let revision = value_of(&opened, "revision");
    let form = |name, every, revision| {
        [("id", "1"), ("revision", revision), ("kind", "every"), ("name", name), ("every", every)]
    };
    assert_eq!(local.post("/ui/triggers/1/edit", &form("first", "1h", &revision)).status, 303);
    let refused = local.post("/ui/triggers/1/edit", &form("second", "3h", &revision));
    assert_eq!(refused.status, 409, "{}", refused.body);
    for part in ["What differs", "first", "second", "Every 1h", "Every 3h"] {
        assert!(refused.body.contains(part), "{part} is missing: {}", refused.body);
    }
    assert_eq!(value_of(&refused.body, "every"), "3h", "what was typed is kept");
    assert!(local.get("/ui/triggers/1/edit").body.contains("value=\"first\""), "nothing was saved");
    let over = value_of(&refused.body, "revision");
    assert_eq!(local.post("/ui/triggers/1/edit", &form("second", "3h", &over)).location, "/ui/triggers/1?done=changed");
    let same = local.post("/ui/triggers/1/edit", &form("second", "3h", &revision));
    assert_eq!(same.location, "/ui/triggers/1?done=unchanged", "where nothing differs there is nothing to ask");
}

#[test]
fn a_trigger_that_has_fired_is_deleted_by_its_name_and_many_by_their_number() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    for name in ["one", "two", "three"] {
        local.post("/ui/triggers", &[("kind", "api"), ("name", name)]);
    }
    local.post("/ui/triggers/1/fire", &[]);
    let unnamed = local.post("/ui/triggers/1/delete", &[]);
    assert!(unnamed.status == 422 && unnamed.body.contains("confirm-error"), "{}", unnamed.body);
    assert_eq!(local.post("/ui/triggers/1/delete", &[("confirm", "One")]).status, 422);
    assert_eq!(triggers(&local), 3);
    assert_eq!(local.post("/ui/triggers/1/delete", &[("confirm", " one ")]).location, "/ui/triggers?done=deleted");
    assert!(!local.get("/ui/triggers/2/delete").body.contains("confirm"), "what never fired needs no name");

    let many = |confirm: Option<&str>| {
        let mut form =
            vec![("ids", "2"), ("ids", "3"), ("ids", "99"), ("action", "delete"), ("back", "/ui/triggers?q=t")];
        form.extend(confirm.map(|number| ("confirm", number)));
        local.post("/ui/triggers/selected", &form)
    };
    let question = many(None);
    assert!(
        question.status == 200 && question.body.contains("two") && question.body.contains("three"),
        "{}",
        question.body
    );
    assert_eq!(many(Some("3")).status, 422, "one of them is not there");
    assert_eq!(triggers(&local), 2);
    assert_eq!(many(Some("2")).location, "/ui/triggers?q=t&done=deleted&count=2");
    assert_eq!(triggers(&local), 0);
    let ids: Vec<String> = (1..=501).map(|id: i64| id.to_string()).collect();
    assert_eq!(local.post("/ui/triggers/selected", &[("ids", &ids.join(",")), ("action", "pause")]).status, 422);
    assert_eq!(local.post("/ui/triggers/selected", &[("ids", "2"), ("action", "explode")]).status, 422);
}

#[test]
fn many_are_paused_at_once_and_undo_resumes_exactly_those() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    for name in ["one", "two", "three"] {
        local.post("/ui/triggers", &[("kind", "api"), ("name", name)]);
    }
    assert_eq!(local.post("/ui/triggers/2/pause", &[("back", "/")]).location, "/?done=paused&ids=2");
    let paused =
        local.post("/ui/triggers/selected", &[("ids", "1,2,3"), ("action", "pause"), ("back", "/?status=all")]);
    assert_eq!(paused.location, "/?status=all&done=paused&ids=1,3", "the second was paused before");
    let page = local.get(&paused.location).body;
    let notice = page.split("class=\"notice\"").nth(1).and_then(|rest| rest.split("</form>").next()).expect("a notice");
    assert!(notice.contains("2 triggers are paused"), "{notice}");
    assert_eq!((value_of(notice, "ids").as_str(), value_of(notice, "back").as_str()), ("1,3", "/?status=all"));
    let undone = local.post("/ui/triggers/selected", &[("ids", "1,3"), ("action", "resume"), ("back", "/?status=all")]);
    assert_eq!(undone.location, "/?status=all&done=resumed&ids=1,3");
    assert_eq!(local.post("/ui/triggers/2/fire", &[]).status, 409, "the second stays paused");
    let elsewhere = local.post("/ui/triggers/1/pause", &[("back", "//evil.example/")]);
    assert_eq!(elsewhere.location, "/ui/triggers/1?done=paused&ids=1");
}

#[test]
fn a_pause_may_say_why_and_until_when() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    local.post("/ui/triggers", &[("kind", "every"), ("every", "1h"), ("name", "hourly")]);
    let page = local.get("/ui/triggers/1/pause").body;
    assert!(page.contains("Pause hourly") && value_of(&page, "reason").is_empty(), "{page}");
    let wrong =
        local.post("/ui/triggers/1/pause", &[("reason", "moving"), ("until", "2020-01-01T00:00"), ("back", "/")]);
    assert!(wrong.status == 422 && wrong.body.contains("until-error"), "{}", wrong.body);
    assert_eq!(value_of(&wrong.body, "reason"), "moving", "what was typed stays");
    let said = [("reason", "<b>moving</b>"), ("until", "2099-01-01T06:00"), ("back", "/ui/triggers")];
    assert_eq!(local.post("/ui/triggers/1/pause", &said).location, "/ui/triggers?done=paused&ids=1");
    for place in ["/ui/triggers/1", "/ui/triggers", "/ui/triggers/1/revisions"] {
        let page = local.get(place).body;
        assert!(page.contains("moving") && page.contains("2099") && !page.contains("<b>moving"), "{place}: {page}");
    }
    assert_eq!(value_of(&local.get("/ui/triggers/1/pause").body, "until"), "2099-01-01T06:00");
    local.post("/ui/triggers/1/pause", &[]);
    assert!(local.get("/ui/triggers/1").body.contains("moving"), "the button alone takes nothing back");
    local.post("/ui/triggers/1/resume", &[]);
    assert!(!local.get("/ui/triggers/1").body.contains("moving"), "it runs again");
    assert_eq!(local.get("/ui/triggers/9/pause").status, 404);
}

#[test]
fn one_event_may_carry_a_payload_of_its_own() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    local.post("/ui/triggers", &[("kind", "api"), ("payload", "{\"mine\": true}")]);
    let wrong = local.post("/ui/triggers/1/fire", &[("payload", "{\"edited\": "), ("back", "/")]);
    assert!(
        wrong.status == 422 && wrong.body.contains("payload-error") && wrong.body.contains("edited"),
        "{}",
        wrong.body
    );
    assert_eq!(
        local.post("/ui/triggers/1/fire", &[("payload", "{\"edited\": 1}"), ("back", "/")]).location,
        "/?done=fired&event=1"
    );
    assert_eq!(local.post("/ui/triggers/1/test", &[("payload", " ")]).location, "/ui/triggers/1?done=tested&event=2");
    assert!(local.get("/events/1").body.contains("edited") && local.get("/events/2").body.contains("mine"));
}

fn sign_in(server: &Server, email: &str, more: &[(&str, &str)]) -> Answer {
    Person::nobody(server).post("/auth/login", &[&[("email", email), ("password", PASSWORD)], more].concat())
}

#[test]
fn a_form_that_is_sent_after_the_session_has_ended_is_there_again_after_signing_in() {
    let server = Server::start();
    let ann = Person::registered(&server, "ann@example.com");
    Person::registered(&server, "bob@example.com");
    ann.post("/ui/triggers", &[("kind", "every"), ("every", "1h"), ("name", "hourly")]);
    ann.post("/logout", &[]);

    let typed =
        [("kind", "every"), ("every", "2h"), ("name", "a & b"), ("payload", "{\"n\": \"ä%\"}"), ("revision", "1")];
    for path in ["/ui/triggers", "/ui/triggers/1/edit"] {
        let refused = ann.post(path, &typed);
        assert!(refused.status == 401 && refused.body.contains("Your session has ended"), "{}", refused.body);
        let (to, draft) = (value_of(&refused.body, "draft_to"), value_of(&refused.body, "draft"));
        assert_eq!(to, path);
        let carried = [("draft_to", to.as_str()), ("draft", draft.as_str())];
        let wrong = Person::nobody(&server).post(
            "/auth/login",
            &[&[("email", "ann@example.com"), ("password", "not the password")], &carried[..]].concat(),
        );
        assert_eq!(
            (wrong.status, value_of(&wrong.body, "draft")),
            (400, draft.clone()),
            "a wrong password loses nothing"
        );
        let back = sign_in(&server, "ann@example.com", &carried);
        assert!(back.status == 200 && back.cookie.starts_with("access_token="), "{}", back.body);
        assert!(back.body.contains(&format!("action=\"{path}\"")), "{}", back.body);
        assert_eq!(
            (value_of(&back.body, "every"), value_of(&back.body, "name")),
            ("2h".to_owned(), "a & b".to_owned())
        );
        assert!(back.body.contains("ä%") && back.body.contains("data-unsaved"), "{}", back.body);
    }
    let mut ann = ann;
    ann.cookie = sign_in(&server, "ann@example.com", &[]).cookie.split(';').next().map(str::to_owned);
    assert_eq!(triggers(&ann), 1, "nothing was made");
    assert_eq!(value_of(&ann.get("/ui/triggers/1/edit").body, "every"), "1h", "nothing was changed");
    let foreign = sign_in(&server, "bob@example.com", &[("draft_to", "/ui/triggers/1/edit"), ("draft", "name=mine")]);
    assert_eq!((foreign.status, foreign.location.as_str()), (302, "/"), "{}", foreign.body);
    let forged = sign_in(&server, "ann@example.com", &[("draft_to", "//evil.example/ui/triggers"), ("draft", "a=1")]);
    assert_eq!((forged.status, forged.location.as_str()), (302, "/"));
}

#[test]
fn a_login_leads_on_to_the_page_that_was_wanted_and_nowhere_else() {
    let server = Server::start();
    let ann = Person::registered(&server, "ann@example.com");
    ann.post("/ui/triggers", &[("kind", "api"), ("is_test", "on")]);
    let nobody = Person::nobody(&server);
    assert_eq!(nobody.get("/").location, "/auth/login");
    let sent_off = nobody.get("/events/1?from=list");
    assert_eq!((sent_off.status, sent_off.location.as_str()), (302, "/auth/login?next=%2Fevents%2F1%3Ffrom%3Dlist"));
    assert_eq!(value_of(&nobody.get(&sent_off.location).body, "next"), "/events/1?from=list");
    assert_eq!(sign_in(&server, "ann@example.com", &[("next", "/events/1")]).location, "/events/1");
    assert_eq!(sign_in(&server, "ann@example.com", &[]).location, "/");
    for elsewhere in ["//evil.example", "/\\evil.example", "https://evil.example/", "/logout", "/ui/../logout"] {
        assert_eq!(sign_in(&server, "ann@example.com", &[("next", elsewhere)]).location, "/", "{elsewhere}");
        let query: String = elsewhere.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert!(!nobody.get(&format!("/auth/login?next={query}")).body.contains("name=\"next\""), "{elsewhere}");
    }
}

#[test]
fn terms_are_kept_shown_and_unfolded_where_something_is_wrong_with_them() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    assert!(local.get("/ui/triggers/new").body.contains("id=\"more-about-when\">"), "few need it");
    let cron = [("kind", "cron"), ("cron", "0 9 * * 1-5"), ("timezone", "Europe/Riga")];
    let terms = [
        ("starts_at", "2031-01-01T00:00"),
        ("excluded_dates", "2031-12-24, 2031-12-25"),
        ("gap", "left_out"),
        ("delete_when_done", "on"),
        ("misfire", "skip"),
    ];
    let wrong = local.post("/ui/triggers", &[&cron[..], &terms, &[("max_fires", "ten")]].concat());
    assert_eq!(wrong.status, 422);
    for part in ["id=\"max_fires-error\"", "id=\"more-about-when\" open>", "value=\"ten\""] {
        assert!(wrong.body.contains(part), "{part} is missing: {}", wrong.body);
    }
    let made = local.post("/ui/triggers", &[&cron[..], &terms, &[("max_fires", "10")]].concat());
    assert_eq!((made.status, made.location.as_str()), (303, "/ui/triggers/1?done=created"));
    let page = local.get("/ui/triggers/1").body;
    let told = "from 1 January 2031, not on 24 December 2031 and 25 December 2031, at most 10 times; what is missed is skipped; then it is deleted";
    assert!(page.contains(told) && page.contains("0 of at most 10 times"), "{page}");
    let form = local.get("/ui/triggers/1/edit").body;
    assert_eq!(
        (value_of(&form, "starts_at").as_str(), value_of(&form, "max_fires").as_str()),
        ("2031-01-01T00:00", "10")
    );
    assert!(form.contains("2031-12-24\n2031-12-25") && form.contains("value=\"left_out\" selected"), "{form}");
    assert!(form.contains("value=\"skip\" selected"), "{form}");

    let changed = local.post("/ui/triggers/1/edit", &[&cron[..], &[("id", "1"), ("max_fires", "10")]].concat());
    assert_eq!(changed.status, 303, "{}", changed.body);
    let page = local.get("/ui/triggers/1").body;
    assert!(
        page.contains("At 09:00, Monday to Friday, at most 10 times") && !page.contains("then it is deleted"),
        "{page}"
    );
}

#[test]
fn a_window_to_spread_over_is_kept_shown_and_refused_at_its_field() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    let cron = [("kind", "cron"), ("cron", "0 9 * * 1-5"), ("timezone", "Europe/Riga")];
    for (window, said) in [("soon", "not a period"), ("2d", "at most 24 hours")] {
        let wrong = local.post("/ui/triggers", &[&cron[..], &[("jitter", window)]].concat());
        assert_eq!(wrong.status, 422);
        for part in ["id=\"jitter-error\"", "id=\"more-about-when\" open>", said] {
            assert!(wrong.body.contains(part), "{part} is missing: {}", wrong.body);
        }
    }
    let made = local.post("/ui/triggers", &[&cron[..], &[("jitter", "10m")]].concat());
    assert_eq!((made.status, made.location.as_str()), (303, "/ui/triggers/1?done=created"));
    let page = local.get("/ui/triggers/1").body;
    assert!(page.contains("At 09:00, Monday to Friday, spread over 10m ("), "{page}");
    let form = local.get("/ui/triggers/1/edit").body;
    assert_eq!(value_of(&form, "jitter"), "10m");
    let changed = local.post("/ui/triggers/1/edit", &[&cron[..], &[("id", "1")]].concat());
    assert_eq!(changed.status, 303, "{}", changed.body);
    let page = local.get("/ui/triggers/1").body;
    assert!(page.contains("At 09:00, Monday to Friday") && !page.contains("spread over"), "{page}");
}

#[test]
fn a_calendar_rule_is_previewed_made_shown_and_changed() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    let rule = "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE";
    let typed = [("kind", "rrule"), ("rrule", rule), ("rrule_start", "2031-01-06T09:00"), ("timezone", "Europe/Riga")];
    let told = "Every second week on Monday and Wednesday at 09:00, counted from 6 January 2031";
    let checked = local.post("/ui/triggers/check", &typed).body;
    assert!(checked.contains(told) && checked.contains("Mon 2031-01-20"), "{checked}");
    let made = local.post("/ui/triggers", &typed);
    assert_eq!((made.status, made.location.as_str()), (303, "/ui/triggers/1?done=created"), "{}", made.body);
    assert!(local.get("/ui/triggers/1").body.contains(told));
    assert!(local.get("/ui/triggers?kind=rrule").body.contains("/ui/triggers/1"));
    assert!(!local.get("/ui/triggers?kind=cron").body.contains("/ui/triggers/1\""));
    let form = local.get("/ui/triggers/1/edit").body;
    assert_eq!(value_of(&form, "rrule_start"), "2031-01-06T09:00:00");
    assert!(form.contains(&format!("\n{rule}</textarea>")), "{form}");
    let pasted = "DTSTART;TZID=America/New_York:20310105T090000\r\nRRULE:FREQ=DAILY;COUNT=3";
    let changed = local.post("/ui/triggers/1/edit", &[("kind", "rrule"), ("rrule", pasted), ("id", "1")]);
    assert_eq!(changed.status, 303, "{}", changed.body);
    let page = local.get("/ui/triggers/1").body;
    assert!(page.contains("Every day at 09:00, 3 times") && page.contains("America/New_York"), "{page}");

    // A rule that a calendar has folded is shown in one piece, and saved as it was opened it counts on.
    let folded = [("kind", "rrule"), ("rrule", "RRULE:FREQ=DAILY;INTER\r\n VAL=3\r\nEXDATE;VALUE=DATE:20310106")];
    let made = local.post("/ui/triggers", &folded);
    assert_eq!((made.status, made.location.as_str()), (303, "/ui/triggers/2?done=created"), "{}", made.body);
    let form = local.get("/ui/triggers/2/edit").body;
    let shown = "RRULE:FREQ=DAILY;INTERVAL=3\nEXDATE;VALUE=DATE:20310106";
    assert!(form.contains(&format!("\n{shown}</textarea>")), "{form}");

    for (wrong, field) in
        [(("rrule", "FREQ=WEEKLY;BYDAY=MONDAY"), "rrule"), (("rrule_start", "2031-03-30T03:30"), "rrule_start")]
    {
        let typed = typed.iter().filter(|(name, _)| *name != wrong.0).copied().chain([wrong]).collect::<Vec<_>>();
        let refused = local.post("/ui/triggers", &typed);
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert!(refused.body.contains(&format!("id=\"{field}-error\"")), "{}", refused.body);
    }
}

#[test]
fn several_schedules_stand_in_lines() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    let lines = "0 9 * * 1-5\r\nTZ=Asia/Tokyo 0 12 * * 6\r\nevery 6h from 2031-01-01T00:00:00Z";
    let typed = [("kind", "any_of"), ("any_of", lines), ("timezone", "Europe/Riga")];
    let made = local.post("/ui/triggers", &typed);
    assert_eq!((made.status, made.location.as_str()), (303, "/ui/triggers/1?done=created"), "{}", made.body);
    let told = "At 09:00, Monday to Friday (Europe/Riga); and at 12:00, every Saturday (Asia/Tokyo); and every 6 hours";
    assert!(local.get("/ui/triggers/1").body.contains(told), "{}", local.get("/ui/triggers/1").body);
    let form = local.get("/ui/triggers/1/edit").body;
    assert!(form.contains(&format!("\n{}</textarea>", lines.replace("\r\n", "\n"))), "{form}");
    assert!(local.get("/ui/triggers?kind=any_of").body.contains("/ui/triggers/1"));
    let wrong = [("kind", "any_of"), ("any_of", "0 9 * * 1-5\nevery now and then")];
    let refused = local.post("/ui/triggers", &wrong);
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("id=\"any_of-error\"") && refused.body.contains("Schedule 2:"), "{}", refused.body);
}
