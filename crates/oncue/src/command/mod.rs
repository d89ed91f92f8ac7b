//! Every command besides `serve`, one file for each noun.

pub(crate) mod healthcheck;
pub(crate) mod user;
