//! Getting in and staying out: forms for people, JSON and tokens for programs.

mod account;
mod forms;
mod limits;
mod registration;
mod sessions;
mod tokens;
