//! What an exchange means for the delivery that it was an attempt of: done, again later, or failed for good; and whether the receiver
//! said that it wants nothing more at all. The rules of all destinations are here; what their owners chose comes in as [`Terms`].

use jiff::{SignedDuration, Timestamp};

use super::Verdict;
use super::ladder::Ladder;
use super::retry_after::{Receiver, asked_for};
use crate::destination::definition::Kind;
use crate::destination::{Definition, Format, Webhook};
use crate::event::Event;
use crate::id::MessageId;
use crate::outbound::mail::Reply;
use crate::outbound::{Answer, Failure};

/// How long before an event is gone its deliveries end. Longer than a claim holds, by a minute: whoever claimed one in the last moment
/// and then died has lost it again while the event is still there to say that it failed, and to be found by whoever looks for that.
pub const END_BEFORE_GONE: SignedDuration = SignedDuration::from_mins(3);

/// Where events are kept for a short time only, their deliveries end before the last tenth of it.
const END_BEFORE_GONE_SHARE: i32 = 10;

/// The shortest wait that a receiver can ask for.
const ASKED_MIN: SignedDuration = SignedDuration::from_secs(1);

/// The shortest pause of one that came too soon.
const TOO_SOON_MIN: SignedDuration = SignedDuration::from_millis(100);

/// The longest pause that a receiver can ask for without a pause of the ladder being used up.
pub const TOO_SOON_MAX: SignedDuration = SignedDuration::from_secs(60);

/// How many attempts a delivery may have before what comes too soon uses its ladder up like everything else.
pub const TOO_SOON_ATTEMPTS_MAX: u32 = 100;

/// How long before a delivery's end its last attempt may be due.
const LAST_CALL: SignedDuration = SignedDuration::from_secs(1);

/// What holds for the attempts of one delivery: what the destination's owner chose, and how long events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The pauses between attempts.
    pub ladder: Ladder,
    /// Whether an answer that blames the request ends the delivery, instead of being tried again.
    pub stops_at_client_errors: bool,
    /// Whose answers are read.
    pub receiver: Receiver,
    /// How long events are kept.
    pub keep_for: SignedDuration,
}

impl Terms {
    /// What holds for a trigger's own webhook and for the operator's default, where it is not said whose answers are read.
    pub fn standard(keep_for: SignedDuration) -> Terms {
        Terms { ladder: Ladder::standard(), stops_at_client_errors: false, receiver: Receiver::Plain, keep_for }
    }

    /// What holds for a trigger's own webhook, or for the operator's default.
    pub fn of_webhook(webhook: &Webhook, keep_for: SignedDuration) -> Terms {
        let receiver = match webhook.format {
            Format::Discord => Receiver::Discord,
            Format::Json | Format::Slack => Receiver::Plain,
        };
        Terms { receiver, ..Terms::standard(keep_for) }
    }

    /// What holds for a destination.
    pub fn of(definition: &Definition, keep_for: SignedDuration) -> Terms {
        let receiver = match definition.kind {
            Kind::Discord(_) => Receiver::Discord,
            Kind::Github(_) => Receiver::Github,
            Kind::Email(_) => Receiver::Mail,
            Kind::Webhook(_) | Kind::Slack(_) | Kind::Ntfy(_) | Kind::Inbox(_) => Receiver::Plain,
        };
        Terms {
            ladder: definition.retries.clone(),
            stops_at_client_errors: definition.stops_at_client_errors,
            receiver,
            keep_for,
        }
    }

    /// From when on nothing of this event is tried any more.
    pub fn ends_at(&self, event: &Event) -> Timestamp {
        ends_at(event, self.keep_for)
    }
}

/// From when on no delivery of `event` is tried any more, where events are kept for `keep_for`: [`END_BEFORE_GONE`] before it is gone.
pub fn ends_at(event: &Event, keep_for: SignedDuration) -> Timestamp {
    event.fired_at.checked_add(tried_for(keep_for)).unwrap_or(Timestamp::MAX)
}

/// Events that fired at or before this instant are over at `now`: nothing of them is tried any more, as [`ends_at`] says.
pub fn over_until(keep_for: SignedDuration, now: Timestamp) -> Timestamp {
    now.checked_sub(tried_for(keep_for)).unwrap_or(Timestamp::MIN)
}

fn tried_for(keep_for: SignedDuration) -> SignedDuration {
    keep_for - END_BEFORE_GONE.min(keep_for / END_BEFORE_GONE_SHARE)
}

/// What follows from an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// Why the destination gets nothing more until its owner says so.
    pub(super) suspends: Option<String>,
    /// Whether it only came too soon.
    pub(super) is_too_soon: bool,
}

/// One attempt, as the rules see it.
pub(super) struct Tried<'a> {
    /// Its number on the ladder; counts from one.
    pub(super) number: u32,
    /// How many attempts of its delivery there are, with it.
    pub(super) made: u32,
    pub(super) message: MessageId,
    pub(super) ends_at: Timestamp,
    pub(super) result: &'a Result<Answer, Failure>,
}

/// Decides what an attempt means.
///
/// 2xx is success, everything else is not; redirects are not followed (Standard Webhooks 1.0.0). 410 says that nothing more is
/// wanted there. A Retry-After lengthens the ladder's pause, never shortens it, and never beyond the delivery's end; where it comes with 429
/// (RFC 6585 §4) and is short, the receiver works and only asks for patience, so it is obeyed instead of the ladder.
pub(super) fn judge(tried: &Tried<'_>, terms: &Terms, now: Timestamp) -> Ruling {
    let answer = tried.result.as_ref().ok();
    let status = answer.map(|answer| answer.status);
    let is_gone = status == Some(410) && terms.receiver != Receiver::Mail;
    let suspends = is_gone.then(|| "The receiver answered 410 Gone: it wants no more deliveries.".to_owned());
    let too_soon = answer.and_then(|answer| too_soon_until(answer, tried, terms, now));
    let verdict = match status {
        Some(200..=299) => Verdict::Delivered,
        _ if let Some(until) = too_soon => Verdict::Retry(until),
        _ if is_gone => Verdict::Failed,
        _ => {
            let asked = answer.and_then(|answer| asked_for(answer, terms.receiver, now));
            let is_hopeless = status.is_some_and(|status| cannot_get_better(status, terms.receiver)) && asked.is_none();
            if terms.stops_at_client_errors && is_hopeless {
                Verdict::Failed
            } else {
                next_try(tried, terms, asked, now).map_or(Verdict::Failed, Verdict::Retry)
            }
        }
    };
    Ruling { verdict, suspends, is_too_soon: too_soon.is_some() }
}

/// Until when whoever only came too soon has to wait. Where there is to be no second attempt, there is none for this either.
fn too_soon_until(answer: &Answer, tried: &Tried<'_>, terms: &Terms, now: Timestamp) -> Option<Timestamp> {
    let may_wait = answer.status == 429 && tried.made < TOO_SOON_ATTEMPTS_MAX && terms.ladder.attempts() > 1;
    let asked = asked_for(answer, terms.receiver, now).filter(|_| may_wait)?;
    let soonest = now.checked_add(TOO_SOON_MIN).unwrap_or(Timestamp::MAX);
    let latest = now.checked_add(TOO_SOON_MAX).unwrap_or(Timestamp::MAX);
    (asked <= latest).then_some(asked.max(soonest)).filter(|until| *until < tried.ends_at)
}

fn next_try(tried: &Tried<'_>, terms: &Terms, asked: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let by_ladder = terms.ladder.next_try(tried.number, tried.message, now).filter(|at| *at < tried.ends_at)?;
    let Some(asked) = asked else { return Some(by_ladder) };
    let soonest = now.checked_add(ASKED_MIN).unwrap_or(Timestamp::MAX);
    let last_call = tried.ends_at.checked_sub(LAST_CALL).unwrap_or(Timestamp::MIN);
    Some(asked.max(soonest).min(last_call).max(by_ladder))
}

/// Whether the same request will be answered the same for ever: the receiver blames the request, and not the moment. Of HTTP's client
/// errors these do blame the moment: 408 (too slow), 409 (in conflict with what is there now), 421 (reached the wrong server),
/// 423 (locked), 425 (too early) and 429 (too many). Replies of mail servers are sorted in their own way.
fn cannot_get_better(status: u16, receiver: Receiver) -> bool {
    match receiver {
        Receiver::Mail => Reply::of(status) == Reply::Never,
        _ => (400..=499).contains(&status) && !matches!(status, 408 | 409 | 421 | 423 | 425 | 429),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Ids;

    const KEEP_FOR: SignedDuration = SignedDuration::from_hours(48);

    fn start() -> Timestamp {
        "2027-02-15T08:30:00Z".parse().expect("a timestamp")
    }

    fn answered(status: u16, retry_after: Option<&str>) -> Result<Answer, Failure> {
        let headers = retry_after.map(|value| ("Retry-After".to_owned(), value.to_owned()));
        Ok(Answer { status, headers: headers.into_iter().collect(), body: Vec::new() })
    }

    fn ruling(result: &Result<Answer, Failure>, terms: &Terms, number: u32, now: Timestamp) -> Ruling {
        let message = Ids::from_seed([1; 32]).message(start());
        judge(
            &Tried { number, made: number, message, ends_at: start() + KEEP_FOR - END_BEFORE_GONE, result },
            terms,
            now,
        )
    }

    fn verdict(status: u16, retry_after: Option<&str>, terms: &Terms) -> Verdict {
        ruling(&answered(status, retry_after), terms, 1, start()).verdict
    }

    #[test]
    fn events_are_over_from_the_end_of_their_deliveries_on_however_long_they_are_kept() {
        let event = crate::message::tests::event("nightly", "{}");
        for minutes in [1, 2, 29, 30, 31, 48 * 60] {
            let keep_for = SignedDuration::from_mins(minutes);
            let end = ends_at(&event, keep_for);
            let is_over = |now| event.fired_at <= over_until(keep_for, now);
            assert!(is_over(end) && !is_over(end - SignedDuration::from_micros(1)), "{minutes} minutes");
        }
    }

    fn wait(verdict: Verdict) -> SignedDuration {
        match verdict {
            Verdict::Retry(at) => at.duration_since(start()),
            other => panic!("{other:?} is no retry"),
        }
    }

    #[test]
    fn deliveries_end_before_their_event_is_gone_and_not_before_they_could_be_tried_again() {
        let event = crate::message::tests::event("nightly", "{}");
        let (second, minute, hour) =
            (SignedDuration::from_secs(1), SignedDuration::from_mins(1), SignedDuration::from_hours(1));
        for (keep_for, tried_for) in [
            (KEEP_FOR, KEEP_FOR - minute * 3),
            (hour, minute * 57),
            (minute * 30, minute * 27),
            (minute * 10, minute * 9),
            (minute, second * 54),
        ] {
            assert_eq!(ends_at(&event, keep_for).duration_since(event.fired_at), tried_for, "kept for {keep_for:#}");
        }
        assert!(END_BEFORE_GONE >= crate::delivery::CLAIM_FOR + minute);
    }

    #[test]
    fn only_2xx_is_success_and_everything_else_is_tried_again() {
        let terms = Terms::standard(KEEP_FOR);
        for status in [200, 202, 204, 299] {
            assert_eq!(verdict(status, None, &terms), Verdict::Delivered, "{status}");
        }
        for status in [100, 199, 300, 301, 304, 400, 401, 404, 408, 422, 429, 500, 503, 599, 0, 999] {
            assert!(matches!(verdict(status, None, &terms), Verdict::Retry(_)), "{status}");
        }
        let silent = Err(Failure("No answer.".to_owned()));
        assert!(matches!(ruling(&silent, &terms, 1, start()).verdict, Verdict::Retry(_)));
        assert_eq!(ruling(&silent, &terms, 8, start()).verdict, Verdict::Failed);
    }

    #[test]
    fn terms_follow_from_what_a_destination_says() {
        let said = serde_json::json!({"name": "a", "kind": "discord", "url": "https://discord.com/api/webhooks/1/x",
            "retries": ["7s"], "stop_on_4xx": true});
        let definition = Definition::read(&said, None).expect("a destination");
        let ladder = Ladder::new(vec![SignedDuration::from_secs(7)]).expect("a ladder");
        let expected = Terms { ladder, stops_at_client_errors: true, receiver: Receiver::Discord, keep_for: KEEP_FOR };
        assert_eq!(Terms::of(&definition, KEEP_FOR), expected);
        let own = Webhook::parse("https://discord.com/api/webhooks/1/x", None).expect("an address");
        assert_eq!(
            Terms::of_webhook(&own, KEEP_FOR),
            Terms { receiver: Receiver::Discord, ..Terms::standard(KEEP_FOR) }
        );
    }

    #[test]
    fn gone_ends_the_delivery_and_suspends_the_destination() {
        let terms = Terms::standard(KEEP_FOR);
        let ruling = ruling(&answered(410, Some("60")), &terms, 1, start());
        assert_eq!(ruling.verdict, Verdict::Failed);
        assert!(ruling.suspends.is_some_and(|reason| reason.contains("410")));
        let mail = Terms { receiver: Receiver::Mail, ..terms };
        let ruling = super::tests::ruling(&answered(410, None), &mail, 1, start());
        assert!(matches!(ruling.verdict, Verdict::Retry(_)), "410 is no reply of a mail server");
        assert_eq!(ruling.suspends, None);
    }

    #[test]
    fn what_blames_the_request_stops_early_where_the_user_says_so() {
        let terms = Terms { stops_at_client_errors: true, ..Terms::standard(KEEP_FOR) };
        for status in [400, 401, 403, 404, 405, 413, 422, 451, 499] {
            assert_eq!(verdict(status, None, &terms), Verdict::Failed, "{status}");
            assert!(matches!(verdict(status, Some("5"), &terms), Verdict::Retry(_)), "{status} with Retry-After");
        }
        for status in [301, 408, 409, 421, 423, 425, 429, 500, 503] {
            assert!(matches!(verdict(status, None, &terms), Verdict::Retry(_)), "{status}");
        }
        let mail = Terms { receiver: Receiver::Mail, ..terms };
        assert!(matches!(verdict(535, None, &mail), Verdict::Retry(_)), "somebody may mend the password");
        assert!(matches!(verdict(451, None, &mail), Verdict::Retry(_)));
        assert_eq!(verdict(550, None, &mail), Verdict::Failed);
        assert_eq!(verdict(250, None, &mail), Verdict::Delivered);
    }

    #[test]
    fn retry_after_lengthens_a_pause_and_never_shortens_it() {
        let terms = Terms::standard(KEEP_FOR);
        let by_ladder = wait(verdict(503, None, &terms));
        assert_eq!(wait(verdict(503, Some("1"), &terms)), by_ladder);
        assert_eq!(wait(verdict(503, Some("Mon, 15 Feb 2027 08:00:00 GMT"), &terms)), by_ladder, "the past");
        assert_eq!(wait(verdict(503, Some("soon"), &terms)), by_ladder);
        assert_eq!(wait(verdict(503, Some("120"), &terms)), SignedDuration::from_secs(120));
        assert_eq!(wait(verdict(302, Some("Mon, 15 Feb 2027 09:30:00 GMT"), &terms)), SignedDuration::from_hours(1));
        let last = KEEP_FOR - END_BEFORE_GONE - LAST_CALL;
        assert_eq!(wait(verdict(429, Some("999999999"), &terms)), last);
    }

    #[test]
    fn what_came_too_soon_waits_as_long_as_it_was_asked_to_whatever_rung_it_is_on() {
        let terms = Terms::standard(KEEP_FOR);
        for (number, asked, wait_s) in [(1, "3", 3), (2, "3", 3), (8, "60", 60)] {
            let ruling = ruling(&answered(429, Some(asked)), &terms, number, start());
            assert!(ruling.is_too_soon);
            assert_eq!(wait(ruling.verdict), SignedDuration::from_secs(wait_s));
        }
        let discord = Terms { receiver: Receiver::Discord, ..terms.clone() };
        let limited = Answer { status: 429, headers: Vec::new(), body: br#"{"retry_after": 0.35}"#.to_vec() };
        assert_eq!(wait(ruling(&Ok(limited), &discord, 2, start()).verdict), SignedDuration::from_millis(350));
        assert_eq!(wait(verdict(429, Some("0"), &terms)), TOO_SOON_MIN);
    }

    #[test]
    fn what_uses_the_ladder_up_as_ever_is_another_status_a_long_pause_none_and_too_many_of_them() {
        let terms = Terms::standard(KEEP_FOR);
        let by_ladder = |result: &Result<Answer, Failure>, number| {
            let ruling = ruling(result, &terms, number, start());
            let shortest = terms.ladder.shortest_pause(number).expect("a rung is left");
            assert!(!ruling.is_too_soon && wait(ruling.verdict) >= shortest, "{result:?}");
        };
        by_ladder(&answered(503, Some("3")), 2);
        by_ladder(&answered(429, None), 2);
        by_ladder(&answered(429, Some("61")), 1);
        let message = Ids::from_seed([1; 32]).message(start());
        let result = answered(429, Some("3"));
        let ends_at = start() + KEEP_FOR - END_BEFORE_GONE;
        let tried = |made| Tried { number: 2, made, message, ends_at, result: &result };
        assert!(judge(&tried(TOO_SOON_ATTEMPTS_MAX - 1), &terms, start()).is_too_soon);
        assert!(!judge(&tried(TOO_SOON_ATTEMPTS_MAX), &terms, start()).is_too_soon);
        let once = Terms { ladder: Ladder::new(Vec::new()).expect("one attempt"), ..terms.clone() };
        assert_eq!(ruling(&result, &once, 1, start()).verdict, Verdict::Failed, "one attempt was asked for");
        let end = ends_at - SignedDuration::from_secs(2);
        assert_eq!(ruling(&result, &terms, 1, end).verdict, Verdict::Failed);
    }

    #[test]
    fn nothing_is_tried_at_or_after_the_end() {
        let terms = Terms::standard(KEEP_FOR);
        let late = start() + KEEP_FOR - END_BEFORE_GONE - SignedDuration::from_secs(3);
        assert_eq!(ruling(&answered(500, None), &terms, 1, late).verdict, Verdict::Failed);
        assert_eq!(
            ruling(&answered(500, None), &terms, 7, start() + SignedDuration::from_hours(40)).verdict,
            Verdict::Failed
        );
    }

    proptest! {
        #[test]
        fn a_retry_lies_between_the_ladders_pause_and_the_end(
            status in 0_u16..1000, after in proptest::option::of(0_u64..400_000), number in 1_u32..9, age_s in 0_i64..172_800,
        ) {
            let terms = Terms::standard(KEEP_FOR);
            let now = start() + SignedDuration::from_secs(age_s);
            let result = answered(status, after.map(|after| after.to_string()).as_deref());
            let ruling = ruling(&result, &terms, number, now);
            if let Verdict::Retry(at) = ruling.verdict {
                let by_ladder = || terms.ladder.shortest_pause(number).expect("a retry has a rung");
                let shortest = if ruling.is_too_soon { TOO_SOON_MIN } else { by_ladder() };
                prop_assert!(at.duration_since(now) >= shortest);
                prop_assert!(at < start() + KEEP_FOR - END_BEFORE_GONE);
            }
        }
    }
}
