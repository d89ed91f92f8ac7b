//! What every test needs to meet a server: the process, a client, a receiver for deliveries, a cache, patience. No promise is
//! checked here, and nothing here knows what an answer should say.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod memcached;
pub(crate) mod receiver;
pub(crate) mod server;
pub(crate) mod time;
pub(crate) mod token;
pub(crate) mod wait;
