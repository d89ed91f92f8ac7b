//! What the harnesses share that harm the program on purpose (`kill` one server on a file, `nodes` many on one database): a
//! load that writes down what it asked for and what was acknowledged, and a check that compares this and what the clock
//! demanded with what the program shows and what the receiver got. It knows nothing of how the program works, and of
//! faults only the times in which nobody ran.

pub(crate) mod book;
pub(crate) mod chance;
pub(crate) mod check;
pub(crate) mod doubt;
pub(crate) mod evidence;
pub(crate) mod load;
pub(crate) mod occurrences;
pub(crate) mod pace;
pub(crate) mod parcels;
pub(crate) mod receiver;
pub(crate) mod settle;
pub(crate) mod street;
