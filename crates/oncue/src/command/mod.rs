//! Every command besides `serve`, one file for each noun.

pub(crate) mod audit;
pub(crate) mod copy;
pub(crate) mod healthcheck;
pub(crate) mod migrate;
pub(crate) mod user;
pub(crate) mod why;
