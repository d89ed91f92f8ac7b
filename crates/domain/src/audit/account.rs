//! Whether what is written down about a trigger's occurrences is what its schedule names: each of them an event or in a record of why
//! not, none of them both. The room exists because a scheduler that is wrong writes a ledger that is wrong, and would find it
//! right: so the occurrences are derived once more, by looking at the clock on the wall (`walk`), which nothing that fires does, and compared one by
//! one. None of the searches that a firing rests on may enter, but for where a rule ends by `COUNT`. What is much, on either side, is compared part
//! by part.

use jiff::{SignedDuration, Timestamp};

use super::walk::{self, Walked};
use super::{Defect, Finding, Inspected};
use crate::agenda::Span;
use crate::id::{TriggerId, UserId};
use crate::revision::{Counted, Revision};
use crate::trigger::{Trigger, just_after};

/// How many firings, and how many records, of one trigger are read at once.
pub const ACCOUNT_MAX: usize = 4_096;

/// What fell due less than this before events go by their age is not compared: they may go between two readings.
const GOING: SignedDuration = SignedDuration::from_mins(5);

/// Which occurrences of a trigger are to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whose it is.
    pub owner: UserId,
    /// The trigger.
    pub trigger: TriggerId,
    /// When they fall due.
    pub span: Span,
}

/// What is written down about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The nominal times of those that have events, ascending, at most [`ACCOUNT_MAX`].
    pub fired: Vec<Timestamp>,
    /// The first and the last occurrence of each record of what did not fire that lies in the span at least in part, ascending, at most
    /// [`ACCOUNT_MAX`].
    pub skipped: Vec<(Timestamp, Timestamp)>,
}

impl Account {
    /// Before which instant what is read decides, where it may not be all: always one after `from`, where the span begins.
    fn read_until(&self, from: Timestamp) -> Option<Timestamp> {
        let fired = self.fired.get(ACCOUNT_MAX - 1).copied().filter(|last| *last > from);
        // Records that were not read begin no earlier than the last one that was.
        let skipped = self.skipped.get(ACCOUNT_MAX - 1).map(|(first, _)| *first);
        let skipped = skipped.map(|first| if first > from { first } else { just_after(self.twice_until()) });
        fired.into_iter().chain(skipped).min()
    }

    /// How far two of the records reach at least. Where all lie over the beginning of a span, everything up to there is told of twice, whatever
    /// other records there are.
    fn twice_until(&self) -> Timestamp {
        let mut lasts: Vec<Timestamp> = self.skipped.iter().map(|(_, last)| *last).collect();
        let last_but_one = lasts.len() - 2;
        *lasts.select_nth_unstable(last_but_one).1
    }
}

/// Some occurrences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Few {
    /// The first of them.
    pub first: Timestamp,
    /// How many.
    pub count: u64,
}

impl Few {
    fn note(few: &mut Option<Few>, at: Timestamp) {
        match few {
            Some(few) => few.count += 1,
            None => *few = Some(Few { first: at, count: 1 }),
        }
    }

    /// These and those, which come later.
    pub fn and(self, later: Option<Few>) -> Few {
        Few { count: self.count + later.map_or(0, |later| later.count), ..self }
    }
}

/// What came of comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Those that nothing says anything about.
    pub missing: Option<Few>,
    /// Those that are told of twice.
    pub doubled: Option<Few>,
    /// Those that the schedule does not name, and those beyond how often it may fire.
    pub unnamed: Option<Few>,
    /// How often it fired, as far as that was compared.
    pub fired: u64,
    /// Where to go on; none at the end of the span.
    pub go_on_from: Option<Timestamp>,
}

impl Compared {
    /// What is wrong with the trigger, by what was found.
    pub fn findings(&self, trigger: TriggerId) -> impl Iterator<Item = Finding> {
        let found = [(Defect::Missing, self.missing), (Defect::Doubled, self.doubled), (Defect::Unnamed, self.unnamed)];
        found.into_iter().filter_map(move |(defect, about)| {
            about.map(|about| Finding { trigger, defect, repair: None, about: Some(about) })
        })
    }

    /// The same with what came of what follows.
    pub fn and(self, next: Compared) -> Compared {
        let and = |one: Option<Few>, next: Option<Few>| one.map(|one| one.and(next)).or(next);
        Compared {
            missing: and(self.missing, next.missing),
            doubled: and(self.doubled, next.doubled),
            unnamed: and(self.unnamed, next.unnamed),
            fired: self.fired + next.fired,
            go_on_from: next.go_on_from,
        }
    }
}

impl Inspected {
    /// Which of its occurrences in the span can be compared: those of its present schedule, of which everything is still there, and that
    /// it does not wait for. `gone_until` is when the latest events fired that are gone by their age.
    pub fn comparable(&self, span: Span, gone_until: Timestamp) -> Option<Asked> {
        let trigger = &self.trigger;
        let definition = &trigger.definition;
        if definition.schedule.is_none() || definition.is_test || !self.is_its_end_known() {
            return None;
        }
        // What a pause held back is on record only once something has fired after it.
        let told_from = self.told_from(gone_until.checked_add(GOING).unwrap_or(Timestamp::MAX));
        let told_from = definition.runs_after(told_from)?;
        let from = span.from.max(just_after(told_from));
        let ends = [Some(self.told_until(span.until)), definition.expires_at];
        let until = ends.into_iter().flatten().min()?;
        let span = Span { from, until };
        (from < until).then_some(Asked { owner: trigger.owner, trigger: trigger.id, span })
    }

    /// Before which instant up to `until` it has been decided about its occurrences: not about the one that it waits for, however long that has
    /// been due.
    pub fn told_until(&self, until: Timestamp) -> Timestamp {
        let waits_for = self.cursor.map(|cursor| self.trigger.definition.named_for(cursor.next_at));
        waits_for.map_or(until, |waits_for| waits_for.min(until))
    }

    /// Which occurrences in the span a former revision of it decided about, and that revision to compare them with: those named while it stood and due
    /// before its end, as far as an edit has accounted for them since. `gone_until` is when the latest events fired that are gone by their age.
    ///
    /// What was named and not due yet when it ended may have been left to the next one.
    pub fn comparable_of(&self, former: &Revision, span: Span, gone_until: Timestamp) -> Option<(Inspected, Asked)> {
        let ended_at = former.until?;
        let definition = &former.trigger.definition;
        let schedule = definition.schedule.as_ref().filter(|_| !definition.is_test)?;
        // How often one with a limit had fired is not known where it ended before that was kept.
        let counted = former.counted.or((!definition.is_limited()).then_some(Counted { fired: 0, until: None }))?;
        let kept_from = gone_until.checked_add(GOING).unwrap_or(Timestamp::MAX);
        let from = span.from.max(just_after(former.made_at.max(kept_from)));
        // What an edit lets stand, as another name does, is accounted for when something else takes its place.
        let settled_until = schedule.due_by(ended_at).min(self.trigger.standing_since);
        let ends = [Some(span.until), Some(just_after(settled_until)), definition.expires_at];
        let until = ends.into_iter().flatten().min()?;
        let asked = Asked { owner: self.trigger.owner, trigger: self.trigger.id, span: Span { from, until } };
        let trigger = Trigger { definition: definition.clone(), ..self.trigger.clone() };
        let Counted { fired, until: counted_until } = counted;
        let former = Inspected { trigger, fired, counted_until, cursor: None, is_forgotten: false };
        (from < until && former.is_its_end_known()).then_some((former, asked))
    }

    /// Whether it has fired as often as it may.
    fn is_spent(&self) -> bool {
        self.trigger.definition.left(self.fired) == Some(0)
    }

    /// Whether it is known which occurrence was the last that it may have fired at, where it has fired as often as it may.
    fn is_its_end_known(&self) -> bool {
        !self.is_spent() || self.counted_until.is_some()
    }

    /// The part of the span in which its occurrences have to be told of: nobody accounts for what comes after the last that it may have fired at.
    fn answered_for(&self, span: Span) -> Span {
        let end = self.counted_until.filter(|_| self.is_spent()).map(just_after);
        Span { until: end.map_or(span.until, |end| end.min(span.until)), ..span }
    }

    /// Whether its schedule names anything there that has to be told of. It costs no more than looking at the wall up to the first.
    pub fn names_any(&self, asked: Asked) -> bool {
        let (schedule, span) = (self.trigger.definition.schedule.as_ref(), self.answered_for(asked.span));
        span.from < span.until && schedule.is_some_and(|schedule| walk::names_any(schedule, span))
    }

    /// Compares what its schedule names with what is written down, from the beginning of the span on and as far as that was read and walked. `fired`
    /// is how often it fired in the parts before, of which a limit allows so many in all.
    pub fn compare(&self, asked: Asked, account: &Account, fired: u64) -> Compared {
        let Span { from, until } = asked.span;
        let read_until = account.read_until(from).map_or(until, |read| read.min(until));
        let Walked { named, until: walked_until } = self.named(Span { from, until: read_until });
        let (mut missing, mut doubled, mut unnamed) = (None, None, None);
        // What is put off counts as if it had fired, so there are never more of them than this, whatever has become of that.
        let most = self.trigger.definition.left(0).unwrap_or(u64::MAX);
        let (mut firsts, mut lasts): (Vec<Timestamp>, Vec<Timestamp>) = account.skipped.iter().copied().unzip();
        firsts.sort_unstable();
        lasts.sort_unstable();
        let records =
            |at: &Timestamp| firsts.partition_point(|first| first <= at) - lasts.partition_point(|last| last < at);
        let compared = |at: &Timestamp| from <= *at && *at < walked_until;
        let mut firings = account.fired.iter().copied().filter(compared).peekable();
        let mut fires = 0;
        for at in named {
            while let Some(stray) = firings.next_if(|fired| *fired < at) {
                Few::note(&mut unnamed, stray);
                fires += 1;
            }
            let mut told = records(&at);
            while firings.next_if_eq(&at).is_some() {
                (told, fires) = (told + 1, fires + 1);
                if fired + fires > most {
                    Few::note(&mut unnamed, at);
                }
            }
            match told {
                0 => Few::note(&mut missing, at),
                1 => {}
                _ => Few::note(&mut doubled, at),
            }
        }
        for stray in firings {
            Few::note(&mut unnamed, stray);
            fires += 1;
        }
        let go_on_from = (walked_until < until).then_some(walked_until);
        Compared { missing, doubled, unnamed, fired: fires, go_on_from }
    }

    /// What its schedule names there and that has to be told of, as far as somebody walked.
    fn named(&self, span: Span) -> Walked {
        let answered = self.answered_for(span);
        let schedule = self.trigger.definition.schedule.as_ref().filter(|_| answered.from < answered.until);
        match schedule.map(|schedule| walk::named(schedule, answered)) {
            Some(walked) if walked.until < answered.until => walked,
            walked => Walked { named: walked.map(|walked| walked.named).unwrap_or_default(), until: span.until },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Cursor;
    use crate::schedule::every::Period;
    use crate::schedule::zone::Zones;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{Definition, MaxFires, ScheduleDetails, Terms, Trigger};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn span(from: i64, until: i64) -> Span {
        Span { from: at(from), until: at(until) }
    }

    #[test]
    fn what_a_former_revision_named_while_it_stood_is_compared_with_what_is_written_down() {
        // Every ten seconds from second 10 on, renamed at second 35, and something else since second 63.
        let mut present = every_ten();
        let said_first = present.trigger.clone();
        present.trigger.revision = 3;
        present.trigger.standing_since = at(63);
        let revision = |made: i64, until: i64| Revision {
            trigger: said_first.clone(),
            made_at: at(made),
            made_by: None,
            until: Some(at(until)),
            counted: None,
        };
        let asked = |former: &Revision| present.comparable_of(former, span(-500, 500), at(-9_000));
        let spans = [revision(0, 35), revision(35, 63)].map(|former| asked(&former).expect("it decided").1.span);
        let right_after = |second| at(second) + SignedDuration::from_micros(1);
        let until_63 = Span { from: right_after(35), until: right_after(63) };
        assert_eq!(spans, [Span { from: right_after(0), until: right_after(35) }, until_63]);
        let (former, asked_of_it) = asked(&revision(35, 63)).expect("it decided");
        let account = Account { fired: vec![at(40)], skipped: vec![(at(60), at(60))] };
        let compared = former.compare(asked_of_it, &account, 0);
        assert_eq!(compared.missing, Some(Few { first: at(50), count: 1 }));
        assert_eq!((compared.doubled, compared.unnamed), (None, None));

        let mut standing = present.clone();
        standing.trigger.standing_since = at(0);
        assert!(standing.comparable_of(&revision(35, 63), span(-500, 500), at(-9_000)).is_none(), "it stands on");
        let gone = present.comparable_of(&revision(0, 35), span(-500, 500), at(20));
        assert!(gone.is_none(), "its events may be gone by now");
        let mut test = revision(0, 35);
        test.trigger.definition.is_test = true;
        assert!(asked(&test).is_none());
    }

    /// Every ten seconds from second 10 on, made at second 0; it waits for second 1000.
    fn every_ten() -> Inspected {
        let period = Period::from_seconds(10).expect("a period");
        let schedule = Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater };
        let trigger = Trigger {
            id: TriggerId(7),
            owner: UserId(1),
            revision: 1,
            definition: Definition {
                name: None,
                schedule: Some(ScheduleDetails::plain(schedule, None)),
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
            },
            created_at: at(0),
            standing_since: at(0),
        };
        let cursor = Some(Cursor { next_at: at(1000), revision: 1 });
        Inspected { trigger, fired: 0, counted_until: None, cursor, is_forgotten: false }
    }

    /// What is found from second 0 to 60: the first and the number of the missing, the doubled and the unnamed.
    fn compared(fired: &[i64], skipped: &[(i64, i64)]) -> [Option<(i64, u64)>; 3] {
        let inspected = every_ten();
        let asked = inspected.comparable(span(0, 60), at(-9_000)).expect("it can be compared");
        let skipped = skipped.iter().map(|(first, last)| (at(*first), at(*last))).collect();
        let account = Account { fired: fired.iter().copied().map(at).collect(), skipped };
        let found = inspected.compare(asked, &account, 0);
        assert_eq!(found.go_on_from, None);
        let few = |few: Few| (few.first.duration_since(at(0)).as_secs(), few.count);
        [found.missing, found.doubled, found.unnamed].map(|found| found.map(few))
    }

    #[test]
    fn each_occurrence_is_told_of_once() {
        assert_eq!(compared(&[10, 20, 30, 40, 50], &[]), [None; 3]);
        assert_eq!(compared(&[10, 50], &[(20, 40)]), [None; 3]);
        assert_eq!(compared(&[], &[(-500, 40), (50, 700)]), [None; 3], "records go beyond the span");
        assert_eq!(compared(&[50], &[(10, 10), (20, 30), (40, 40)]), [None; 3]);
    }

    #[test]
    fn what_is_missing_doubled_or_not_named_is_found() {
        assert_eq!(compared(&[10, 30], &[]), [Some((20, 3)), None, None]);
        assert_eq!(compared(&[], &[]), [Some((10, 5)), None, None]);
        assert_eq!(compared(&[10, 20, 30, 40, 50], &[(20, 30)]), [None, Some((20, 2)), None]);
        assert_eq!(compared(&[10, 50], &[(20, 40), (40, 40)]), [None, Some((40, 1)), None]);
        assert_eq!(compared(&[10, 20, 20, 30, 40, 50], &[]), [None, Some((20, 1)), None]);
        assert_eq!(compared(&[5, 10, 21, 30, 40, 50, 59], &[]), [Some((20, 1)), None, Some((5, 3))]);
    }

    #[test]
    fn what_a_wrong_next_occurrence_passed_over_or_made_up_is_found_on_the_wall() {
        let found = |fired: &[i64], waits_for: Option<i64>| {
            let mut inspected = every_ten();
            // Armed, planned and inspected by one and the same mistake, nothing of it seems wrong: only what came of it does.
            inspected.cursor = waits_for.map(|second| Cursor { next_at: at(second), revision: 1 });
            let asked = inspected.comparable(span(0, 60), at(-9_000)).expect("it can be compared");
            let account = Account { fired: fired.iter().copied().map(at).collect(), skipped: Vec::new() };
            let compared = inspected.compare(asked, &account, 0);
            let few = |few: Few| (few.first.duration_since(at(0)).as_secs(), few.count);
            [compared.missing.map(few), compared.unnamed.map(few)]
        };
        assert_eq!(found(&[20, 40], Some(60)), [Some((10, 3)), None], "it names each second one");
        assert_eq!(found(&[10, 20], Some(70)), [Some((30, 3)), None], "it passed over some");
        assert_eq!(found(&[10, 20], None), [Some((30, 3)), None], "it says that there are none any more");
        assert_eq!(found(&[10, 15, 20, 30, 40, 50], Some(60)), [None, Some((15, 1))], "it names one too many");
        assert_eq!(found(&[10, 20, 31, 41, 51], Some(61)), [Some((30, 3)), Some((31, 3))], "it is a second off");
    }

    #[test]
    fn only_what_the_present_schedule_has_to_answer_for_is_compared() {
        let asked = |change: &dyn Fn(&mut Inspected)| {
            let mut inspected = every_ten();
            change(&mut inspected);
            inspected.comparable(span(20, 60), at(-9_000)).map(|asked| asked.span)
        };
        let moment = SignedDuration::from_micros(1);
        assert_eq!(asked(&|_| {}), Some(span(20, 60)));
        assert_eq!(asked(&|one| one.trigger.definition.enabled = false), None);
        assert_eq!(asked(&|one| one.trigger.definition.is_test = true), None);
        assert_eq!(asked(&|one| one.trigger.definition.expires_at = Some(at(40))), Some(span(20, 40)));
        assert_eq!(asked(&|one| one.trigger.standing_since = at(60)), None);
        let edited = asked(&|one| one.trigger.standing_since = at(30));
        assert_eq!(edited, Some(Span { from: at(30) + moment, until: at(60) }), "it was edited in between");
        assert_eq!(asked(&|one| one.cursor = Some(Cursor { next_at: at(50), revision: 1 })), Some(span(20, 50)));
        assert_eq!(asked(&|one| one.cursor = None), Some(span(20, 60)), "it is over");
        let going = every_ten().comparable(span(20, 600), at(0)).map(|asked| asked.span);
        assert_eq!(going, Some(Span { from: at(300) + moment, until: at(600) }), "events are about to go");
    }

    /// The same, at most so often; it has fired so often, the last time at that second, and waits for nothing.
    fn limited(most: u64, fired: u64, counted_until: Option<i64>) -> Inspected {
        let mut inspected = every_ten();
        let pattern = inspected.trigger.definition.schedule.as_ref().expect("it has one").pattern().clone();
        let terms = Terms { max_fires: MaxFires::new(most), ..Terms::default() };
        inspected.trigger.definition.schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
        Inspected { fired, counted_until: counted_until.map(at), cursor: None, ..inspected }
    }

    #[test]
    fn what_has_fired_as_often_as_it_may_answers_for_all_up_to_the_last_and_fires_no_more() {
        let found = |inspected: &Inspected, fired: &[i64], skipped: &[(i64, i64)]| {
            let asked = inspected.comparable(span(0, 60), at(-9_000)).expect("it can be compared");
            let skipped = skipped.iter().map(|(first, last)| (at(*first), at(*last))).collect();
            let account = Account { fired: fired.iter().copied().map(at).collect(), skipped };
            let compared = inspected.compare(asked, &account, 0);
            let few = |few: Few| (few.first.duration_since(at(0)).as_secs(), few.count);
            [compared.missing, compared.doubled, compared.unnamed].map(|found| found.map(few))
        };
        let spent = limited(3, 3, Some(40));
        assert_eq!(found(&spent, &[10, 20, 40], &[(30, 30)]), [None; 3]);
        assert_eq!(found(&spent, &[10, 40], &[(30, 30)]), [Some((20, 1)), None, None], "a firing was taken away");
        assert_eq!(found(&spent, &[10, 20], &[(30, 30)]), [Some((40, 1)), None, None], "the last one was");
        assert_eq!(found(&spent, &[], &[(30, 30), (10, 20), (40, 40)]), [None; 3], "they wait, or were given up");
        assert_eq!(found(&spent, &[10, 40, 50], &[(20, 30)]), [None, None, Some((50, 1))], "one too many");
        // Whoever counts wrongly takes each for the last that it may fire at.
        let miscounted = limited(3, 3, Some(50));
        assert_eq!(found(&miscounted, &[10, 20, 30, 40, 50], &[]), [None, None, Some((40, 2))]);
        assert_eq!(found(&limited(3, 1, Some(10)), &[10, 20, 30, 40, 50], &[]), [None, None, Some((40, 2))]);
        assert_eq!(found(&limited(9, 4, Some(50)), &[10, 20, 30, 50], &[]), [Some((40, 1)), None, None], "it goes on");
    }

    #[test]
    fn a_limit_of_which_nobody_kept_where_it_ended_is_left_alone() {
        let asked = |inspected: &Inspected| inspected.comparable(span(0, 60), at(-9_000));
        assert_eq!(asked(&limited(3, 3, None)), None);
        assert!(asked(&limited(3, 2, None)).is_some(), "it goes on, so all of it is told");
        let spent = limited(3, 3, Some(30));
        let later = Asked { span: span(31, 60), ..asked(&spent).expect("it can be compared") };
        assert!(spent.names_any(Asked { span: span(5, 60), ..later }) && !spent.names_any(later), "nobody asks again");
    }

    #[test]
    fn a_former_revision_with_a_limit_answers_for_what_was_counted_when_it_ended() {
        let mut present = every_ten();
        present.trigger.revision = 2;
        present.trigger.standing_since = at(63);
        let former = |counted: Option<(u64, Option<i64>)>| Revision {
            trigger: limited(3, 0, None).trigger,
            made_at: at(0),
            made_by: None,
            until: Some(at(63)),
            counted: counted.map(|(fired, until)| Counted { fired, until: until.map(at) }),
        };
        let found = |counted, fired: &[i64]| {
            let (inspected, asked) = present.comparable_of(&former(counted), span(-500, 500), at(-9_000))?;
            let account = Account { fired: fired.iter().copied().map(at).collect(), skipped: vec![(at(30), at(30))] };
            let compared = inspected.compare(asked, &account, 0);
            let few = |few: Few| (few.first.duration_since(at(0)).as_secs(), few.count);
            Some([compared.missing.map(few), compared.unnamed.map(few)])
        };
        assert_eq!(found(Some((3, Some(40))), &[10, 20, 40]), Some([None, None]));
        assert_eq!(found(Some((3, Some(40))), &[10, 40, 50]), Some([Some((20, 1)), Some((50, 1))]));
        assert_eq!(found(Some((2, Some(20))), &[10, 20]), Some([Some((40, 3)), None]), "it might have fired again");
        assert_eq!(found(Some((3, Some(-20))), &[10]), Some([None, Some((10, 1))]), "it had ended before");
        assert_eq!((found(None, &[10]), found(Some((3, None)), &[10])), (None, None), "nobody kept that then");
    }

    /// What is found from second 0 on by whoever reads as much at once as may be, and in how many parts.
    fn in_parts(inspected: &Inspected, until: i64, fired: &[i64], skipped: &[(i64, i64)]) -> (Compared, usize) {
        let asked = inspected.comparable(span(0, until), at(-9_000)).expect("it can be compared");
        let read = |Span { from, until }: Span| {
            let fired =
                fired.iter().copied().map(at).filter(|at| from <= *at && *at < until).take(ACCOUNT_MAX).collect();
            let skipped = skipped.iter().map(|(first, last)| (at(*first), at(*last)));
            let mut skipped: Vec<_> = skipped.filter(|(first, last)| *first < until && from <= *last).collect();
            skipped.sort_unstable();
            skipped.truncate(ACCOUNT_MAX);
            Account { fired, skipped }
        };
        let (mut whole, mut from, mut parts) = (None::<Compared>, asked.span.from, 0);
        loop {
            let asked = Asked { span: Span { from, ..asked.span }, ..asked };
            let before = whole.map_or(0, |whole| whole.fired);
            let part = inspected.compare(asked, &read(asked.span), before);
            let sum = whole.map_or(part, |whole| whole.and(part));
            (whole, parts) = (Some(sum), parts + 1);
            let Some(next) = part.go_on_from else { return (sum, parts) };
            assert!(from < next && next < asked.span.until, "{from} to {next}");
            from = next;
        }
    }

    fn found(compared: &Compared) -> [Option<(i64, u64)>; 3] {
        let few = |few: Few| (few.first.duration_since(at(0)).as_secs(), few.count);
        [compared.missing, compared.doubled, compared.unnamed].map(|found| found.map(few))
    }

    /// Twice as many occurrences as are read at once.
    const LONG: i64 = 8_192;

    fn lasting() -> Inspected {
        Inspected { cursor: None, ..every_ten() }
    }

    #[test]
    fn a_long_account_is_compared_part_by_part() {
        // One of them is missing in each half.
        let fired: Vec<i64> = (1..=LONG).filter(|k| ![7, LONG - 3].contains(k)).map(|k| k * 10).collect();
        let (compared, parts) = in_parts(&lasting(), LONG * 10 + 1, &fired, &[]);
        assert_eq!((found(&compared), parts), ([Some((70, 2)), None, None], 2));
        assert_eq!(compared.fired, fired.len() as u64);
    }

    #[test]
    fn many_records_are_compared_part_by_part() {
        let each = |but: &[i64]| -> Vec<(i64, i64)> {
            (1..=LONG).filter(|k| !but.contains(k)).map(|k| (k * 10, k * 10)).collect()
        };
        let (all, until) = (each(&[]), LONG * 10 + 1);
        let told = |fired: &[i64], skipped: &[(i64, i64)]| {
            let (compared, parts) = in_parts(&lasting(), until, fired, skipped);
            assert!(parts > 1, "it is too much to be read at once");
            found(&compared)
        };
        assert_eq!(told(&[], &all), [None; 3]);
        assert_eq!(told(&[], &each(&[7, 4_095, 4_096, LONG - 3])), [Some((70, 4)), None, None]);
        let [early, late] = [70, (LONG - 3) * 10];
        assert_eq!(told(&[early, late, late + 1], &all), [None, Some((early, 2)), Some((late + 1, 1))]);
        // One that reaches over all of them is found again in each part.
        let over_all = [vec![(-50, until)], each(&[7, LONG - 3])].concat();
        assert_eq!(told(&[], &over_all), [None, Some((10, LONG.unsigned_abs() - 2)), None]);
    }

    #[test]
    fn more_records_over_one_instant_than_are_read_at_once_hide_nothing_behind_them() {
        // All begin before the span, and end one after the other: two of them reach up to second 4494, one to 4495.
        let heaped: Vec<(i64, i64)> = (0..4_396).map(|n| (n - 4_396, 100 + n)).collect();
        let (compared, parts) = in_parts(&lasting(), 6_000, &[30, 5_000], &heaped);
        assert_eq!((found(&compared), parts), ([Some((4_500, 149)), Some((10, 449)), None], 2));
    }

    #[test]
    fn a_limit_holds_for_all_parts_together() {
        let most = 5_000;
        let fired: Vec<i64> = (1..=5_002).map(|k| k * 10).collect();
        let spent = limited(most, most, Some(50_020));
        let (compared, parts) = in_parts(&spent, LONG * 10, &fired, &[]);
        assert_eq!((found(&compared), parts), ([None, None, Some((50_010, 2))], 2));
    }

    #[test]
    fn each_sort_is_a_finding_about_the_first_and_how_many() {
        let few = Few { first: at(10), count: 3 };
        let found = Compared { missing: Some(few), doubled: None, unnamed: Some(few), fired: 0, go_on_from: None };
        let told: Vec<_> = found.findings(TriggerId(7)).map(|one| (one.trigger, one.defect, one.about)).collect();
        assert_eq!(told, [(TriggerId(7), Defect::Missing, Some(few)), (TriggerId(7), Defect::Unnamed, Some(few))]);
        assert!(found.findings(TriggerId(7)).all(|finding| finding.repair.is_none()));
    }
}
