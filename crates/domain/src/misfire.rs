//! What becomes of occurrences that fell due while nobody ran: the choice of a trigger's user. The room exists because no one answer is right
//! for all: a backup that was missed should run once, a report of ten minutes ago is worth nothing. What a choice means for the
//! occurrences of an absence is worked out in `plan`; no clock and no schedule may enter here.

/// What a trigger does about occurrences that fell due while nobody ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Misfire {
    /// The latest of them fires, if it is at most [`LATE_AT_MOST`](crate::plan::LATE_AT_MOST) late; the others do not.
    #[default]
    Latest,
    /// None of them fires.
    Skip,
}

impl Misfire {
    /// The word in the API, in the stores and on the pages.
    pub fn word(&self) -> &'static str {
        match self {
            Misfire::Latest => "latest",
            Misfire::Skip => "skip",
        }
    }

    /// The choice of that word.
    pub fn from_word(word: &str) -> Option<Misfire> {
        [Misfire::Latest, Misfire::Skip].into_iter().find(|misfire| misfire.word() == word)
    }

    /// What is said of whatever falls due while nobody runs, to be put behind a colon.
    pub fn rule(&self) -> &'static str {
        match self {
            Misfire::Latest => "of what falls due meanwhile only the latest fires, if it is at most 24 hours late",
            Misfire::Skip => "by its misfire policy nothing fires that falls due meanwhile",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_lead_back_to_it() {
        for misfire in [Misfire::Latest, Misfire::Skip] {
            assert_eq!(Misfire::from_word(misfire.word()), Some(misfire));
        }
        assert_eq!(Misfire::from_word("never"), None);
        assert_eq!(Misfire::default(), Misfire::Latest);
    }
}
