//! Charts: pure functions from what was counted to markup that a page writes with `{{ chart }}`. No store, no clock (now is
//! an argument) and no style attributes (the content security policy forbids them) may enter. Drawings take shares of the
//! width across and pixels upwards, so that their text keeps its size on a small screen. Every chart says in a sentence what
//! it shows, is told apart by shapes as well as by colours, and comes with the same figures as a table.

mod axis;
mod columns;
mod density;
mod draw;
mod firing_bar;
mod heat;
mod histogram;
mod history;
mod ladder;
mod lateness;
mod life;
mod phases;
mod record;
mod table;
mod ticks;
mod week;
mod words;
mod year;

#[cfg(test)]
mod gallery;

pub(crate) use density::Density;
pub(crate) use firing_bar::{FiringBar, FiringStrip};
pub(crate) use histogram::Histogram;
pub(crate) use history::History;
pub(crate) use ladder::{Ladder, Rung};
pub(crate) use lateness::Lateness;
pub(crate) use life::Life;
pub(crate) use phases::Phases;
pub(crate) use record::Counts;
#[cfg(test)]
pub(crate) use record::{Firing, HourCount, Outcome};
pub(crate) use ticks::Ticks;
pub(crate) use week::WeekGrid;
pub(crate) use year::YearGrid;
