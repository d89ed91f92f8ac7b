//! What is said to the store of users and their keys, and what it answers. Secrets come in here as hashes only.

use jiff::Timestamp;

use crate::access::{KeyHash, Scope, User};
use crate::id::UserId;

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The e-mail address as typed.
    pub email: String,
    /// The password's hash in PHC form.
    pub password_hash: String,
}

/// What came of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The user was made.
    Done(User),
    /// There is a user with that address, compared without case.
    EmailTaken,
    /// Registration is closed, or was for the first user only.
    Closed,
}

/// An API key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whose it is.
    pub owner: UserId,
    /// What its owner calls it.
    pub name: String,
    /// The beginning of the key.
    pub prefix: String,
    /// The hash it is found by.
    pub hash: KeyHash,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}
