//! The pages as people meet them: a real browser against the real server, with the keyboard alone, with JavaScript and without
//! it. What a person goes through stands in `journey`, one file for each; where it is played in `stage`; what must hold on
//! every page in `inspection`; what needs no browser to be seen in `wall`. The server is a test build whose clock is moved.

#![allow(clippy::disallowed_methods, reason = "outside of the house the only clock is the real one")]

mod calendars;
mod driver;
mod events;
mod form;
mod form_journey;
mod frame;
mod inspection;
mod journey;
mod proof;
mod stage;
#[allow(dead_code, reason = "the black-box tests share it, and each of the two leaves some of it to the other")]
#[path = "../it/support/mod.rs"]
mod support;
mod wall;
