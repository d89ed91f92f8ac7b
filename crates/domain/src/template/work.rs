//! How much the templates of an attempt may do. A template of a few lines can ask for more than any machine has, so every step and every
//! byte that is looked at, copied or made is paid for, and who has nothing left is stopped: time and memory are bounded
//! by one number, whatever the template and the payload are.

use std::borrow::Cow;
use std::cell::Cell;

use super::BYTES_PER_STEP;

/// How deep lists and objects may nest where somebody walks through them: deeper than payloads do, and shallow enough for
/// small stacks.
const DEPTH_MAX: usize = 150;

/// Why a rendering ends: words without a place, which whoever knows it adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Halt(pub(super) Cow<'static, str>);

impl Halt {
    pub(super) fn new(words: impl Into<Cow<'static, str>>) -> Halt {
        Halt(words.into())
    }
}

/// What is left of the allowance.
#[derive(Debug)]
pub(super) struct Work {
    steps: Cell<usize>,
    depth: Cell<usize>,
}

/// Somebody is one floor further down, until this is dropped.
pub(super) struct Floor<'a>(&'a Work);

impl Drop for Floor<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get() - 1);
    }
}

impl Work {
    pub(super) fn allow(steps: usize) -> Work {
        Work { steps: Cell::new(steps), depth: Cell::new(0) }
    }

    /// Pays for one step.
    pub(super) fn step(&self) -> Result<(), Halt> {
        self.pay(1)
    }

    /// Pays for a step and for bytes that are read, compared, copied or made.
    pub(super) fn bytes(&self, bytes: usize) -> Result<(), Halt> {
        self.pay(1 + bytes / BYTES_PER_STEP)
    }

    /// Pays for values that are put into a list.
    pub(super) fn items(&self, items: usize) -> Result<(), Halt> {
        self.pay(1 + items)
    }

    /// Goes one floor down into lists and objects, for a step.
    pub(super) fn descend(&self) -> Result<Floor<'_>, Halt> {
        self.step()?;
        if self.depth.get() == DEPTH_MAX {
            return Err(Halt::new(format!("lists and objects nest deeper than {DEPTH_MAX}")));
        }
        self.depth.set(self.depth.get() + 1);
        Ok(Floor(self))
    }

    fn pay(&self, steps: usize) -> Result<(), Halt> {
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => {
                self.steps.set(0);
                Err(Halt::new(
                    "the template does more than a template may; make it, others beside it, or the payload smaller",
                ))
            }
        }
    }
}
