//! Which triggers a list shows, and in which order: read from the address, so that every view can be shared, and applied
//! without a store or a clock. What needs attention always comes first; how a row looks stands in `trigger_row`.

use std::collections::HashSet;

use jiff::Timestamp;
use oncue_domain::error::Invalid;
use oncue_domain::freeze::{Freeze, seen_through};
use oncue_domain::id::TriggerId;
use oncue_domain::schedule::Schedule;
use oncue_domain::trigger::{Kind, ScheduleDetails, TriggerHead, Unreadable};
use url::form_urlencoded::Serializer;

use super::condition::Condition;
use super::trigger_row::{host, label};
use crate::extract::Query;

/// How many triggers stand on a page.
pub(crate) const ROWS_MAX: usize = 50;

/// A word of an address and what it is called.
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) title: &'static str,
}

const fn choice(word: &'static str, title: &'static str) -> Choice {
    Choice { word, title }
}

/// What makes a trigger fire.
pub(crate) const KINDS: [Choice; 6] = [
    choice("once", "Once"),
    choice("every", "Every"),
    choice("cron", "Cron"),
    choice("rrule", "Calendar rule"),
    choice("any_of", "Several"),
    choice("api", "API call"),
];

/// Where a trigger stands. `active` are all that will fire by themselves or when called, whatever went wrong with them.
pub(crate) const STATES: [Choice; 11] = [
    choice("active", "Active"),
    choice("overdue", "Overdue"),
    choice("failing", "Failing"),
    choice("waiting", "Waiting"),
    choice("ready", "Ready to be called"),
    choice("paused", "Paused"),
    choice("frozen", "Frozen"),
    choice("finished", "Finished"),
    choice("expired", "Expired"),
    choice("test", "Test"),
    choice("unreadable", "Unreadable"),
];

/// The order; the first is taken unasked.
pub(crate) const SORTS: [Choice; 3] =
    [choice("next", "Next firing"), choice("name", "Name"), choice("newest", "Newest")];

/// What an address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Words that all occur in a trigger's name, schedule or host.
    pub(crate) q: String,
    pub(crate) kind: Option<&'static str>,
    pub(crate) state: Option<&'static str>,
    pub(crate) sort: Option<&'static str>,
    /// Counted from one.
    pub(crate) page: usize,
}

/// A page of what was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) triggers: Vec<(TriggerHead, Condition)>,
    /// How many were found on all pages.
    pub(crate) total: usize,
    /// Which page this is; the last one where the address asked for one beyond it.
    pub(crate) page: usize,
    pub(crate) pages: usize,
}

impl Filter {
    /// Reads it from the address.
    ///
    /// # Errors
    /// When a word is none of those above.
    pub(crate) fn take(query: &mut Query) -> Result<Filter, Invalid> {
        let q = query.take_text("q").unwrap_or_default().trim().to_owned();
        let kind = word(query, "kind", &KINDS)?;
        let state = word(query, "state", &STATES)?;
        let sort = word(query, "sort", &SORTS)?;
        let page = query.take_text("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1);
        Ok(Filter { q, kind, state, sort, page })
    }

    /// Whether anything is left out.
    pub(crate) fn narrows(&self) -> bool {
        !self.q.is_empty() || self.kind.is_some() || self.state.is_some()
    }

    /// The order in which triggers are listed after those that need attention.
    pub(crate) fn sorted_by(&self) -> &'static str {
        self.sort.unwrap_or(SORTS[0].word)
    }

    /// Where a page of this view is.
    pub(crate) fn address(&self, page: usize) -> String {
        let mut query = Serializer::new(String::new());
        if !self.q.is_empty() {
            query.append_pair("q", &self.q);
        }
        for (name, word) in [("kind", self.kind), ("state", self.state), ("sort", self.sort)] {
            if let Some(word) = word {
                query.append_pair(name, word);
            }
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        match query.finish() {
            query if query.is_empty() => "/ui/triggers".to_owned(),
            query => format!("/ui/triggers?{query}"),
        }
    }

    /// The page of `heads` that is asked for, as they go on under their owner's freezes; `failing` are those whose deliveries fail.
    pub(crate) fn apply(
        &self,
        heads: Vec<TriggerHead>,
        failing: &HashSet<TriggerId>,
        freezes: &[Freeze],
        now: Timestamp,
    ) -> Found {
        let words: Vec<String> = self.q.split_whitespace().map(str::to_lowercase).collect();
        let mut triggers: Vec<(TriggerHead, Condition)> = heads
            .into_iter()
            .map(|head| {
                let condition = Condition::of(&head, failing.contains(&head.id), freezes, now);
                (head, condition)
            })
            .filter(|(head, condition)| self.admits(head, *condition, failing.contains(&head.id), now))
            .filter(|(head, _)| is_about(head, &words))
            .map(|(head, condition)| (seen_through(head, freezes, now), condition))
            .collect();
        self.order(&mut triggers);
        let total = triggers.len();
        let pages = total.div_ceil(ROWS_MAX).max(1);
        let page = self.page.clamp(1, pages);
        let triggers = triggers.into_iter().skip((page - 1) * ROWS_MAX).take(ROWS_MAX).collect();
        Found { triggers, total, page, pages }
    }

    /// Whether a trigger that cannot be read is among what is asked for, by what can be said of it. How it fires is not known where it has a
    /// schedule, so no way of firing but a call finds or leaves it out.
    pub(crate) fn admits_unreadable(&self, unreadable: &Unreadable) -> bool {
        let is_state = self.state.is_none_or(|state| state == "unreadable");
        let is_kind = self.kind.is_none_or(|kind| (kind == "api") == (unreadable.kind == Kind::Api));
        let text = label(unreadable.name.as_deref().unwrap_or_default(), unreadable.id);
        let text = format!("{text}\n{}", unreadable.problem).to_lowercase();
        is_state && is_kind && self.q.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
    }

    fn admits(&self, head: &TriggerHead, condition: Condition, is_failing: bool, now: Timestamp) -> bool {
        let is_kind = self.kind.is_none_or(|kind| kind == kind_of(head));
        is_kind
            && self.state.is_none_or(|state| match state {
                "active" => head.is_active(now),
                "failing" => is_failing,
                state => state == condition.word(),
            })
    }

    fn order(&self, triggers: &mut [(TriggerHead, Condition)]) {
        let calm = |condition: &Condition| !condition.needs_attention();
        match self.sorted_by() {
            "name" => triggers.sort_by_cached_key(|(head, condition)| {
                let name = label(head.name.as_deref().unwrap_or_default(), head.id).to_lowercase();
                (calm(condition), name, head.id)
            }),
            "newest" => triggers.sort_by_key(|(head, condition)| {
                (calm(condition), std::cmp::Reverse(head.created_at), std::cmp::Reverse(head.id))
            }),
            _ => triggers.sort_by_key(|(head, condition)| {
                (calm(condition), head.next_at.is_none(), head.next_at, std::cmp::Reverse(head.id))
            }),
        }
    }
}

fn word(query: &mut Query, name: &'static str, choices: &[Choice]) -> Result<Option<&'static str>, Invalid> {
    let Some(text) = query.take_text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let found = choices.iter().find(|choice| choice.word == text).map(|choice| choice.word);
    let known: Vec<&str> = choices.iter().map(|choice| choice.word).collect();
    found.map(Some).ok_or_else(|| Invalid::new(name, format!("The {name} is one of {}.", known.join(", "))))
}

/// The word for what makes a trigger fire.
fn kind_of(head: &TriggerHead) -> &'static str {
    match head.schedule.as_ref().map(ScheduleDetails::pattern) {
        Some(Schedule::Once { .. }) => "once",
        Some(Schedule::Every { .. }) => "every",
        Some(Schedule::Cron { .. }) => "cron",
        Some(Schedule::Recurrence(_)) => "rrule",
        Some(Schedule::AnyOf(_)) => "any_of",
        None => "api",
    }
}

fn is_about(head: &TriggerHead, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let mut text = label(head.name.as_deref().unwrap_or_default(), head.id);
    let mut add = |part: &str| {
        text.push('\n');
        text.push_str(part);
    };
    if let Some(details) = &head.schedule {
        add(&details.summary());
        match details.pattern() {
            Schedule::Cron { expression, .. } => add(expression.as_str()),
            Schedule::Recurrence(recurrence) => add(recurrence.text().as_str()),
            Schedule::Once { .. } | Schedule::Every { .. } | Schedule::AnyOf(_) => {}
        }
        if let Some(zone) = details.told_zone() {
            add(zone.name());
        }
    }
    if let Some(webhook) = &head.webhook {
        add(&host(webhook));
    }
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::condition::tests::{at, head};
    use axum::extract::FromRequestParts;
    use oncue_domain::destination::Webhook;
    use oncue_domain::schedule::cron::CronExpression;
    use oncue_domain::schedule::zone::Zones;
    use oncue_domain::trigger::Problem;

    fn cron(id: i64, name: &str, line: &str) -> TriggerHead {
        let expression = CronExpression::parse(line).expect("a cron line");
        let zone = Zones::bundled().get("Europe/Riga").expect("it exists");
        let schedule = Schedule::Cron { expression, zone };
        let webhook = Webhook::parse("https://hooks.example.com/secret", None).expect("an address");
        TriggerHead { schedule: Some(ScheduleDetails::plain(schedule, None)), webhook: Some(webhook), ..head(id, name) }
    }

    fn names(filter: &Filter, heads: &[TriggerHead]) -> Vec<i64> {
        let found = filter.apply(heads.to_vec(), &HashSet::from([TriggerId(9)]), &[], at(10));
        found.triggers.iter().map(|(head, _)| head.id.0).collect()
    }

    async fn read(uri: &str) -> Result<Filter, Invalid> {
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).expect("a request").into_parts();
        let mut query = Query::from_request_parts(&mut parts, &()).await.expect("any query can be read");
        Filter::take(&mut query)
    }

    #[tokio::test]
    async fn a_view_is_its_address() {
        let address = "/ui/triggers?q=a%26b+c&kind=cron&state=paused&sort=name&page=3";
        let filter = read(address).await.expect("a filter");
        assert_eq!((filter.q.as_str(), filter.page), ("a&b c", 3));
        assert_eq!(filter.address(3), address);
        let plain = read("/ui/triggers?q=&kind=&state=&page=x").await.expect("a filter");
        assert_eq!((plain.address(1).as_str(), plain.narrows()), ("/ui/triggers", false));
        assert!(read("/ui/triggers?state=odd").await.is_err());
    }

    #[test]
    fn what_needs_attention_comes_first_in_every_order() {
        let overdue = TriggerHead { next_at: Some(at(-60)), ..head(1, "zebra") };
        let soon = TriggerHead { next_at: Some(at(20)), created_at: at(-5), ..head(2, "Yak") };
        let never = TriggerHead { next_at: None, created_at: at(3), ..head(3, "antelope") };
        let failing = head(9, "boar");
        let heads = [never, soon, failing, overdue];
        let sorted = |sort| names(&Filter { sort: Some(sort), ..Filter::default() }, &heads);
        assert_eq!(sorted("next"), [1, 9, 2, 3]);
        assert_eq!(sorted("name"), [9, 1, 3, 2]);
        assert_eq!(sorted("newest"), [9, 1, 3, 2]);
    }

    #[test]
    fn every_word_must_occur_in_the_name_the_sentence_the_line_or_the_host() {
        let heads = [cron(1, "Ünlü report", "0 9 * * 1-5"), head(2, "report")];
        let found = |q: &str| names(&Filter { q: q.to_owned(), ..Filter::default() }, &heads);
        for q in ["ünlü", "monday REPORT", "* * 1-5", "hooks.example", "riga 09:00"] {
            assert_eq!(found(q), [1], "{q}");
        }
        assert_eq!(found("report").len(), 2);
        assert_eq!(found("secret"), [0; 0], "the path of an address is not searched");
    }

    #[test]
    fn a_state_and_a_kind_leave_out_the_others() {
        let paused = TriggerHead { enabled: false, next_at: None, ..head(1, "") };
        let called = TriggerHead { schedule: None, next_at: None, ..head(2, "") };
        let paused_and_failing = TriggerHead { id: TriggerId(9), ..paused.clone() };
        let heads = [paused, called, cron(3, "", "@daily"), paused_and_failing];
        let in_state = |state| names(&Filter { state: Some(state), ..Filter::default() }, &heads);
        assert_eq!(in_state("active"), [3, 2]);
        assert_eq!(in_state("failing"), [9]);
        assert_eq!(in_state("paused"), [9, 1]);
        let of_kind = |kind| names(&Filter { kind: Some(kind), ..Filter::default() }, &heads);
        assert_eq!((of_kind("cron"), of_kind("api"), of_kind("once")), (vec![3], vec![2], vec![9, 1]));
    }

    #[test]
    fn what_cannot_be_read_is_found_by_what_can_be_said_of_it() {
        let problem = Problem { field: Some("schedule_details"), why: "the time zone Mars/Base is unknown".to_owned() };
        let (id, name, created_at) = (TriggerId(7), Some("Nightly".to_owned()), at(0));
        let lost = Unreadable { id, revision: 1, name, kind: Kind::Scheduled, enabled: true, created_at, problem };
        let finds = |filter: Filter| filter.admits_unreadable(&lost);
        for q in ["", "nightly", "mars/base NIGHT"] {
            assert!(finds(Filter { q: q.to_owned(), ..Filter::default() }), "{q}");
        }
        assert!(!finds(Filter { q: "weekly".to_owned(), ..Filter::default() }));
        let in_state = |state| finds(Filter { state: Some(state), ..Filter::default() });
        assert!(in_state("unreadable") && !in_state("active"));
        let of_kind = |kind| finds(Filter { kind: Some(kind), ..Filter::default() });
        assert!(of_kind("cron") && of_kind("once") && !of_kind("api"));
        assert_eq!(names(&Filter { state: Some("unreadable"), ..Filter::default() }, &[head(1, "")]), [0; 0]);
    }

    #[test]
    fn a_page_beyond_the_end_is_the_last_one() {
        let heads: Vec<TriggerHead> = (1..=120).map(|id| head(id, "")).collect();
        let filter = Filter { page: 7, sort: Some("newest"), ..Filter::default() };
        let found = filter.apply(heads, &HashSet::new(), &[], at(0));
        assert_eq!((found.total, found.page, found.pages, found.triggers.len()), (120, 3, 3, 20));
    }
}
