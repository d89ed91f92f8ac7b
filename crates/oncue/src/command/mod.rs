//! Every command besides `serve`, one file for each noun.

use std::io::{ErrorKind, Write};

use anyhow::Context;

pub(crate) mod audit;
pub(crate) mod copy;
pub(crate) mod healthcheck;
pub(crate) mod migrate;
pub(crate) mod user;
pub(crate) mod why;

/// Says it on standard output. Whoever closes that while it is written has read enough, as `head` does.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said.context("Standard output cannot be written"),
    }
}
