//! What a store tells of after a commit: hints without data, so that whoever sleeps wakes and looks. Nothing may rest on one of them, for
//! one may get lost: what they are about is read from the store.

use std::sync::Arc;

use crate::id::UserId;

/// What may have changed; a hint that says no more than whose it is, so that nobody is woken by what is not theirs. A lost hint
/// costs latency, never a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A trigger may wait for something earlier than before.
    Armed,
    /// A delivery may be owed.
    Owed,
    /// An event of this user was logged.
    Logged(UserId),
    /// A delivery of this user ended, or its next attempt is due at another time.
    Settled(UserId),
    /// A trigger of this user was made, changed or deleted, or what it waits for was.
    Edited(UserId),
    /// A destination of this user was made, changed or deleted, or takes deliveries or takes them no more.
    Destination(UserId),
    /// Everybody's triggers were frozen, or are no more.
    Frozen,
}

/// Called after commits, from any thread; must not block.
pub type Listener = Arc<dyn Fn(Change) + Send + Sync>;
