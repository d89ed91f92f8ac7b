//! What went wrong with a throw-away server, in words for whoever runs the tests.

/// Why there is no server, or why it did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// For `map_err`: what was being done when the system said no.
    pub(crate) fn while_doing(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
