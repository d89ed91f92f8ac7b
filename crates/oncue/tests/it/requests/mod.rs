//! What holds for every request in every mode, and for every answer.

mod addresses;
mod bodies;
mod origin;
mod pages;
mod snippets;
mod wire;
