//! What stands in docs/ is true, and receivers believe what we send: the reference libraries of Standard Webhooks, the snippets
//! of docs/verify.md, the examples of docs/templates.md, docs/cron.md and docs/rrule.md. Some need programs and packages of other languages. And
//! schedules do what an oracle, other crons and the calendar say: `transitions`, `vectors`, `calendar`.

mod calendar;
mod cron;
mod libraries;
#[expect(unreachable_pub, reason = "it is the snippet for Rust, letter by letter")]
mod receiver;
mod rrule;
mod snippets;
mod templates;
mod tool;
mod transitions;
mod vectors;
