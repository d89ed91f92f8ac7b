//! What stands in docs/ is true, and receivers believe what we send: the reference libraries of Standard Webhooks, the snippets
//! of docs/verify.md, the examples of docs/templates.md. Some need programs and packages of other languages.

mod libraries;
#[expect(unreachable_pub, reason = "it is the snippet for Rust, letter by letter")]
mod receiver;
mod snippets;
mod templates;
mod tool;
