//! What becomes of a cron line's times where a zone's clocks change: the choice, and what is chosen where nobody does. What a choice
//! means for instants is worked out in `stretch`; no zone and no instant may enter here.

use crate::schedule::dialect::{Fields, Item};

/// What happens to times that the clocks leave out, and to those they show twice.
///
/// Without a choice it is Vixie's rule (contract.md §3), which follows from what the line's fields begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Times that the clocks leave out.
    pub gap: Gap,
    /// Times that the clocks show twice.
    pub fold: Fold,
}

/// What happens to wall times that the clocks leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// They fire as one at the first instant after the gap, unless it is longer than three hours: then a day was skipped.
    AtItsEnd,
    /// They do not occur.
    LeftOut,
}

/// What happens to wall times that the clocks show twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// They fire when the clock first shows them, or first passes them: what fired at the end of a gap does not fire once more.
    FirstPass,
    /// They fire whenever they are shown.
    BothPasses,
}

impl Gap {
    /// The word in the API, in the stores and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            Gap::AtItsEnd => "at_its_end",
            Gap::LeftOut => "left_out",
        }
    }

    /// The choice of that word.
    pub fn from_word(word: &str) -> Option<Gap> {
        [Gap::AtItsEnd, Gap::LeftOut].into_iter().find(|gap| gap.word() == word)
    }
}

impl Fold {
    /// The word in the API, in the stores and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            Fold::FirstPass => "first_pass",
            Fold::BothPasses => "both_passes",
        }
    }

    /// The choice of that word.
    pub fn from_word(word: &str) -> Option<Fold> {
        [Fold::FirstPass, Fold::BothPasses].into_iter().find(|fold| fold.word() == word)
    }
}

impl Rule {
    /// For lines that name times of day: each comes once.
    pub const FIXED: Rule = Rule { gap: Gap::AtItsEnd, fold: Fold::FirstPass };
    /// For lines that follow elapsed time: whenever the clock shows what they name.
    pub const WILD: Rule = Rule { gap: Gap::LeftOut, fold: Fold::BothPasses };

    /// Vixie's distinction: a field that begins with `*` makes the line follow the clock, not name times of day.
    pub(super) fn of(fields: &Fields) -> Rule {
        let begins_with_star = |field: &Vec<Item>| matches!(field[0], Item::All | Item::AllBy(_));
        let any = fields.second.as_ref().is_some_and(begins_with_star)
            || begins_with_star(&fields.minute)
            || begins_with_star(&fields.hour);
        if any { Rule::WILD } else { Rule::FIXED }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::zone::Zones;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn firings(text: &str, rule: Rule, after: &str, until: &str) -> Vec<String> {
        let new_york = Zones::bundled().get("America/New_York").expect("a zone of the bundled copy");
        let line = CronExpression::parse(text).expect("a test writes its lines well").with_rule(rule);
        let mut found = Vec::new();
        let mut cursor = at(after);
        while let Some(next) = line.next_after(&new_york, cursor).filter(|next| *next <= at(until)) {
            found.push(next.to_string());
            cursor = next;
        }
        assert_eq!(line.count_in(&new_york, at(after), at(until)), found.len() as u64, "{text} by {rule:?}");
        assert_eq!(line.latest_in(&new_york, at(after), at(until)), found.last().map(|last| at(last)));
        found
    }

    #[test]
    fn a_line_has_its_rule_by_what_its_fields_begin_with_until_another_is_chosen() {
        let parse = |text| CronExpression::parse(text).expect("a test writes its lines well");
        for text in ["30 2 * * *", "0,30 1-3 * * *", "15 30 2 * * *", "0-59/5 0-23 * * *", "@daily"] {
            assert_eq!(parse(text).rule(), Rule::FIXED, "{text}");
        }
        for text in ["* 2 * * *", "*/5 2 * * *", "30 * * * *", "30 */2 * * *", "* 30 2 * * *", "@hourly"] {
            assert_eq!(parse(text).rule(), Rule::WILD, "{text}");
        }
        assert_eq!(parse("@daily").with_rule(Rule::WILD).rule(), Rule::WILD);
        assert_ne!(parse("@daily").with_rule(Rule::WILD), parse("@daily"));
    }

    #[test]
    fn each_choice_does_what_it_says() {
        let spring = ("2026-03-08T05:30:00Z", "2026-03-08T08:00:00Z");
        let autumn = ("2026-11-01T04:30:00Z", "2026-11-01T07:30:00Z");
        let (made_up, first, second) = ("2026-03-08T07:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z");
        for (gap, in_gap) in [(Gap::AtItsEnd, vec![made_up]), (Gap::LeftOut, vec![])] {
            for (fold, in_fold) in [(Fold::FirstPass, vec![first]), (Fold::BothPasses, vec![first, second])] {
                let rule = Rule { gap, fold };
                assert_eq!(firings("30 2 * * *", rule, spring.0, spring.1), in_gap, "{rule:?}");
                assert_eq!(firings("30 1 * * *", rule, autumn.0, autumn.1), in_fold, "{rule:?}");
            }
        }
    }

    #[test]
    fn what_is_named_where_a_gap_ends_fires_there_once() {
        let spring = ("2026-03-08T05:30:00Z", "2026-03-08T08:00:00Z");
        for fold in [Fold::FirstPass, Fold::BothPasses] {
            for gap in [Gap::AtItsEnd, Gap::LeftOut] {
                let found = firings("0 2,3 * * *", Rule { gap, fold }, spring.0, spring.1);
                assert_eq!(found, ["2026-03-08T07:00:00Z"], "{gap:?} {fold:?}");
            }
        }
    }
}
