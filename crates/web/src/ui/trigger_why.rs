//! GET /ui/triggers/{id}/why: what became of an instant of a trigger, or will, and of what lies around it. What is told is decided in
//! `domain::why`, gathered as for programs (`api::why`); here it is laid out.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::count::Counted;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::Problem;
use oncue_domain::why::Asked;
use oncue_domain::why::span::{Line, around};
use oncue_domain::why::taken::{Taken, TakenBy};

use super::badge::Badge;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::number::number;
use super::revision::from;
use super::trigger_gone::{Ended, gone};
use super::trigger_row::TriggerRow;
use super::{PageFault, page};
use crate::api::trigger::trigger_id;
use crate::api::why::{Records, Subject, Told, ToldSpan, parts};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{PathId, Query};

/// How many entries of the ledger the table around an instant shows at most.
const LISTED: usize = 100;

#[derive(Template)]
#[template(path = "trigger_why.html")]
struct WhyPage {
    frame: Frame,
    trigger: TriggerRow,
    /// The end of the trigger, where it was deleted.
    ended: Option<Ended>,
    /// The trigger's zone, in which everything here is told.
    zone: String,
    /// What stands in the field.
    asked: String,
    /// What is wrong with what was asked.
    unread: Option<String>,
    answer: Option<Answer>,
    around: Around,
}

/// What is told about the instant.
struct Answer {
    state: Badge,
    sentence: String,
    clock: Option<String>,
    advice: Vec<String>,
    /// All that stands in the way, where that is more than the sentence begins with.
    obstacles: Vec<String>,
    at: Moment,
    event: Option<(i64, bool, Moment)>,
    /// How many are on the same record, the first and the last of them, and when it was written down.
    record: Option<(String, Moment, Moment, Moment)>,
    absence: Option<(Moment, Moment)>,
    edit: Option<EditRow>,
    before: Option<(Moment, String)>,
    after: Option<(Moment, String)>,
    revision: Option<i64>,
    /// The release of the zone data that decided, and the one in use now, where that is another.
    tzdata: String,
    tzdata_now: Option<String>,
    /// What took it away, and what exactly.
    taken: Option<(String, String)>,
    standing_since: Moment,
    /// What is counted in the hour, where nothing else is left.
    counts: Option<CountedRow>,
}

/// What is counted in some hours of which nothing else is left.
struct CountedRow {
    from: Moment,
    until: Moment,
    /// "12 fired, 48 did not: 47 missed, 1 paused".
    words: String,
    is_estimate: bool,
    /// The runs that reach beyond them: how many, why, the first and the last.
    runs: Vec<(String, &'static str, Moment, Moment)>,
}

impl CountedRow {
    fn of(counted: &Counted, zone: &Zone, now: Timestamp) -> CountedRow {
        let moment = |at: Timestamp| Moment::new(at, now, zone);
        let mut words = format!("{} fired, {} did not", number(counted.fired), number(counted.skipped));
        for (place, (reason, count)) in counted.reasons.iter().enumerate() {
            let before = if place == 0 { ": " } else { ", " };
            words.push_str(&format!("{before}{} {}", number(*count), reason.word()));
        }
        CountedRow {
            from: moment(counted.span.from),
            until: moment(counted.span.until),
            words,
            is_estimate: counted.is_estimate,
            runs: counted
                .beyond
                .iter()
                .map(|run| (number(run.count), run.reason.word(), moment(run.first), moment(run.last)))
                .collect(),
        }
    }
}

/// The edit that was to blame.
struct EditRow {
    revision: i64,
    at: Moment,
    by: Option<String>,
    /// From where.
    from: Option<String>,
}

/// What lies around it.
struct Around {
    from: Moment,
    until: Moment,
    lines: Vec<LineRow>,
    /// Whether the trigger said something else in a part of it.
    is_partly_unknown: bool,
    /// From when on nobody can tell, and what is wrong with the trigger, where it cannot be read.
    unreadable: Option<(Moment, String)>,
    /// What is counted in the hours of which nothing else is left.
    forgotten: Option<CountedRow>,
}

struct LineRow {
    state: Badge,
    count: String,
    first: Moment,
    first_at: String,
    last: Option<Moment>,
    event: Option<(i64, bool)>,
    is_meant: bool,
}

impl Answer {
    fn of(told: &Told, now: Timestamp) -> Answer {
        let account = &told.account;
        let zone = &account.zone;
        let moment = |at: Timestamp| Moment::new(at, now, zone);
        let (firing, skipped, absence) = parts(&account.verdict);
        let linked = |at: Timestamp| (moment(at), at.to_string());
        Answer {
            state: Badge::of_verdict(&account.verdict),
            sentence: account.sentence(),
            clock: account.clock_sentence(),
            advice: account.advice(),
            obstacles: match account.obstacles.as_slice() {
                [] | [_] => Vec::new(),
                all => all.iter().map(|one| account.obstacle(one)).collect(),
            },
            at: moment(account.at),
            event: firing.map(|firing| (firing.event.0, firing.is_kept, moment(firing.fired_at))),
            record: skipped.map(|view| {
                let skipped = &view.skipped;
                (number(skipped.count), moment(skipped.first), moment(skipped.last), moment(view.recorded_at))
            }),
            absence: absence.map(|absence| (moment(absence.from), moment(absence.to))),
            edit: account.edit.as_ref().map(|edit| EditRow {
                revision: edit.revision,
                at: moment(edit.at),
                by: edit.by.as_ref().map(|by| by.who.to_string()),
                from: edit.by.as_ref().and_then(from),
            }),
            before: account.neighbours.0.map(linked),
            after: account.neighbours.1.map(linked),
            revision: account.revision,
            tzdata: account.release.clone(),
            tzdata_now: (account.release != account.release_now).then(|| account.release_now.clone()),
            taken: account.taken_by.as_ref().map(taken),
            standing_since: moment(account.standing_since),
            counts: told.hour.as_ref().map(|hour| CountedRow::of(hour, zone, now)),
        }
    }
}

impl Around {
    fn of(told: &ToldSpan, problem: Option<&Problem>, meant: Option<Timestamp>, zone: &Zone, now: Timestamp) -> Around {
        let ToldSpan { account: told, forgotten } = told;
        let row = |line: &Line| {
            let (firing, ..) = parts(&line.verdict);
            LineRow {
                state: Badge::of_verdict(&line.verdict),
                count: number(line.count),
                first: Moment::new(line.first, now, zone),
                first_at: line.first.to_string(),
                last: (line.count > 1 || line.first < line.last).then(|| Moment::new(line.last, now, zone)),
                event: firing.map(|firing| (firing.event.0, firing.is_kept)),
                is_meant: meant.is_some_and(|at| line.first <= at && at <= line.last),
            }
        };
        let taken_row = |taken: &Taken| LineRow {
            state: Badge::of_taken(&taken.by),
            count: number(taken.count),
            first: Moment::new(taken.first, now, zone),
            first_at: taken.first.to_string(),
            last: (taken.last > taken.first).then(|| Moment::new(taken.last, now, zone)),
            event: None,
            is_meant: meant.is_some_and(|at| taken.first <= at && at <= taken.last),
        };
        Around {
            from: Moment::new(told.span.from, now, zone),
            until: Moment::new(told.span.until, now, zone),
            lines: {
                let taken = told.taken_away.iter().take(LISTED).map(|taken| (taken.first, taken_row(taken)));
                let mut rows: Vec<(Timestamp, LineRow)> =
                    told.lines.iter().map(|line| (line.first, row(line))).chain(taken).collect();
                rows.sort_by_key(|(first, _)| *first);
                rows.into_iter().map(|(_, row)| row).collect()
            },
            is_partly_unknown: told.unknown.is_some(),
            unreadable: told
                .unreadable
                .zip(problem)
                .map(|(span, problem)| (Moment::new(span.from, now, zone), problem.to_string())),
            forgotten: forgotten.as_ref().map(|counted| CountedRow::of(counted, zone, now)),
        }
    }
}

/// What took an instant away, in words, and what exactly.
fn taken(by: &TakenBy) -> (String, String) {
    let names: Vec<&str> = by.calendars().iter().map(|calendar| calendar.name.as_str()).collect();
    let what = match by.word() {
        "calendar" => format!("{}: {}", Badge::of_taken(by).word, names.join(", ")),
        _ => Badge::of_taken(by).word.to_owned(),
    };
    (what, by.value())
}

/// The time on the wall for the field.
fn in_field(at: Timestamp, zone: &Zone) -> String {
    zone.time_zone().to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// GET /ui/triggers/{id}/why
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let owner = caller.owner();
    let records = Records::of(&app);
    let subject = match Subject::load(&records, owner, trigger_id(&id)?, now).await {
        Ok(subject) => subject,
        Err(fault) => return gone(&app, &caller, &id, now, fault).await,
    };
    let zone = records.zone_of(&subject.armed);
    let text = query.take_text("at").filter(|text| !text.trim().is_empty());
    let read = text.as_deref().map(|text| Asked::read(text, &zone)).transpose();
    let unread = read.as_ref().err().map(ToString::to_string);
    let asked = read.ok().flatten();
    let answer = match asked {
        Some(asked) => Some(Told::at(&records, owner, subject.clone(), asked, now).await?),
        None => None,
    };
    let meant = answer.as_ref().map(|told| told.account.at);
    let ended_at = subject.deletion.as_ref().map(|deletion| deletion.at);
    let span = around(&subject.armed.trigger.definition, meant.or(ended_at).unwrap_or(now));
    let told = ToldSpan::of(&records, owner, subject.clone(), span, LISTED, now).await?;
    let row = TriggerRow::alone(&app, &subject.armed, &caller.frozen, now);
    let state = match &subject {
        Subject { deletion: Some(_), .. } => Badge::DELETED,
        Subject { problem: Some(_), .. } => Badge::UNREADABLE,
        _ => row.state,
    };
    let why = WhyPage {
        frame: Frame::of(&app, &caller, Place::Triggers),
        trigger: TriggerRow { state, ..row },
        ended: subject.deletion.as_ref().map(|deletion| Ended::of(deletion, now, &zone)),
        asked: match asked {
            Some(Asked { wall: Some(wall), .. }) => wall.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            Some(Asked { at, wall: None }) => in_field(at, &zone),
            None => String::new(),
        },
        unread,
        answer: answer.as_ref().map(|told| Answer::of(told, now)),
        around: Around::of(&told, subject.problem.as_ref(), meant, &zone, now),
        zone: zone.name().to_owned(),
    };
    Ok(page(StatusCode::OK, &why))
}
