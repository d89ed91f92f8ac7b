//! What a receiver reports, read and bounded: what becomes of it is decided by the run it is about.

use crate::error::Invalid;

/// The longest message that is kept, in characters; of a longer one the end is, because that is where programs say what went wrong.
pub const MESSAGE_CHARS_MAX: usize = 1_000;

/// The longest body of a report, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// What is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The work has begun.
    Start,
    /// It has come so far.
    Progress,
    /// It has ended; well, unless an exit code says otherwise.
    Done,
    /// It has ended, and not well.
    Fail,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Verb; 4] = [Verb::Start, Verb::Progress, Verb::Done, Verb::Fail];

    /// The last word of the address to which it is reported.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Progress => "progress",
            Verb::Done => "done",
            Verb::Fail => "fail",
        }
    }

    /// The verb of that word.
    pub fn from_word(word: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// A report, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    verb: Verb,
    message: Option<String>,
    percent: Option<u8>,
    exit_code: Option<i32>,
}

impl Report {
    /// A report that says no more than what it is.
    pub fn of(verb: Verb) -> Report {
        Report { verb, message: None, percent: None, exit_code: None }
    }

    /// Checks what was reported. Of a message without any visible character nothing is kept.
    ///
    /// # Errors
    /// Says what is wrong; the field is `percent` or `exit_code`.
    pub fn new(
        verb: Verb,
        message: Option<&str>,
        percent: Option<i64>,
        exit_code: Option<i64>,
    ) -> Result<Report, Invalid> {
        let percent = match percent {
            Some(percent @ 0..=100) => Some(u8::try_from(percent).expect("it is at most a hundred")),
            Some(_) => return Err(Invalid::new("percent", "This must be a whole number from 0 to 100.")),
            None => None,
        };
        let exit_code = exit_code.map(i32::try_from).transpose();
        let exit_code = exit_code.map_err(|_| Invalid::new("exit_code", "This must be a whole number of 32 bits."))?;
        if verb == Verb::Fail && exit_code == Some(0) {
            return Err(Invalid::new("exit_code", "0 is how a process ends that went well; report it as done."));
        }
        Ok(Report { verb, message: message.and_then(readable), percent, exit_code })
    }

    /// What is reported.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// In its own words.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// How far the work has come, in hundredths.
    pub fn percent(&self) -> Option<u8> {
        self.percent
    }

    /// What its process ended with.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit_code
    }

    /// Whether it says more than its verb.
    pub(super) fn says_something(&self) -> bool {
        self.message.is_some() || self.percent.is_some()
    }
}

/// A message as it is kept: lines stay lines, other control characters go, and what is too long loses its beginning.
fn readable(message: &str) -> Option<String> {
    let calm: String = message.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let calm = calm.trim();
    let surplus = calm.chars().count().saturating_sub(MESSAGE_CHARS_MAX);
    match surplus {
        _ if calm.is_empty() => None,
        0 => Some(calm.to_owned()),
        surplus => Some(std::iter::once('…').chain(calm.chars().skip(surplus + 1)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_message_is_kept_and_no_control_character() {
        let message = |text: &str| Report::new(Verb::Done, Some(text), None, None).expect("it can be read").message;
        assert_eq!(message(" a\u{0}\u{1b}[1m\r\nb\t "), Some("a[1m\nb".to_owned()));
        assert_eq!(message("\r\n \u{7}"), None);
        let long = format!("{}the end", "x".repeat(5_000));
        let kept = message(&long).expect("something is kept");
        assert_eq!(kept.chars().count(), MESSAGE_CHARS_MAX);
        assert!(kept.starts_with("…x") && kept.ends_with("the end"));
        assert_eq!(message(&"é".repeat(MESSAGE_CHARS_MAX)).map(|kept| kept.starts_with('é')), Some(true));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let field = |verb, percent, code| Report::new(verb, None, percent, code).expect_err("it is wrong").field;
        assert_eq!(field(Verb::Progress, Some(101), None), "percent");
        assert_eq!(field(Verb::Progress, Some(-1), None), "percent");
        assert_eq!(field(Verb::Done, None, Some(1 << 40)), "exit_code");
        assert_eq!(field(Verb::Fail, None, Some(0)), "exit_code");
        assert_eq!(Report::new(Verb::Fail, None, Some(100), Some(-9)).expect("it makes sense").exit_code(), Some(-9));
    }

    #[test]
    fn each_verb_is_known_by_its_word() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_word(verb.word()), Some(verb));
        }
        assert_eq!(Verb::from_word("begin"), None);
    }
}
