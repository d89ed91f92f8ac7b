//! The figures of a drawing as a table, for those who do not see it and those who want to know exactly.

use askama::Template;

/// A table behind a line that opens it.
#[derive(Clone, Debug, Template)]
#[template(path = "chart/table.html")]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
}

impl askama::filters::HtmlSafe for Table {}

/// One line of a table.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) head: String,
    /// Where more about it stands.
    pub(super) href: Option<String>,
    pub(super) cells: Vec<String>,
}

impl Row {
    pub(super) fn new(head: String, cells: Vec<String>) -> Row {
        Row { head, href: None, cells }
    }
}
