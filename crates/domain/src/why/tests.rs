//! The sentences, one by one, and the law behind them: every occurrence of a span has exactly one disposition.

mod deleted;
mod freeze;
mod law;
mod obstacle;
mod releases;
mod spread;
mod taken;
mod unreadable;

use super::span::SpanAccount;
use super::*;
use crate::actor::Who;
use crate::agenda::Span;
use crate::id::{CalendarId, EventId, TriggerId, UserId};
use crate::schedule::FirstFiring;
use crate::schedule::bounds::Bounds;
use crate::schedule::cron::CronExpression;
use crate::schedule::every::Period;
use crate::schedule::excluded::ExcludedDates;
use crate::schedule::jitter::{Jitter, Share};
use crate::schedule::observed::Observed;
use crate::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use crate::schedule::zone::Zones;
use crate::trigger::{MaxFires, Pause, Terms, Trigger};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a test writes its instants well")
}

fn zone(name: &str) -> Zone {
    Zones::bundled().get(name).expect("a zone of the bundled copy")
}

fn cron(line: &str, name: &str) -> Schedule {
    Schedule::Cron { expression: CronExpression::parse(line).expect("a line"), zone: zone(name) }
}

fn every(period: &str, anchor: &str) -> Schedule {
    let period = Period::parse(period).expect("a period");
    Schedule::Every { period, anchor: at(anchor), first: FirstFiring::AtAnchor }
}

/// A trigger and all that is known of it. It was made on Monday, 23 November 2026, at noon, and it is Thursday noon.
struct Case {
    armed: Armed,
    problem: Option<Problem>,
    may_wait_to_go: bool,
    deletion: Option<Deletion>,
    made: Option<Made>,
    former: Vec<Former>,
    ledger: Ledger,
    absences: Vec<Absence>,
    freezes: Vec<Freeze>,
    gone_until: Timestamp,
    spent_at: Option<Timestamp>,
    releases: Releases,
    now: Timestamp,
    zone: Zone,
}

fn cleo() -> Actor {
    let who = Who::User { id: UserId(1), email: "cleo@example.com".to_owned() };
    Actor { who, address: Some("192.0.2.7".parse().expect("an address")), program: Some("curl/8".to_owned()) }
}

const MADE: &str = "2026-11-23T12:00:00Z";
const NOW: &str = "2026-11-26T12:00:00Z";

fn details(schedule: Schedule) -> Option<ScheduleDetails> {
    Some(ScheduleDetails::plain(schedule, None))
}

impl Case {
    fn of(schedule: Option<Schedule>) -> Case {
        let zone = match &schedule {
            Some(Schedule::Cron { zone, .. }) => zone.clone(),
            Some(Schedule::Recurrence(recurrence)) => recurrence.zone().clone(),
            _ => Zones::utc(),
        };
        let definition = Definition {
            name: None,
            schedule: schedule.and_then(details),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: crate::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        let next_at = definition.next_after(at(NOW));
        let (id, owner, made) = (TriggerId(7), UserId(1), at(MADE));
        let trigger = Trigger { id, owner, revision: 3, definition, created_at: made, standing_since: made };
        Case {
            armed: Armed { trigger, next_at, fired: 0 },
            problem: None,
            may_wait_to_go: false,
            deletion: None,
            made: None,
            former: Vec::new(),
            ledger: Ledger::default(),
            absences: Vec::new(),
            freezes: Vec::new(),
            gone_until: at(NOW) - SignedDuration::from_hours(48),
            spent_at: None,
            releases: Releases::new("2026e", &[]),
            now: at(NOW),
            zone,
        }
    }

    /// Weekdays at nine in Riga.
    fn workdays() -> Case {
        Case::of(Some(cron("0 9 * * MON-FRI", "Europe/Riga")))
    }

    fn fired(mut self, scheduled_at: &str, fired_at: &str, origin: Origin) -> Case {
        self.ledger.firings.push(LedgerFiring {
            scheduled_at: at(scheduled_at),
            due_at: None,
            fired_at: at(fired_at),
            event: EventId(12),
            revision: Some(2),
            origin,
            is_kept: true,
        });
        self
    }

    fn skipped(mut self, reason: Reason, first: &str, last: &str, recorded_at: &str) -> Case {
        let skipped = Skipped { reason, first: at(first), last: at(last), count: 2 };
        self.ledger.skipped.push(SkippedView { skipped, recorded_at: at(recorded_at) });
        self
    }

    fn absent(mut self, from: &str, to: &str) -> Case {
        self.absences.push(Absence { from: at(from), to: at(to) });
        self
    }

    fn changed(mut self, change: impl FnOnce(&mut Trigger)) -> Case {
        change(&mut self.armed.trigger);
        self.armed.next_at = self.armed.trigger.definition.next_after(self.now);
        self
    }

    /// It was edited by her at noon, and said what it says now but for the change before.
    fn edited(mut self, change: impl FnOnce(&mut Definition)) -> Case {
        let mut definition = self.armed.trigger.definition.clone();
        change(&mut definition);
        let (made, noon) = (at(MADE), at("2026-11-26T10:00:00Z"));
        self.former = vec![Former { revision: 2, from: made, until: noon, made_by: Some(cleo()), definition }];
        self.made = Some(Made { revision: 3, at: noon, by: Some(cleo()) });
        self.changed(|trigger| trigger.standing_since = noon)
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            armed: &self.armed,
            problem: self.problem.as_ref(),
            may_wait_to_go: self.may_wait_to_go,
            deletion: self.deletion.as_ref(),
            made: self.made.as_ref(),
            former: &self.former,
            ledger: &self.ledger,
            absences: &self.absences,
            freezes: &self.freezes,
            gone_until: self.gone_until,
            spent_at: self.spent_at,
            is_under_way: false,
            releases: &self.releases,
            now: self.now,
        }
    }

    fn account(&self, asked: &str) -> Account {
        let asked = Asked::read(asked, &self.zone).expect("a test writes its times well");
        Account::of(self.facts(), asked, &self.zone)
    }

    /// The word, the sentence, and the advice.
    fn told(&self, asked: &str) -> (&'static str, String) {
        let account = self.account(asked);
        assert!(WORDS.contains(&account.verdict.word()), "{account:?}");
        let advice = account.advice();
        assert!(advice.iter().all(|line| line.ends_with('.') && !line.contains(['{', '}'])), "{advice:?}");
        (account.verdict.word(), account.sentence())
    }
}

#[track_caller]
fn assert_told(case: &Case, asked: &str, word: &str, sentence: &str) {
    assert_eq!(case.told(asked), (word, sentence.to_owned()));
}

#[test]
fn what_fired_says_how_well_it_kept_its_time() {
    let nine = "2026-11-26T07:00:00Z";
    assert_told(
        &Case::workdays().fired(nine, "2026-11-26T07:00:00.004Z", Origin::Schedule),
        "2026-11-26 09:00",
        "fired",
        "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga fired on time, as event 12.",
    );
    assert_told(
        &Case::workdays().fired(nine, "2026-11-26T07:00:01.55Z", Origin::Schedule),
        nine,
        "fired_late",
        "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga fired 1.5 s late, as event 12.",
    );
    let back = "2026-11-26T09:30:00Z";
    let caught_up = Case::workdays().fired(nine, back, Origin::CatchUp);
    assert_told(
        &caught_up,
        nine,
        "caught_up",
        "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga was caught up 2 h 30 min late, as event 12, because oncue did not run when it was due.",
    );
    assert_told(
        &caught_up.absent("2026-11-26T06:00:00Z", back),
        nine,
        "caught_up",
        "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga was caught up 2 h 30 min late, as event 12, because oncue did not run from Thu 26 Nov 2026 08:00 to Thu 26 Nov 2026 11:30 Europe/Riga.",
    );
    let mut gone = Case::workdays().fired(nine, nine, Origin::Schedule);
    gone.ledger.firings[0].is_kept = false;
    assert_told(
        &gone,
        nine,
        "fired",
        "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga fired on time, as event 12, which is deleted by now.",
    );
}

#[test]
fn what_waits_waited_or_was_asked_for_afterwards_says_so() {
    let (nine, noon) = ("2026-11-26T07:00:00Z", "2026-11-26T10:00:00Z");
    let skipped = |reason| Case::workdays().skipped(reason, nine, nine, noon);
    let occurrence = "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga";
    let since = "as it has been since Thu 26 Nov 2026 12:00 Europe/Riga";
    assert_told(
        &skipped(Reason::Held),
        nine,
        "held",
        &format!("{occurrence} was missed and is held, {since}, until somebody releases or discards it."),
    );
    assert_told(
        &skipped(Reason::Waiting),
        nine,
        "waiting",
        &format!(
            "{occurrence} was missed and waits, as it has since Thu 26 Nov 2026 12:00 Europe/Riga, to fire late: what is due now comes first."
        ),
    );
    assert_told(
        &skipped(Reason::Discarded),
        nine,
        "discarded",
        &format!(
            "{occurrence} was missed and waited to fire late, and did not: it was discarded at Thu 26 Nov 2026 12:00 Europe/Riga."
        ),
    );
    assert_told(
        &Case::workdays().fired(nine, "2026-11-26T09:30:00Z", Origin::Backfill),
        nine,
        "backfilled",
        &format!("{occurrence} was backfilled 2 h 30 min late, as event 12, because somebody asked for it."),
    );
    let skipping = Terms { misfire: Some(crate::misfire::Misfire::Skip), ..Terms::default() };
    let case = skipped(Reason::Missed).changed(|trigger| {
        let pattern = cron("0 9 * * MON-FRI", "Europe/Riga");
        trigger.definition.schedule = Some(ScheduleDetails::new(pattern, None, skipping, Zones::utc()));
    });
    let (word, sentence) = case.told(nine);
    assert_eq!(word, "missed");
    assert!(sentence.ends_with("by its misfire policy nothing fires that falls due meanwhile."), "{sentence}");
    assert!(case.account(nine).advice().iter().any(|line| line.starts_with("Leave misfire out")));
    let coming = case.account("2026-11-27T07:00:00Z").advice();
    assert!(coming.iter().any(|line| line.contains("does not fire at all")), "{coming:?}");
}

#[test]
fn what_did_not_fire_says_why() {
    let (nine, noon) = ("2026-11-26T07:00:00Z", "2026-11-26T10:00:00Z");
    let skipped = |reason| Case::workdays().skipped(reason, nine, nine, noon);
    let occurrence = "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga";
    let latest = "of what falls due meanwhile only the latest fires, if it is at most 24 hours late";
    assert_told(
        &skipped(Reason::Missed),
        nine,
        "missed",
        &format!(
            "{occurrence} was missed because nobody could carry it out until Thu 26 Nov 2026 12:00 Europe/Riga: {latest}."
        ),
    );
    assert_told(
        &skipped(Reason::Missed).absent("2026-11-25T07:00:00Z", noon),
        nine,
        "missed",
        &format!(
            "{occurrence} was missed because oncue did not run from Wed 25 Nov 2026 09:00 to Thu 26 Nov 2026 12:00 Europe/Riga: {latest}."
        ),
    );
    let all = Terms { misfire: Some(crate::misfire::Misfire::All(Box::default())), ..Terms::default() };
    let under = |case: Case, max_fires: Option<u64>| {
        let terms = Terms { max_fires: max_fires.and_then(MaxFires::new), ..all.clone() };
        case.changed(|trigger| {
            let pattern = cron("0 9 * * MON-FRI", "Europe/Riga");
            trigger.definition.schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
        })
    };
    for (most, times) in [(1, "once"), (5, "5 times")] {
        let limited = under(skipped(Reason::Missed).absent("2026-11-25T07:00:00Z", noon), Some(most));
        assert_told(
            &limited,
            nine,
            "missed",
            &format!(
                "{occurrence} was missed because oncue did not run from Wed 25 Nov 2026 09:00 to Thu 26 Nov 2026 12:00 Europe/Riga, and did not fire late, because the trigger fires at most {times}: what was left of that went to the newest that were missed."
            ),
        );
        assert_eq!(limited.account(nine).advice()[0], "Let max_fires be more, or leave it out.");
    }
    let beyond_limit = under(skipped(Reason::Budget).absent("2026-11-25T07:00:00Z", noon), Some(5)).told(nine).1;
    assert!(beyond_limit.contains("beyond the bounds of misfire"), "{beyond_limit}");
    assert_told(
        &under(skipped(Reason::Missed), Some(5)),
        nine,
        "missed",
        &format!(
            "{occurrence} was missed because nobody could carry it out until Thu 26 Nov 2026 12:00 Europe/Riga: nothing fires more than 24 hours late."
        ),
    );
    let beyond = skipped(Reason::Budget).absent("2026-11-25T07:00:00Z", noon).changed(|trigger| {
        let pattern = cron("0 9 * * MON-FRI", "Europe/Riga");
        trigger.definition.schedule = Some(ScheduleDetails::new(pattern, None, all, Zones::utc()));
    });
    assert_told(
        &beyond,
        nine,
        "budget",
        &format!(
            "{occurrence} was missed, because oncue did not run from Wed 25 Nov 2026 09:00 to Thu 26 Nov 2026 12:00 Europe/Riga, and did not fire late, because it lies beyond the bounds of misfire: of what falls due meanwhile the newest 1000 fire, if they are not older than 24h."
        ),
    );
    assert!(beyond.account(nine).advice()[0].starts_with("Raise at_most or not_older_than"));
    assert_told(
        &skipped(Reason::Paused),
        nine,
        "paused",
        &format!(
            "{occurrence} did not fire because the trigger was paused, until Thu 26 Nov 2026 12:00 Europe/Riga at most."
        ),
    );
    assert_told(
        &skipped(Reason::Superseded),
        nine,
        "superseded",
        &format!(
            "{occurrence} was due and did not fire because the trigger was edited or paused first, at Thu 26 Nov 2026 12:00 Europe/Riga."
        ),
    );
    assert_told(
        &skipped(Reason::Expired),
        nine,
        "expired",
        &format!(
            "{occurrence} did not fire because the trigger had expired, as was recorded at Thu 26 Nov 2026 12:00 Europe/Riga."
        ),
    );
}

#[test]
fn what_met_an_event_that_was_under_way_says_so_and_what_the_trigger_makes_of_it() {
    let noon = "2026-11-26T10:00:00Z";
    let of = |overlap: Overlap| Case::workdays().changed(|trigger| trigger.definition.overlap = overlap);
    let due = "2026-11-26T07:00:00Z";
    for (overlap, reason) in [(Overlap::Skip, Reason::Overlap), (Overlap::Queue, Reason::Merged)] {
        let case = of(overlap).skipped(reason, due, due, noon);
        let (word, sentence) = case.told(due);
        assert_eq!(word, reason.word());
        assert!(sentence.contains("before it was under way") && sentence.contains(overlap.rule()), "{sentence}");
        assert!(case.account(due).advice()[0].contains("overlap"));
        let mut late = of(overlap).skipped(Reason::Overlap, due, due, "2026-11-27T08:00:00Z");
        late.now = at("2026-11-27T09:00:00Z");
        assert!(late.told(due).1.contains("more than 24 hours late"));
        let waits = of(overlap).skipped(Reason::Waiting, due, due, noon).told(due).1;
        assert!(waits.contains("one fires at a time"), "{waits}");
        let mut case = of(overlap);
        case.now = at(noon);
        case.armed.next_at = Some(at(due));
        let word = case.told(due).0;
        assert_eq!(word, "due", "nothing is under way");
        let facts = Facts { is_under_way: true, ..case.facts() };
        let account = Account::of(facts, Asked::instant(at(due)), &zone("Europe/Riga"));
        let word = if overlap == Overlap::Queue { "waiting" } else { "overlap" };
        assert_eq!(account.verdict.word(), word);
        assert!(WORDS.contains(&word) && account.sentence().contains("is under way"), "{}", account.sentence());
    }
}

#[test]
fn what_nothing_is_written_down_about_is_told_by_what_the_trigger_says() {
    let nine = "2026-11-26T07:00:00Z";
    let occurrence = "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga";
    assert_told(
        &Case::workdays().changed(|trigger| trigger.definition.enabled = false),
        nine,
        "paused",
        &format!(
            "{occurrence} did not fire because the trigger is paused, as it has been at least since Mon 23 Nov 2026 14:00 Europe/Riga."
        ),
    );
    assert_told(
        &Case::workdays().changed(|trigger| trigger.definition.expires_at = Some(at(nine))),
        nine,
        "expired",
        &format!("{occurrence} did not fire because the trigger expired at Thu 26 Nov 2026 09:00 Europe/Riga."),
    );
    assert_told(
        &Case::workdays(),
        nine,
        "lost",
        &format!("{occurrence} neither fired nor is it on record why not, which must not happen."),
    );
    let mut due = Case::workdays();
    due.armed.next_at = Some(at(nine));
    due.now = at("2026-11-26T07:00:03Z");
    assert_told(&due, nine, "due", &format!("{occurrence} is due and about to fire."));
    due.now = at("2026-11-26T07:02:03Z");
    assert_told(
        &due,
        nine,
        "due",
        &format!("{occurrence} has been due for 2 min 3 s and has not fired: oncue is behind."),
    );
    assert_told(
        &Case::workdays(),
        "2026-11-24 09:00",
        "forgotten",
        "What became of Tue 24 Nov 2026 09:00 Europe/Riga is not kept any more, apart from counts.",
    );
    assert_told(
        &Case::workdays(),
        "2026-11-20 09:00",
        "before_creation",
        "The trigger did not exist at Fri 20 Nov 2026 09:00 Europe/Riga.",
    );
    let edited = Case::workdays().changed(|trigger| trigger.standing_since = at("2026-11-26T10:00:00Z"));
    assert_told(
        &edited,
        nine,
        "said_otherwise",
        "Nothing fell due at Thu 26 Nov 2026 09:00 Europe/Riga: until Thu 26 Nov 2026 12:00 Europe/Riga the trigger said something else.",
    );
    assert_eq!(edited.account("2026-11-24 09:00").verdict, Verdict::Forgotten);
}

#[test]
fn a_former_revision_decides_about_its_own_time() {
    let mut case = Case::workdays().changed(|trigger| trigger.standing_since = at("2026-11-26T10:00:00Z"));
    let hourly =
        Definition { schedule: details(cron("30 * * * *", "Europe/Riga")), ..case.armed.trigger.definition.clone() };
    case.former = vec![Former {
        revision: 2,
        from: at(MADE),
        until: at("2026-11-26T10:00:00Z"),
        made_by: None,
        definition: hourly,
    }];
    let account = case.account("2026-11-26 09:00");
    assert_eq!(account.revision, Some(2));
    assert_eq!(
        account.sentence(),
        "\"30 * * * *\" does not name Thu 26 Nov 2026 09:00 Europe/Riga: the minute, 0, does not match 30; its neighbours are Thu 26 Nov 2026 08:30 and Thu 26 Nov 2026 09:30."
    );
    assert_eq!(case.account("2026-11-26 09:30").verdict, Verdict::Lost);
    assert_eq!(case.account("2026-11-27 09:00").revision, Some(3));
}

#[test]
fn a_pause_names_who_paused_and_an_edit_that_came_first_who_made_it() {
    let occurrence = "The occurrence of Thu 26 Nov 2026 13:00 Europe/Riga";
    let (eleven, recorded) = ("2026-11-26T11:00:00Z", "2026-11-26T11:30:00Z");
    let hourly = || Case::of(Some(cron("0 * * * *", "Europe/Riga")));
    let paused = hourly().changed(|trigger| trigger.definition.enabled = false);
    let paused = paused.edited(|before| before.enabled = true);
    let by = "cleo@example.com (from 192.0.2.7)";
    assert_told(
        &paused,
        eleven,
        "paused",
        &format!(
            "{occurrence} did not fire because the trigger is paused: {by} paused it at Thu 26 Nov 2026 12:00 Europe/Riga, with revision 3."
        ),
    );
    assert_told(
        &paused,
        "2026-11-27 09:00",
        "paused",
        &format!(
            "The trigger would fire at Fri 27 Nov 2026 09:00 Europe/Riga, but it is paused: {by} paused it at Thu 26 Nov 2026 12:00 Europe/Riga, with revision 3."
        ),
    );
    assert_eq!(paused.account("2026-11-26T09:00:00Z").edit, None, "it was not paused yet");

    let mut told_why = paused.changed(|trigger| {
        let end = Some(at("2026-11-27T06:00:00Z"));
        trigger.definition.pause = Pause::new(Some("The warehouse moves.".to_owned()), end);
    });
    let told = told_why.told(eleven).1;
    let reason = "with revision 3. The reason given: The warehouse moves.";
    assert_eq!(
        told,
        format!(
            "{occurrence} did not fire because the trigger is paused until Fri 27 Nov 2026 08:00 Europe/Riga: {by} paused it at Thu 26 Nov 2026 12:00 Europe/Riga, {reason}"
        )
    );
    assert_eq!(told_why.told("2026-11-27T05:00:00Z").0, "paused");
    assert_eq!(told_why.told("2026-11-27T06:00:00Z").0, "to_come", "the end itself fires");
    told_why.now = at("2026-11-27T06:30:00Z");
    let told = told_why.told(eleven).1;
    assert_eq!(
        told,
        format!(
            "{occurrence} did not fire because the trigger was paused until Fri 27 Nov 2026 08:00 Europe/Riga: {by} had paused it at Thu 26 Nov 2026 12:00 Europe/Riga, {reason}"
        )
    );

    let mut renamed = told_why.changed(|trigger| trigger.definition.pause = None);
    renamed.now = at(NOW);
    let still_paused = renamed.armed.trigger.definition.clone();
    let (noon, later) = (at("2026-11-26T10:00:00Z"), at("2026-11-26T10:30:00Z"));
    let pausing = Former { revision: 3, from: noon, until: later, made_by: Some(cleo()), definition: still_paused };
    renamed.former.push(pausing);
    renamed.made = Some(Made { revision: 4, at: later, by: Some(Actor::SYSTEM) });
    let edit = renamed.account(eleven).edit.expect("it is known who paused");
    assert_eq!((edit.revision, edit.by), (3, Some(cleo())), "whoever edits a paused trigger has not paused it");
    renamed.former.remove(0);
    assert_eq!(renamed.account(eleven).edit, None, "it may have been paused before what is kept");

    let mut born = hourly().changed(|trigger| trigger.definition.enabled = false);
    born.made = Some(Made { revision: 1, at: at(MADE), by: None });
    let told = born.told(eleven).1;
    assert!(told.ends_with("is paused: somebody made it so at Mon 23 Nov 2026 14:00 Europe/Riga."), "{told}");

    let resumed = hourly().edited(|before| before.enabled = false);
    let resumed =
        resumed.skipped(Reason::Paused, "2026-11-26T08:00:00Z", "2026-11-26T09:00:00Z", "2026-11-26T10:00:00Z");
    let told = resumed.told("2026-11-26T09:00:00Z").1;
    assert!(
        told.ends_with("was paused, until Thu 26 Nov 2026 12:00 Europe/Riga at most."),
        "nobody knows revision 1: {told}"
    );

    let mut superseded = hourly().edited(|_| {}).skipped(Reason::Superseded, eleven, eleven, recorded);
    superseded.made = Some(Made { revision: 3, at: at(recorded), by: Some(cleo()) });
    assert_told(
        &superseded,
        eleven,
        "superseded",
        &format!(
            "{occurrence} was due and did not fire because {by} edited or paused the trigger first, at Thu 26 Nov 2026 13:30 Europe/Riga: that made revision 3."
        ),
    );
}

#[test]
fn what_is_to_come_says_what_stands_before_it_and_what_would_prevent_it() {
    let friday = "2026-11-27 09:00";
    assert_told(
        &Case::workdays(),
        friday,
        "to_come",
        "The trigger will fire at Fri 27 Nov 2026 09:00 Europe/Riga, and not before, if nothing changes.",
    );
    assert_told(
        &Case::workdays(),
        "2026-11-30 09:00",
        "to_come",
        "The trigger will fire at Mon 30 Nov 2026 09:00 Europe/Riga, after one other firing, if nothing changes.",
    );
    assert_told(
        &Case::workdays(),
        "2026-12-01 09:00",
        "to_come",
        "The trigger will fire at Tue 1 Dec 2026 09:00 Europe/Riga, after 2 other firings, if nothing changes.",
    );
    assert_told(
        &Case::workdays().changed(|trigger| trigger.definition.enabled = false),
        friday,
        "paused",
        "The trigger would fire at Fri 27 Nov 2026 09:00 Europe/Riga, but it is paused.",
    );
    let expiring = Case::workdays().changed(|trigger| trigger.definition.expires_at = Some(at("2026-11-27T00:00:00Z")));
    assert_told(
        &expiring,
        friday,
        "expired",
        "The trigger will not fire at Fri 27 Nov 2026 09:00 Europe/Riga because it expires at Fri 27 Nov 2026 02:00 Europe/Riga.",
    );
    let mut unarmed = Case::workdays();
    unarmed.armed.next_at = None;
    assert_told(
        &unarmed,
        friday,
        "lost",
        "The trigger ought to fire at Fri 27 Nov 2026 09:00 Europe/Riga, but it does not wait for it.",
    );
    assert_told(&Case::of(None), friday, "only_called", "No schedule fires this trigger: it fires when it is called.");
    assert_told(
        &Case::workdays().changed(|trigger| trigger.definition.is_test = true),
        friday,
        "only_test",
        "This trigger is only a test: it is kept, and never scheduled.",
    );
}

#[test]
fn a_cron_line_says_which_of_its_fields_is_not_met_and_what_to_change() {
    let case = Case::workdays();
    assert_told(
        &case,
        "2026-11-28 09:00",
        "no_occurrence",
        "\"0 9 * * MON-FRI\" does not name Sat 28 Nov 2026 09:00 Europe/Riga: the day of the week, Saturday, does not match MON-FRI; its neighbours are Fri 27 Nov 2026 09:00 and Mon 30 Nov 2026 09:00.",
    );
    let advice = case.account("2026-11-28 09:00").advice();
    assert_eq!(advice, ["Let the day of the week (MON-FRI) take Saturday as well."]);
    assert_told(
        &case,
        "2026-11-28 10:30",
        "no_occurrence",
        "\"0 9 * * MON-FRI\" does not name Sat 28 Nov 2026 10:30 Europe/Riga: the minute, 30, does not match 0, the hour, 10, does not match 9, and the day of the week, Saturday, does not match MON-FRI; its neighbours are Fri 27 Nov 2026 09:00 and Mon 30 Nov 2026 09:00.",
    );
    let either = Case::of(Some(cron("0 9 13 * FRI", "Europe/Riga")));
    assert_told(
        &either,
        "2026-12-01 09:00",
        "no_occurrence",
        "\"0 9 13 * FRI\" does not name Tue 1 Dec 2026 09:00 Europe/Riga: neither the day of the month, 1, matches 13 nor the day of the week, Tuesday, FRI; its neighbours are Fri 27 Nov 2026 09:00 and Fri 4 Dec 2026 09:00.",
    );
    assert_eq!(either.account("2026-12-01 09:00").advice(), ["Let the day of the week (FRI) take Tuesday as well."]);
    assert_told(
        &case,
        "2026-11-23 15:00",
        "no_occurrence",
        "\"0 9 * * MON-FRI\" does not name Mon 23 Nov 2026 15:00 Europe/Riga: the hour, 15, does not match 9; the first that counts is Tue 24 Nov 2026 09:00.",
    );
}

#[test]
fn what_a_calendar_takes_away_names_the_calendar() {
    let observed = |id, name: &str| {
        let dates = ExcludedDates::new([jiff::civil::date(2026, 12, 25)]).expect("a date");
        std::sync::Arc::new(Observed { calendar: CalendarId(id), revision: 1, name: name.to_owned(), dates })
    };
    let told = |calendars: Vec<_>| {
        let terms = Terms { calendars, ..Terms::default() };
        let details = ScheduleDetails::new(cron("0 9 * * MON-FRI", "Europe/Riga"), None, terms, zone("Europe/Riga"));
        Case::workdays().changed(|trigger| trigger.definition.schedule = Some(details))
    };
    let case = told(vec![observed(3, "holidays")]);
    assert_told(
        &case,
        "2026-12-25 09:00",
        "no_occurrence",
        "\"0 9 * * MON-FRI\" would name Fri 25 Dec 2026 09:00 Europe/Riga, but Fri 25 Dec 2026 stands in the calendar \"holidays\"; its neighbours are Thu 24 Dec 2026 09:00 and Mon 28 Dec 2026 09:00.",
    );
    let advice = "Take 2026-12-25 out of the calendar \"holidays\", or take that out of except_calendars.";
    assert_eq!(case.account("2026-12-25 09:00").advice(), [advice]);
    let case = told(vec![observed(3, "holidays"), observed(4, "school")]);
    let sentence = case.account("2026-12-25 09:00").sentence();
    assert!(sentence.contains("stands in the calendars \"holidays\" and \"school\""), "{sentence}");
}

#[test]
fn a_rule_says_which_of_its_parts_is_not_met_and_what_to_change() {
    let rule = |text: &str| {
        let text = RecurrenceText::read(text, &Zones::bundled()).expect("a rule");
        let start = Start { wall: jiff::civil::date(2026, 11, 23).at(9, 0, 0, 0), is_told: true };
        Case::of(Some(Schedule::Recurrence(std::sync::Arc::new(Recurrence::new(text, start, zone("Europe/Riga"))))))
    };
    let told = |text: &str, at: &str| {
        let account = rule(text).account(at);
        assert_eq!(account.verdict.word(), "no_occurrence", "{text} at {at}");
        (account.sentence(), account.advice())
    };
    let (sentence, advice) = told("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "2026-11-30 09:00");
    assert_eq!(
        sentence,
        "\"Every second week on Monday and Wednesday at 09:00, counted from 23 November 2026\" does not name Mon 30 Nov 2026 09:00 Europe/Riga: the interval, 1 week after the start, does not match every second week from 23 November 2026; its neighbours are Wed 25 Nov 2026 09:00 and Mon 7 Dec 2026 09:00."
    );
    assert_eq!(advice, ["Let the rule start in another of them, or make INTERVAL smaller."]);
    let rows = [
        ("FREQ=DAILY;BYDAY=MO", "2026-11-28 09:00", "the day of the week, Saturday, does not match Monday"),
        (
            "FREQ=MONTHLY;BYDAY=1FR",
            "2026-11-27 09:00",
            "the day of the week, the 4th Friday, does not match the first Friday",
        ),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=SA", "2026-11-28 09:00", "the week of the year, 48, does not match 20"),
        ("FREQ=YEARLY;BYYEARDAY=1", "2026-11-28 09:00", "the day of the year, 332, does not match 1"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-11-28 09:00", "the day of the month, 28, does not match -1"),
        ("FREQ=DAILY;BYMONTH=1", "2026-11-28 09:00", "the month, November, does not match January"),
        ("FREQ=DAILY", "2026-11-28 10:30", "the hour, 10, does not match 9, and the minute, 30, does not match 0"),
        ("FREQ=MONTHLY;BYDAY=MO,FR;BYSETPOS=-1", "2026-11-27 09:00", "the position, 8, does not match -1"),
        ("FREQ=DAILY;COUNT=2", "2026-11-28 09:00", "it counts 2 times, which all lie before"),
        ("FREQ=DAILY;UNTIL=20261125", "2026-11-28 09:00", "its last time is 25 November 2026 at the latest"),
        (
            "RRULE:FREQ=DAILY\nEXDATE:20261128T090000",
            "2026-11-28 09:00",
            "28 November 2026 at 09:00 is one of its exceptions",
        ),
    ];
    for (text, at, clause) in rows {
        let (sentence, advice) = told(text, at);
        assert!(sentence.contains(&format!(": {clause};")), "{sentence}");
        assert!(!advice.is_empty(), "{text}");
    }
    let later = rule("DTSTART:20261201T090000\nRRULE:FREQ=DAILY").account("2026-11-28 09:00");
    assert!(later.sentence().contains("it starts only with 1 December 2026 at 09:00"), "{}", later.sentence());
}

#[test]
fn what_a_term_takes_away_names_the_term() {
    let excluded = ExcludedDates::new([jiff::civil::date(2026, 12, 24)]).expect("a date");
    let bounds = Bounds::new(Some(at("2026-11-30T00:00:00Z")), Some(at("2027-01-01T00:00:00Z"))).expect("a span");
    let terms = Terms { bounds, excluded, ..Terms::default() };
    let riga = zone("Europe/Riga");
    let schedule = cron("0 9 * * MON-FRI", "Europe/Riga");
    let case = Case::workdays().changed(|trigger| {
        trigger.definition.schedule = Some(ScheduleDetails::new(schedule, None, terms, riga));
    });
    assert_told(
        &case,
        "2026-12-24 09:00",
        "no_occurrence",
        "\"0 9 * * MON-FRI\" would name Thu 24 Dec 2026 09:00 Europe/Riga, but Thu 24 Dec 2026 is an excluded date; its neighbours are Wed 23 Dec 2026 09:00 and Fri 25 Dec 2026 09:00.",
    );
    assert_eq!(case.account("2026-12-24 09:00").advice(), ["Take 2026-12-24 out of excluded_dates."]);
    assert_told(
        &case,
        "2026-11-27 09:00",
        "no_occurrence",
        "\"0 9 * * MON-FRI\" would name Fri 27 Nov 2026 09:00 Europe/Riga, but it counts only from Mon 30 Nov 2026 02:00 Europe/Riga on; the first that counts is Mon 30 Nov 2026 09:00.",
    );
    assert_told(
        &case,
        "2027-01-01 09:00",
        "no_occurrence",
        "\"0 9 * * MON-FRI\" would name Fri 1 Jan 2027 09:00 Europe/Riga, but it counts only until Fri 1 Jan 2027 02:00 Europe/Riga; the last that counts is Thu 31 Dec 2026 09:00.",
    );
}

#[test]
fn what_will_not_fire_for_having_met_an_event_uses_up_no_limit() {
    for (overlap, expected) in
        [(Overlap::Skip, [("spent", 3), ("to_come", 3)]), (Overlap::Queue, [("spent", 4), ("to_come", 2)])]
    {
        let terms = Terms { max_fires: MaxFires::new(3), ..Terms::default() };
        let schedule = every("1h", MADE);
        let mut case = Case::of(Some(schedule.clone())).changed(|trigger| {
            trigger.definition.schedule = Some(ScheduleDetails::new(schedule, None, terms, Zones::utc()));
            trigger.definition.overlap = overlap;
        });
        case.armed.next_at = Some(at("2026-11-26T07:00:00Z"));
        let facts = Facts { is_under_way: true, ..case.facts() };
        let span = Span { from: at("2026-11-26T12:30:00Z"), until: at("2026-11-26T18:30:00Z") };
        assert_eq!(SpanAccount::of(facts, span).tally().into_iter().collect::<Vec<_>>(), expected);
        let account = Account::of(facts, Asked::instant(at("2026-11-26T14:00:00Z")), &zone("Europe/Riga"));
        assert_eq!(account.verdict.word(), "to_come");
        let free = SpanAccount::of(case.facts(), span).tally();
        assert_eq!(free.into_iter().collect::<Vec<_>>(), [("spent", 6)], "nothing is under way");
    }
}

#[test]
fn what_is_to_come_says_what_an_event_under_way_would_do_to_it() {
    let mut case = Case::workdays();
    let last = |case: &Case| case.account("2026-11-27T07:00:00Z").advice().pop().expect("advice");
    assert!(last(&case).contains("Should oncue not run then"), "{}", last(&case));
    for (overlap, end) in [(Overlap::Skip, "it does not fire."), (Overlap::Queue, "fires in its place.")] {
        case.armed.trigger.definition.overlap = overlap;
        assert!(last(&case).starts_with("Should an event") && last(&case).ends_with(end), "{}", last(&case));
    }
}

#[test]
fn what_a_limit_leaves_out_is_spent() {
    let limited = |number| {
        let terms = Terms { max_fires: MaxFires::new(number), ..Terms::default() };
        let schedule = every("1h", MADE);
        Case::of(Some(schedule.clone())).changed(|trigger| {
            trigger.definition.schedule = Some(ScheduleDetails::new(schedule, None, terms, Zones::utc()));
        })
    };
    let mut case = limited(5);
    case.armed.fired = 2;
    let word = |case: &Case, asked| case.account(asked).verdict.word();
    assert_eq!(word(&case, "2026-11-26T15:00:00Z"), "to_come");
    assert_told(
        &case,
        "2026-11-26T16:00:00Z",
        "spent",
        "The trigger will not fire at Thu 26 Nov 2026 16:00 UTC because it will have fired as often as it may by then.",
    );
    let span = Span { from: at("2026-11-26T12:30:00Z"), until: at("2026-11-26T18:30:00Z") };
    let told = SpanAccount::of(case.facts(), span);
    assert_eq!(told.tally().into_iter().collect::<Vec<_>>(), [("spent", 3), ("to_come", 3)]);
    (case.armed.fired, case.armed.next_at) = (5, None);
    assert_told(
        &case,
        "2026-11-26T10:00:00Z",
        "spent",
        "The occurrence of Thu 26 Nov 2026 10:00 UTC did not fire because the trigger had fired as often as it may.",
    );
    assert_eq!(word(&case, "2026-11-26T14:00:00Z"), "spent");
}

#[test]
fn what_a_limit_leaves_out_is_spent_also_beyond_what_is_kept() {
    let terms = Terms { max_fires: MaxFires::new(5), ..Terms::default() };
    let hourly = ScheduleDetails::new(every("1h", MADE), None, terms, Zones::utc());
    let mut case = Case::of(None).changed(|trigger| trigger.definition.schedule = Some(hourly));
    (case.armed.fired, case.armed.next_at) = (5, None);
    let span = Span { from: at(MADE), until: at(NOW) };
    let tally = |case: &Case| SpanAccount::of(case.facts(), span).tally().into_iter().collect::<Vec<_>>();
    assert_eq!(tally(&case), [("forgotten", 24), ("spent", 47)], "who knows when the last of them fired");
    case.spent_at = Some(at("2026-11-23T17:00:00.002Z"));
    assert_eq!(tally(&case), [("forgotten", 5), ("spent", 66)]);
    for (asked, word) in [("2026-11-23T17:00:00Z", "forgotten"), ("2026-11-23T18:00:00Z", "spent")] {
        assert_eq!(case.told(asked).0, word, "{asked}");
    }
    let (first, last) = (at("2026-11-23T13:00:00Z"), at("2026-11-23T17:00:00.002Z"));
    let latest =
        [(Origin::Run, at(NOW)), (Origin::Schedule, last), (Origin::Backfill, at(NOW)), (Origin::CatchUp, first)];
    for (fired, most, expected) in [(2, 2, Some(last)), (1, 2, None), (3, 3, None)] {
        let terms = Terms { max_fires: MaxFires::new(most), ..Terms::default() };
        let details = ScheduleDetails::new(every("1h", MADE), None, terms, Zones::utc());
        case.armed.trigger.definition.schedule = Some(details);
        case.armed.fired = fired;
        assert_eq!(spent_at(&case.armed, latest.into_iter()), expected, "{fired} of {most}");
    }
}

#[test]
fn a_grid_and_a_single_time_say_how_far_it_is_to_them() {
    let grid = Case::of(Some(every("1h30m", "2026-11-24T00:00:00Z")));
    assert_told(
        &grid,
        "2026-11-26T14:00:00Z",
        "no_occurrence",
        "\"every 1h30m\" does not name Thu 26 Nov 2026 14:00 UTC: it lies 30 min after Thu 26 Nov 2026 13:30 and 1 h before Thu 26 Nov 2026 15:00.",
    );
    assert_told(
        &grid,
        "2026-11-23T13:00:00Z",
        "no_occurrence",
        "\"every 1h30m\" does not name Mon 23 Nov 2026 13:00 UTC: it had not begun then; the first that counts is Tue 24 Nov 2026 00:00.",
    );
    assert_told(
        &Case::of(Some(Schedule::Once { at: at("2026-12-24T18:00:00Z") })),
        "2026-12-25T18:00:00Z",
        "no_occurrence",
        "The trigger does not fire at Fri 25 Dec 2026 18:00 UTC: it fires once, at Thu 24 Dec 2026 18:00.",
    );
}

#[test]
fn what_lies_close_by_is_what_is_meant() {
    let grid = Case::of(Some(every("1h", "2026-11-23T12:00:37.25Z"))).fired(
        "2026-11-26T09:00:37.25Z",
        "2026-11-26T09:00:37.251Z",
        Origin::Schedule,
    );
    assert_told(
        &grid,
        "2026-11-26T09:00:00Z",
        "fired",
        "Not at Thu 26 Nov 2026 09:00 UTC but 37.2 s after it: the occurrence of Thu 26 Nov 2026 09:00:37.25 UTC fired on time, as event 12.",
    );
    let account = grid.account("2026-11-26T09:00:37Z");
    assert_eq!((account.at, account.off_by()), (at("2026-11-26T09:00:37.25Z"), Some(SignedDuration::from_millis(250))));
    assert_eq!(grid.account("2026-11-26T09:00:59.9Z").off_by(), Some(-SignedDuration::from_millis(22_650)));
    assert_eq!(grid.account("2026-11-26T09:01:00Z").verdict, Verdict::NoOccurrence(NotNamed::OffGrid));
    let often = Case::of(Some(every("10s", MADE)));
    assert_eq!(often.account("2026-11-26T13:00:13Z").at, at("2026-11-26T13:00:10Z"), "the nearest");
    assert_eq!(often.account("2026-11-26T13:00:20Z").off_by(), None);
}

#[test]
fn what_lies_close_by_is_sought_in_the_time_of_what_named_it() {
    let mut edited = Case::workdays().edited(|former| former.schedule = details(every("10s", MADE)));
    let edited_at = at("2026-11-26T10:00:35Z");
    (edited.former[0].until, edited.armed.trigger.standing_since) = (edited_at, edited_at);
    assert_eq!(edited.account("2026-11-26T10:00:50Z").at, at("2026-11-26T10:00:30Z"), "it would have gone on");
    let young = Case::of(Some(cron("*/5 * * * * *", "UTC"))).changed(|trigger| {
        let made = at("2026-11-26T10:00:10Z");
        (trigger.created_at, trigger.standing_since) = (made, made);
    });
    assert_eq!(young.account("2026-11-26T10:00:02Z").at, at("2026-11-26T10:00:15Z"), "it would have begun before");
}

#[test]
fn what_the_clocks_did_is_said_beside_it() {
    // On 28 March 2027 Riga goes from 03:00 to 04:00, on 31 October back from 04:00 to 03:00.
    let nightly = Case::of(Some(cron("30 3 * * *", "Europe/Riga")));
    let spring = nightly.account("2027-03-28 03:30");
    assert_eq!((spring.verdict.word(), spring.at), ("to_come", at("2027-03-28T01:00:00Z")));
    assert_eq!(
        spring.clock_sentence().expect("they went forward"),
        "03:30 did not exist: the clocks went forward from 03:00 to 04:00 on Sun 28 Mar 2027; told is what follows the gap."
    );
    let by_instant = nightly.account("2027-03-28T01:00:00Z");
    assert_eq!(
        by_instant.clock_sentence().expect("it is not at half past"),
        "It stands for 03:30, which did not exist: the clocks went forward from 03:00 to 04:00 on Sun 28 Mar 2027."
    );
    let autumn = nightly.account("2027-10-31 03:30");
    assert_eq!((autumn.verdict.word(), autumn.at), ("to_come", at("2027-10-31T00:30:00Z")));
    let twice = "The clocks showed 03:30 twice on Sun 31 Oct 2027: at 00:30 UTC and at 01:30 UTC.";
    assert_eq!(autumn.clock_sentence().expect("they went back"), twice);
    let second = nightly.account("2027-10-31T01:30:00Z");
    assert_eq!(second.clock_sentence().expect("they went back"), twice);
    assert_eq!(
        second.sentence(),
        "\"30 3 * * *\" does not name Sun 31 Oct 2027 03:30 Europe/Riga: the clocks showed it a second time, and it fires the first time only; its neighbours are Sun 31 Oct 2027 03:30 and Mon 1 Nov 2027 03:30."
    );
    assert_eq!(second.advice()[0], "Set fold to both_passes, or let the schedule be in UTC, which has no such hour.");
    let half_hourly = Case::of(Some(cron("*/30 3 * * *", "Europe/Riga")));
    let left_out = half_hourly.account("2027-03-28 03:30");
    assert_eq!(left_out.verdict.word(), "no_occurrence");
    assert_eq!(left_out.advice(), ["Set gap to at_its_end: then it fires right after."]);
    let clause = ": the clocks went forward then over 03:00, which it names, and what they leave out does not occur; its neighbours are";
    assert!(left_out.sentence().contains(clause), "{}", left_out.sentence());
    let beside = Case::of(Some(cron("*/30 5 * * *", "Europe/Riga"))).account("2027-03-28 03:30");
    assert!(beside.sentence().contains("the hour, 4, does not match 5"), "{}", beside.sentence());
    assert_eq!(beside.advice(), ["Let the schedule name a time that the clocks show on that day as well."]);
    let skipped_day = Case::of(Some(cron("0 9 * * *", "Pacific/Apia"))).account("2011-12-30 09:00");
    assert_eq!(
        skipped_day.clock_sentence().expect("they went forward by a day"),
        "09:00 did not exist: the clocks went forward from 00:00 on Fri 30 Dec 2011 to 00:00 on Sat 31 Dec 2011; told is what follows the gap."
    );
    let wild = Case::of(Some(cron("*/30 * * * *", "Europe/Riga")));
    assert_eq!(wild.account("2027-10-31T01:30:00Z").verdict.word(), "to_come");
    assert_eq!(wild.account("2027-03-28T01:00:00Z").clock_sentence(), None, "four o'clock is one of its own");
    assert_eq!(nightly.account("2027-06-01 03:30").clock_sentence(), None);
}

#[test]
fn a_record_without_its_revision_is_certain_of_its_ends() {
    let case = Case::workdays().changed(|trigger| trigger.standing_since = at("2026-11-26T10:00:00Z")).skipped(
        Reason::Paused,
        "2026-11-25T01:00:00Z",
        "2026-11-26T09:00:00Z",
        "2026-11-26T10:00:00Z",
    );
    let word = |asked| case.account(asked).verdict.word();
    assert_eq!(word("2026-11-25T01:00:00Z"), "paused");
    assert_eq!(word("2026-11-26T09:00:00Z"), "paused");
    assert_eq!(word("2026-11-26T07:00:00Z"), "paused", "what it says now is named by it too");
    assert_eq!(word("2026-11-26T05:00:00Z"), "said_otherwise");
}

#[test]
fn advice_names_the_trigger_by_its_number() {
    let nine = "2026-11-26T07:00:00Z";
    let discarded = Case::workdays().skipped(Reason::Discarded, nine, nine, "2026-11-26T10:00:00Z").account(nine);
    let backfill = "A backfill of that time fires it after all: POST /api/v1/triggers/7/backfill.";
    assert_eq!(discarded.advice(), [backfill]);
    let called = "Call POST /api/v1/triggers/7/fire, or make a trigger of the type scheduled.";
    assert_eq!(Case::of(None).account(nine).advice(), [called]);
}

#[test]
fn what_nothing_tells_apart_is_one_line() {
    let mut case = Case::of(Some(every("1h", MADE)));
    case.armed.next_at = None;
    case.made = Some(Made { revision: 3, at: at(MADE), by: Some(cleo()) });
    case.armed.trigger.definition.expires_at = Some(at("2026-11-26T09:00:00Z"));
    let told = |case: &Case| -> Vec<(&'static str, String, u64)> {
        let span = Span { from: at("2026-11-26T09:00:00Z"), until: at("2026-11-26T18:00:00Z") };
        let lines = SpanAccount::of(case.facts(), span).lines;
        lines.iter().map(|line| (line.verdict.word(), line.first.to_string(), line.count)).collect()
    };
    let line = |word, hour: u32, count| (word, format!("2026-11-26T{hour:02}:00:00Z"), count);
    assert_eq!(told(&case), [line("expired", 9, 9)], "the present makes no difference to it");
    case.freezes.push(Freeze {
        owner: None,
        reason: None,
        from: at("2026-11-26T10:30:00Z"),
        until: Some(at("2026-11-26T14:30:00Z")),
        by: cleo(),
    });
    assert_eq!(told(&case), [line("expired", 9, 9)]);
    // Another revision decided of what came before it.
    let renamed = at("2026-11-26T11:00:00Z");
    let (from, definition) = (at(MADE), case.armed.trigger.definition.clone());
    case.former = vec![Former { revision: 2, from, until: renamed, made_by: None, definition }];
    case.made = Some(Made { revision: 3, at: renamed, by: Some(cleo()) });
    assert_eq!(told(&case), [line("expired", 9, 3), line("expired", 12, 6)]);

    // Named already and due in half an hour, and those after it.
    let mut coming = Case::of(Some(every("1h", MADE))).changed(|trigger| {
        let terms = Terms { jitter: Some(Jitter::parse("1h").expect("a window")), ..Terms::default() };
        let details = ScheduleDetails::new(every("1h", MADE), None, terms, Zones::utc());
        trigger.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
    });
    coming.armed.next_at = Some(at("2026-11-26T12:30:00Z"));
    assert_eq!(told(&coming).last(), Some(&line("to_come", 12, 6)));
}

#[test]
fn a_span_is_told_in_runs_that_add_up() {
    let mut case = Case::of(Some(every("1h", MADE)))
        .fired("2026-11-26T04:00:00Z", "2026-11-26T04:00:00Z", Origin::Schedule)
        .fired("2026-11-26T08:00:00Z", "2026-11-26T08:30:00Z", Origin::CatchUp)
        .absent("2026-11-26T04:30:00Z", "2026-11-26T08:30:00Z");
    let skipped = Skipped {
        reason: Reason::Missed,
        first: at("2026-11-26T05:00:00Z"),
        last: at("2026-11-26T07:00:00Z"),
        count: 3,
    };
    case.ledger.skipped.push(SkippedView { skipped, recorded_at: at("2026-11-26T08:30:00Z") });
    case.armed.next_at = Some(at("2026-11-26T12:00:00Z"));
    case.armed.trigger.definition.expires_at = Some(at("2026-11-26T14:00:00Z"));
    let span = Span { from: at("2026-11-26T06:00:00Z"), until: at("2026-11-26T16:00:00Z") };
    let told = SpanAccount::of(case.facts(), span);
    let lines: Vec<(&str, String, String, u64)> = told
        .lines
        .iter()
        .map(|line| (line.verdict.word(), line.first.to_string(), line.last.to_string(), line.count))
        .collect();
    let hour = |hour: u32| format!("2026-11-26T{hour:02}:00:00Z");
    assert_eq!(
        lines,
        [
            ("missed", hour(6), hour(7), 2),
            ("caught_up", hour(8), hour(8), 1),
            ("lost", hour(9), hour(11), 3),
            ("due", hour(12), hour(12), 1),
            ("to_come", hour(13), hour(13), 1),
            ("expired", hour(14), hour(15), 2),
        ]
    );
    assert_eq!(told.tally().values().sum::<u64>(), 10);
    assert_eq!((told.stopped_at, told.unknown), (None, None));
    case.ledger.stopped_at = Some(at("2026-11-26T08:00:00Z"));
    case.ledger.firings.truncate(1);
    let part = SpanAccount::of(case.facts(), span);
    assert_eq!((part.stopped_at, part.lines.len()), (case.ledger.stopped_at, 1));
}

#[test]
fn of_a_time_that_no_known_revision_explains_only_what_is_on_record_is_told() {
    let edited = at("2026-11-26T10:00:00Z");
    let case = Case::of(Some(every("1h", MADE))).changed(|trigger| trigger.standing_since = edited).fired(
        "2026-11-26T04:30:00Z",
        "2026-11-26T04:30:00Z",
        Origin::Schedule,
    );
    let span = Span { from: at("2026-11-20T00:00:00Z"), until: edited };
    let told = SpanAccount::of(case.facts(), span);
    assert_eq!(told.tally().into_iter().collect::<Vec<_>>(), [("fired", 1)]);
    assert_eq!(told.unknown, Some(Span { from: at(MADE), until: edited }));
}

/// At nine in Riga, each occurrence due ten minutes later.
fn spread(next_at: &str, now: &str) -> Case {
    let terms = Terms { jitter: Some(Jitter::parse("20m").expect("a window")), ..Terms::default() };
    let details = ScheduleDetails::new(cron("0 9 * * *", "Europe/Riga"), None, terms, zone("Europe/Riga"));
    let mut case = Case::of(Some(cron("0 9 * * *", "Europe/Riga")));
    case.armed.trigger.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
    (case.armed.next_at, case.now) = (Some(at(next_at)), at(now));
    case
}

#[test]
fn an_occurrence_that_is_spread_is_told_by_its_nominal_time_and_when_it_was_due() {
    let mut case =
        spread("2026-11-27T07:10:00Z", NOW).fired("2026-11-26T07:00:00Z", "2026-11-26T07:10:00.002Z", Origin::Schedule);
    case.ledger.firings[0].due_at = Some(at("2026-11-26T07:10:00Z"));
    let fired = "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga (due 10 min later by its jitter) fired on time, as event 12.";
    assert_eq!(case.told("2026-11-26 09:00"), ("fired", fired.to_owned()));
    let (word, sentence) = case.told("2026-11-26 09:10");
    assert_eq!((word, sentence.starts_with("Not at Thu 26 Nov 2026 09:10")), ("fired", true), "{sentence}");
    assert_eq!(case.told("2026-11-26 09:09").0, "no_occurrence");
    let (word, sentence) = case.told("2026-11-27 09:00");
    assert_eq!(word, "to_come");
    assert!(sentence.contains("09:00 Europe/Riga (due 10 min later by its jitter)"), "{sentence}");
    let near = near(&case.armed.trigger, &[], at("2026-11-26T07:10:00Z"));
    assert!(near.from < at("2026-11-26T07:00:00Z") && at("2026-11-26T07:10:00Z") < near.until);
    let pending = spread("2026-11-26T07:10:00Z", "2026-11-26T07:05:00Z");
    assert_eq!(pending.told("2026-11-26 09:00").0, "to_come", "its time has come, and it is not due");
    let overdue = spread("2026-11-26T07:10:00Z", "2026-11-26T07:10:30Z");
    let behind = "has been due for 30 s and has not fired: oncue is behind.";
    let (word, sentence) = overdue.told("2026-11-26 09:00");
    assert_eq!((word, sentence.ends_with(behind)), ("due", true), "{sentence}");
}

#[test]
fn what_is_shown_around_an_instant_is_a_page_of_it() {
    let width = |schedule| {
        let Span { from, until } = super::span::around(&Case::of(schedule).armed.trigger.definition, at(NOW));
        until.duration_since(from)
    };
    assert_eq!(width(Some(every("1s", MADE))), SignedDuration::from_secs(40));
    assert_eq!(width(Some(every("1m", MADE))), SignedDuration::from_mins(20));
    assert_eq!(width(Some(every("1h", MADE))), SignedDuration::from_hours(12));
    assert_eq!(width(Some(cron("0 9 * * MON-FRI", "Europe/Riga"))), SignedDuration::from_hours(14 * 24));
    assert_eq!(width(Some(cron("0 9 1 1 *", "UTC"))), SignedDuration::from_hours(400 * 24));
    assert_eq!(width(None), SignedDuration::from_hours(400 * 24));
}

#[test]
fn spans_of_time_are_said_in_two_units_at_most() {
    let said = |millis| sentence::spoken(SignedDuration::from_millis(millis));
    #[rustfmt::skip]
    let rows = [
        (0, "0 ms"), (999, "999 ms"), (1_000, "1 s"), (1_550, "1.5 s"), (59_999, "59.9 s"), (60_000, "1 min"),
        (123_000, "2 min 3 s"), (3_600_000, "1 h"), (9_000_000, "2 h 30 min"), (86_400_000, "1 day"), (100_000_000, "1 day 3 h"),
        (172_800_000, "2 days"),
    ];
    for (millis, words) in rows {
        assert_eq!(said(millis), words);
    }
}

#[test]
fn what_somebody_asked_for_once_more_waits_whatever_became_of_it_before() {
    let hourly = || Case::of(Some(every("1h", "2026-11-20T00:00:00Z")));
    let asked = |reason| {
        let skipped =
            Skipped { reason, first: at("2026-11-22T22:00:00Z"), last: at("2026-11-26T08:00:00Z"), count: 83 };
        SkippedView { skipped, recorded_at: at("2026-11-26T11:00:00.5Z") }
    };
    let with = |mut case: Case, reason| {
        case.ledger.backfill = Some(asked(reason));
        case.skipped(Reason::Missed, "2026-11-26T06:00:00Z", "2026-11-26T09:00:00Z", "2026-11-26T10:00:00Z").fired(
            "2026-11-26T07:00:00Z",
            "2026-11-26T11:30:00Z",
            Origin::Backfill,
        )
    };
    let since = "waits, as it has since Thu 26 Nov 2026 11:00 UTC, to fire because somebody asked for it once more";
    assert_told(
        &with(hourly(), Reason::Waiting),
        "2026-11-26T06:00:00Z",
        "waiting",
        &format!("The occurrence of Thu 26 Nov 2026 06:00 UTC {since}: what is due now comes first."),
    );
    let held = with(hourly(), Reason::Held);
    assert_told(
        &held,
        "2026-11-22T23:00:00Z",
        "held",
        &format!(
            "The occurrence of Sun 22 Nov 2026 23:00 UTC {since}: it is held until somebody releases or discards it."
        ),
    );
    assert_eq!(held.told("2026-11-26T07:00:00Z").0, "backfilled");
    assert_eq!(held.told("2026-11-26T09:00:00Z").0, "missed", "nobody asked for that one");

    let span = Span { from: at("2026-11-26T05:00:00Z"), until: at("2026-11-26T11:00:00Z") };
    let told = SpanAccount::of(held.facts(), span);
    let lines: Vec<_> =
        told.lines.iter().map(|line| (line.verdict.word(), line.first.to_string(), line.count)).collect();
    let line = |word, hour: u32, count| (word, format!("2026-11-26T{hour:02}:00:00Z"), count);
    assert_eq!(lines[..4], [line("held", 5, 2), line("backfilled", 7, 1), line("held", 8, 1), line("missed", 9, 1)]);
    assert_eq!(told.tally().values().sum::<u64>(), 6);

    let expired = with(hourly(), Reason::Waiting)
        .changed(|trigger| trigger.definition.expires_at = Some(at("2026-11-26T11:00:00Z")));
    assert_eq!(expired.told("2026-11-26T06:00:00Z").0, "missed", "it will not fire once more");
    let told = SpanAccount::of(expired.facts(), span);
    assert!(!told.tally().contains_key("waiting"), "{told:#?}");
}

#[test]
fn what_waits_ends_with_the_expiry_before_and_after_that_is_on_record() {
    let end = "2026-11-26T11:00:00Z";
    let waited = |reason| {
        let case = Case::workdays().skipped(reason, "2026-11-26T07:00:00Z", "2026-11-26T07:00:00Z", end);
        case.changed(|trigger| trigger.definition.expires_at = Some(at(end)))
    };
    let occurrence = "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga";
    for reason in [Reason::Waiting, Reason::Held] {
        assert_told(
            &waited(reason),
            "2026-11-26T07:00:00Z",
            "expired",
            &format!("{occurrence} did not fire because the trigger expired at Thu 26 Nov 2026 13:00 Europe/Riga."),
        );
        let span = Span { from: at("2026-11-26T06:00:00Z"), until: at("2026-11-26T08:00:00Z") };
        let told = SpanAccount::of(waited(reason).facts(), span);
        assert_eq!(told.lines.iter().map(|line| line.verdict.word()).collect::<Vec<_>>(), ["expired"]);
    }
    assert_told(
        &waited(Reason::Expired),
        "2026-11-26T07:00:00Z",
        "expired",
        &format!(
            "{occurrence} was missed and waited to fire late, and did not: the trigger expired first, at Thu 26 Nov 2026 13:00 Europe/Riga."
        ),
    );
}
