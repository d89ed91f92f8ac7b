//! What becomes of occurrences that fell due while nobody ran: the choice of a trigger's user. The room exists because no one answer is right
//! for all: a backup that was missed should run once, a report of ten minutes ago is worth nothing, and an hourly import wants each of
//! its hours. What a choice means for the occurrences of an absence is worked out in `plan`; no clock and no schedule may enter here.

use jiff::SignedDuration;

use crate::backlog::BACKLOG_MAX;
use crate::schedule::every::Period;

/// What a trigger does about occurrences that fell due while nobody ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Misfire {
    /// The latest of them fires, if it is at most [`LATE_AT_MOST`](crate::plan::LATE_AT_MOST) late; the others do not.
    #[default]
    Latest,
    /// None of them fires.
    Skip,
    /// All of them within bounds fire, behind whatever is due now; the others do not.
    All(Box<Bounds>),
}

/// Which of the missed occurrences fire where all do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    at_most: u64,
    not_older_than: Period,
    hold: bool,
}

/// How many fire where nobody says.
const AT_MOST: u64 = 1_000;

/// How old they may be where nobody says, in seconds.
const NOT_OLDER_THAN_S: u64 = 24 * 3600;

impl Default for Bounds {
    fn default() -> Bounds {
        let not_older_than = Period::parse(&format!("{}h", NOT_OLDER_THAN_S / 3600)).expect("a day is a period");
        Bounds { at_most: AT_MOST, not_older_than, hold: false }
    }
}

impl Bounds {
    /// The newest `at_most` of those that are not older than that, and whether a person is to release them. None where that is no number
    /// from one to [`BACKLOG_MAX`].
    pub fn new(at_most: Option<u64>, not_older_than: Option<Period>, hold: bool) -> Option<Bounds> {
        let usual = Bounds::default();
        let at_most = at_most.unwrap_or(usual.at_most);
        let not_older_than = not_older_than.unwrap_or(usual.not_older_than);
        (1..=BACKLOG_MAX).contains(&at_most).then_some(Bounds { at_most, not_older_than, hold })
    }

    /// How many fire at most, the newest.
    pub fn at_most(&self) -> u64 {
        self.at_most
    }

    /// How long they may have been due.
    pub fn not_older_than(&self) -> &Period {
        &self.not_older_than
    }

    /// Whether they wait for a person to release them.
    pub fn hold(&self) -> bool {
        self.hold
    }

    /// How long they may have been due.
    pub fn age(&self) -> SignedDuration {
        SignedDuration::from_micros(i64::try_from(self.not_older_than.micros()).unwrap_or(i64::MAX))
    }
}

impl Misfire {
    /// The word in the API, in the stores and on the pages.
    pub fn word(&self) -> &'static str {
        match self {
            Misfire::Latest => "latest",
            Misfire::Skip => "skip",
            Misfire::All(_) => "all",
        }
    }

    /// The choice of that word, with the usual bounds.
    pub fn from_word(word: &str) -> Option<Misfire> {
        let all = || Misfire::All(Box::default());
        [Misfire::Latest, Misfire::Skip, all()].into_iter().find(|misfire| misfire.word() == word)
    }

    /// The bounds within which all fire; none where not all do.
    pub fn bounds(&self) -> Option<&Bounds> {
        match self {
            Misfire::All(bounds) => Some(bounds),
            Misfire::Latest | Misfire::Skip => None,
        }
    }

    /// What it says in the sentence about a schedule, to be put behind it; empty for what needs no saying.
    pub fn in_words(&self) -> String {
        match self {
            Misfire::Latest => String::new(),
            Misfire::Skip => "; what is missed is skipped".to_owned(),
            Misfire::All(bounds) => {
                let hold = if bounds.hold { " once released" } else { "" };
                let (most, age) = (bounds.at_most, bounds.not_older_than.as_str());
                format!("; what is missed fires late{hold}, at most {most} times and not older than {age}")
            }
        }
    }

    /// What is said of whatever falls due while nobody runs, to be put behind a colon.
    pub fn rule(&self) -> String {
        match self {
            Misfire::Latest => {
                "of what falls due meanwhile only the latest fires, if it is at most 24 hours late".to_owned()
            }
            Misfire::Skip => "by its misfire policy nothing fires that falls due meanwhile".to_owned(),
            Misfire::All(bounds) => format!(
                "of what falls due meanwhile the newest {} fire, if they are not older than {}",
                bounds.at_most,
                bounds.not_older_than.as_str()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_lead_back_to_it() {
        for misfire in [Misfire::Latest, Misfire::Skip, Misfire::All(Box::default())] {
            assert_eq!(Misfire::from_word(misfire.word()), Some(misfire));
        }
        assert_eq!(Misfire::from_word("never"), None);
        assert_eq!(Misfire::default(), Misfire::Latest);
    }

    #[test]
    fn all_has_bounds_that_it_says() {
        let bounds = Bounds::new(Some(5), Some(Period::parse("3h").expect("a period")), true).expect("few");
        assert_eq!(bounds.age(), SignedDuration::from_hours(3));
        let all = Misfire::All(Box::new(bounds));
        assert_eq!(all.in_words(), "; what is missed fires late once released, at most 5 times and not older than 3h");
        assert!(all.rule().contains("the newest 5 fire, if they are not older than 3h"), "{}", all.rule());
        assert_eq!(Bounds::new(None, None, false), Some(Bounds::default()));
        for none in [0, BACKLOG_MAX + 1] {
            assert_eq!(Bounds::new(Some(none), None, false), None);
        }
    }
}
