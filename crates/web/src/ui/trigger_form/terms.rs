//! The part of a trigger's form that few need: from when on and until when a schedule counts, on which dates it does not, how far
//! it is spread, and what it does where the clocks change. It is texts both ways, like all of the form; what is right is decided where the JSON is read.

use jiff::Timestamp;
use oncue_domain::misfire::Misfire;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::ScheduleDetails;
use serde_json::{Map, Value};

use super::{is_same_wall, wall};
use crate::api::trigger_calendar::FIELD;

/// The fields, as they were typed or as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TermsForm {
    pub(crate) starts_at: String,
    pub(crate) ends_at: String,
    /// Dates with spaces, commas or lines between them.
    pub(crate) excluded_dates: String,
    pub(crate) jitter: String,
    /// The calendars whose boxes are ticked, ascending.
    pub(crate) calendars: Vec<i64>,
    pub(crate) gap: String,
    pub(crate) fold: String,
    pub(crate) max_fires: String,
    pub(crate) delete_when_done: bool,
    /// Empty where the latest of what is missed fires, as it does without a choice.
    pub(crate) misfire: String,
    /// How many of what is missed fire late, where all of it does.
    pub(crate) misfire_at_most: String,
    /// How old they may be.
    pub(crate) misfire_age: String,
    /// Whether they wait for a person.
    pub(crate) misfire_hold: bool,
}

/// The choice that has bounds.
const ALL: &str = "all";

impl TermsForm {
    /// The names of the fields.
    pub(super) const NAMES: [&str; 12] = [
        "starts_at",
        "ends_at",
        "excluded_dates",
        "jitter",
        "gap",
        "fold",
        "max_fires",
        "delete_when_done",
        "misfire",
        "misfire_at_most",
        "misfire_age",
        "misfire_hold",
    ];

    /// What the form shows of `details`, on the wall clock of `zone`.
    pub(super) fn of(details: &ScheduleDetails, zone: &Zone) -> TermsForm {
        let terms = details.terms();
        let shown = |at: Option<Timestamp>| at.map(|at| wall(at, zone)).unwrap_or_default();
        let dates: Vec<String> = terms.excluded.dates().iter().map(ToString::to_string).collect();
        let bounds = terms.misfire.as_ref().and_then(Misfire::bounds);
        let mut calendars: Vec<i64> = terms.calendars.iter().map(|observed| observed.calendar.0).collect();
        calendars.sort_unstable();
        TermsForm {
            starts_at: shown(terms.bounds.starts_at()),
            ends_at: shown(terms.bounds.ends_at()),
            excluded_dates: dates.join("\n"),
            jitter: terms.jitter.map(|jitter| jitter.as_str().to_owned()).unwrap_or_default(),
            calendars,
            gap: terms.gap.map(|gap| gap.word().to_owned()).unwrap_or_default(),
            fold: terms.fold.map(|fold| fold.word().to_owned()).unwrap_or_default(),
            max_fires: details.max_fires().map(|most| most.to_string()).unwrap_or_default(),
            delete_when_done: details.deletes_when_done(),
            misfire: match details.misfire() {
                Misfire::Latest => String::new(),
                misfire => misfire.word().to_owned(),
            },
            misfire_at_most: bounds.map(|bounds| bounds.at_most().to_string()).unwrap_or_default(),
            misfire_age: bounds.map(|bounds| bounds.not_older_than().as_str().to_owned()).unwrap_or_default(),
            misfire_hold: bounds.is_some_and(|bounds| bounds.hold()),
        }
    }

    /// Reads them out of a submitted form.
    pub(super) fn read(calendars: Vec<i64>, take: &mut impl FnMut(&str) -> String) -> TermsForm {
        TermsForm {
            calendars,
            starts_at: take("starts_at"),
            ends_at: take("ends_at"),
            excluded_dates: take("excluded_dates").replace("\r\n", "\n"),
            jitter: take("jitter"),
            gap: take("gap"),
            fold: take("fold"),
            max_fires: take("max_fires"),
            delete_when_done: !take("delete_when_done").is_empty(),
            misfire: take("misfire"),
            misfire_at_most: take("misfire_at_most"),
            misfire_age: take("misfire_age"),
            misfire_hold: !take("misfire_hold").is_empty(),
        }
    }

    /// Whether nothing is said here.
    pub(crate) fn is_empty(&self) -> bool {
        *self == TermsForm::default()
    }

    /// Those that the form of this kind shows; the others are hidden, and nobody means them.
    fn of_kind(&self, kind: &str) -> TermsForm {
        match kind {
            "cron" | "rrule" | "any_of" => self.clone(),
            "every" => TermsForm { gap: String::new(), fold: String::new(), ..self.clone() },
            "once" => TermsForm {
                jitter: self.jitter.clone(),
                delete_when_done: self.delete_when_done,
                misfire: self.misfire.clone(),
                misfire_at_most: self.misfire_at_most.clone(),
                misfire_age: self.misfire_age.clone(),
                misfire_hold: self.misfire_hold,
                ..TermsForm::default()
            },
            _ => TermsForm::default(),
        }
        .with_bounds_where_they_count()
    }

    /// Bounds are those of what catches up with all; with any other choice nobody means them.
    fn with_bounds_where_they_count(self) -> TermsForm {
        if self.misfire == ALL {
            return self;
        }
        TermsForm { misfire_at_most: String::new(), misfire_age: String::new(), misfire_hold: false, ..self }
    }

    /// The policy in the JSON of a schedule; none where nothing is chosen.
    fn misfire(&self) -> Option<Value> {
        if self.misfire.is_empty() {
            return None;
        }
        let mut all = Map::new();
        if !self.misfire_at_most.is_empty() {
            // What is no number is refused where the JSON is read.
            let most = &self.misfire_at_most;
            let most = most.parse::<u64>().map_or_else(|_| most.as_str().into(), Value::from);
            all.insert("at_most".to_owned(), most);
        }
        if !self.misfire_age.is_empty() {
            all.insert("not_older_than".to_owned(), self.misfire_age.as_str().into());
        }
        if self.misfire_hold {
            all.insert("hold".to_owned(), true.into());
        }
        if all.is_empty() {
            return Some(self.misfire.as_str().into());
        }
        all.insert("policy".to_owned(), self.misfire.as_str().into());
        Some(all.into())
    }

    fn dates(&self) -> Vec<&str> {
        self.excluded_dates.split([' ', ',', ';', '\t', '\n']).filter(|text| !text.is_empty()).collect()
    }

    /// Whether two forms of this kind say the same.
    pub(super) fn says_same(&self, other: &TermsForm, kind: &str) -> bool {
        let (one, other) = (self.of_kind(kind), other.of_kind(kind));
        is_same_wall(&one.starts_at, &other.starts_at)
            && is_same_wall(&one.ends_at, &other.ends_at)
            && one.dates() == other.dates()
            && one.calendars == other.calendars
            && one.misfire() == other.misfire()
            && (one.jitter, one.gap, one.fold, one.max_fires, one.delete_when_done)
                == (other.jitter, other.gap, other.fold, other.max_fires, other.delete_when_done)
    }

    /// Says them in the JSON of a schedule of this kind. Where a bound still stands as `shown` showed it, what `kept` has is said instead:
    /// a form shows no microseconds and no second pass of a repeated hour.
    pub(super) fn say(
        &self,
        kind: &str,
        into: &mut Map<String, Value>,
        shown: Option<&TermsForm>,
        kept: Option<&ScheduleDetails>,
    ) {
        let said = self.of_kind(kind);
        let bounds = kept.map(|details| details.terms().bounds);
        let mut say = |name: &str, text: &str, shown: Option<&str>, kept: Option<Timestamp>| {
            let kept = kept.filter(|_| shown.is_some_and(|shown| is_same_wall(shown, text)));
            if !text.is_empty() {
                let text = kept.map_or_else(|| text.to_owned(), |at| at.to_string());
                into.insert(name.to_owned(), text.into());
            }
        };
        let (start, end) = (bounds.and_then(|bounds| bounds.starts_at()), bounds.and_then(|bounds| bounds.ends_at()));
        say("starts_at", &said.starts_at, shown.map(|shown| shown.starts_at.as_str()), start);
        say("ends_at", &said.ends_at, shown.map(|shown| shown.ends_at.as_str()), end);
        say("jitter", &said.jitter, None, None);
        say("gap", &said.gap, None, None);
        say("fold", &said.fold, None, None);
        if let Some(misfire) = said.misfire() {
            into.insert("misfire".to_owned(), misfire);
        }
        if !said.max_fires.is_empty() {
            // What is no number is refused where the JSON is read.
            let most = said.max_fires.parse::<u64>().map_or_else(|_| said.max_fires.as_str().into(), Value::from);
            into.insert("max_fires".to_owned(), most);
        }
        if said.delete_when_done {
            into.insert("delete_when_done".to_owned(), true.into());
        }
        let dates = said.dates();
        if !dates.is_empty() {
            into.insert("excluded_dates".to_owned(), dates.into());
        }
        if !said.calendars.is_empty() {
            into.insert(FIELD.to_owned(), said.calendars.into());
        }
    }

    /// What stands here in words, for whoever compares two forms.
    pub(super) fn words(&self, kind: &str) -> String {
        let said = self.of_kind(kind);
        let dates = said.dates().join(", ");
        let calendars = said.calendars.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let parts = [
            ("from", said.starts_at.replace('T', " ")),
            ("until", said.ends_at.replace('T', " ")),
            ("not on", dates),
            ("spread over", said.jitter),
            ("not on the dates of the calendars", calendars),
            ("skipped times", said.gap.replace('_', " ")),
            ("repeated times", said.fold.replace('_', " ")),
            ("at most so often:", said.max_fires),
            ("what is missed:", said.misfire),
            ("at most so many:", said.misfire_at_most),
            ("not older than", said.misfire_age),
            ("held:", if said.misfire_hold { "yes".to_owned() } else { String::new() }),
            ("deleted when done:", if said.delete_when_done { "yes".to_owned() } else { String::new() }),
        ];
        let parts = parts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(word, text)| format!("{word} {text}"));
        parts.collect::<Vec<_>>().join("; ")
    }
}
