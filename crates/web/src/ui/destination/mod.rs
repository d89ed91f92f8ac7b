//! The pages of destinations: the list, the form that makes and changes one, the page of one, and what can be done with it. What a
//! destination can be is decided where its JSON is read, and how one is made and changed is shared with the API; here are only the
//! words, and nothing that was once a secret comes back to a page, but for the one answer that shows a signing secret just drawn.

mod action;
mod choice;
mod delete;
mod edit;
mod field;
mod form;
mod going;
mod list;
mod page;
mod preview;
mod row;

pub(super) use action::{pause, resume, rotate, take_secret, test};
pub(super) use choice::{Choice, choices, named};
pub(super) use delete::{delete, delete_page};
pub(super) use edit::{create, edit, edit_page, new_page};
pub(super) use form::FORM_BYTES_MAX;
pub(super) use going::Going;
pub(super) use list::list;
pub(super) use page::show;
pub(super) use preview::{preview_edit, preview_new};
pub(super) use row::{Trouble, is_failing, label};
