//! The engine against the world outside, in one binary: one module for each door.

mod forecast;
mod http;
mod lanes;
mod mail;
mod sim;
