//! What is copied, table by table: the columns of the target, and where the source has them. What makes a server act stands
//! last: what waits for its time.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A table of the target and what it is filled from.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// The source's rows.
    pub(crate) from: &'static str,
    /// In which order they are read; an index gives it, so that nothing is sorted.
    order: &'static str,
    /// The place of the column that says in which partition a row belongs.
    pub(crate) fired_at: Option<usize>,
}

/// A column of the target.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Where the source has it.
    of: &'static str,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Flag,
    Text,
    Bytes,
    Uuid,
}

/// A column's value on its way.
#[derive(Debug)]
pub(crate) enum Value {
    Number(Option<i64>),
    Flag(Option<bool>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
}

/// Rows on their way, each as long as its table has columns.
pub(crate) type Rows = Vec<Vec<Value>>;

impl Kind {
    pub(crate) fn type_in_target(self) -> Type {
        match self {
            Kind::Number => Type::INT8,
            Kind::Flag => Type::BOOL,
            Kind::Text => Type::TEXT,
            Kind::Bytes => Type::BYTEA,
            Kind::Uuid => Type::UUID,
        }
    }
}

impl Value {
    pub(crate) fn as_parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Value::Number(number) => number,
            Value::Flag(flag) => flag,
            Value::Text(text) => text,
            Value::Bytes(bytes) => bytes,
            Value::Uuid(uuid) => uuid,
        }
    }

    /// About how much room it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Value::Number(_) | Value::Flag(_) | Value::Uuid(_) => size_of::<Value>(),
            Value::Text(text) => size_of::<Value>() + text.as_ref().map_or(0, String::len),
            Value::Bytes(bytes) => size_of::<Value>() + bytes.as_ref().map_or(0, Vec::len),
        }
    }
}

impl Table {
    /// Asks the source for all rows.
    pub(crate) fn select(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.of).collect();
        format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), self.from, self.order)
    }

    /// Asks the source how many rows there are.
    pub(crate) fn count(&self) -> String {
        format!("SELECT count(*) FROM {}", self.from)
    }

    /// Hands rows to the target.
    pub(crate) fn copy_in(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        format!("COPY {} ({}) FROM STDIN (FORMAT binary)", self.name, columns.join(", "))
    }
}

const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number, of: name }
}

const fn flag(name: &'static str) -> Column {
    Column { name, kind: Kind::Flag, of: name }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text, of: name }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes, of: name }
}

impl Column {
    const fn from(self, of: &'static str) -> Column {
        Column { of, ..self }
    }
}

/// All tables, in the order in which they are copied.
pub(crate) const TABLES: [Table; 33] = [
    Table {
        name: "users",
        columns: &[
            number("id"),
            text("email"),
            text("email_key"),
            text("password_hash"),
            flag("is_operator"),
            number("created_at"),
            number("disabled_at"),
            text("zone"),
            text("shown_in"),
            text("theme"),
            flag("shortcuts"),
        ],
        from: "users",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "sessions",
        columns: &[text("id"), number("user_id"), number("created_at"), number("expires_at"), text("agent")],
        from: "sessions",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "api_keys",
        columns: &[
            number("id"),
            number("owner"),
            text("name"),
            text("prefix"),
            bytes("hash"),
            text("scopes"),
            number("created_at"),
            number("expires_at"),
            number("last_used_at"),
        ],
        from: "api_keys",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "triggers",
        columns: &[
            number("id"),
            number("owner"),
            number("revision"),
            text("name"),
            text("schedule"),
            text("payload"),
            text("payload_schema"),
            text("webhook_url"),
            text("webhook_format"),
            flag("is_test"),
            flag("enabled"),
            number("expires_at"),
            number("created_at"),
            number("standing_since"),
            text("destinations"),
            text("made_by"),
            number("revised_at"),
            text("pause_reason"),
            number("pause_until"),
            text("expects"),
            text("overlap"),
            number("pause_told"),
            number("expiry_told"),
        ],
        from: "triggers",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "limits",
        columns: &[number("trigger_id"), number("fired"), number("counted_until")],
        from: "limits",
        order: "trigger_id",
        fired_at: None,
    },
    Table {
        name: "backlogs",
        columns: &[
            number("id"),
            number("owner"),
            number("trigger_id"),
            number("revision"),
            text("source"),
            number("first_at"),
            number("last_at"),
            number("total"),
            number("next_at"),
            number("remaining"),
            flag("is_held"),
            number("made_at"),
            text("made_by"),
            number("turn"),
            number("last_event"),
        ],
        from: "backlogs",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "former_triggers",
        columns: &[
            number("id"),
            number("owner"),
            number("revision"),
            text("name"),
            text("schedule"),
            text("payload"),
            text("payload_schema"),
            text("webhook_url"),
            text("webhook_format"),
            flag("is_test"),
            flag("enabled"),
            number("expires_at"),
            number("created_at"),
            number("standing_since"),
            text("destinations"),
            text("made_by"),
            number("revised_at"),
            text("pause_reason"),
            number("pause_until"),
            text("expects"),
            text("overlap"),
            number("until_at"),
            number("fired"),
            number("counted_until"),
            text("deleted_by"),
            number("next_at"),
            number("bytes_up_to"),
            flag("was_under_way"),
        ],
        from: "former_triggers",
        order: "id, revision",
        fired_at: None,
    },
    Table {
        name: "runs",
        columns: &[
            number("event_id"),
            number("owner"),
            number("trigger_id"),
            number("fired_at"),
            number("due_at"),
            text("said"),
            number("overlap_of"),
        ],
        from: "runs",
        order: "event_id",
        fired_at: None,
    },
    Table {
        name: "zone_data",
        columns: &[number("id"), text("release"), text("release_before"), number("since_at")],
        from: "zone_data",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "retention",
        columns: &[number("id"), number("active_for"), number("keep_for")],
        from: "retention",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "acts",
        columns: &[
            number("id"),
            number("owner"),
            number("done_at"),
            text("by_kind"),
            number("by_id"),
            text("made_by"),
            text("action"),
            text("thing"),
            number("thing_id"),
            text("name"),
            text("details"),
        ],
        from: "acts",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "destinations",
        columns: &[
            number("id"),
            number("owner"),
            number("revision"),
            text("name"),
            text("kind"),
            text("definition"),
            number("standing"),
            number("since"),
            text("reason"),
            number("created_at"),
            flag("in_order"),
        ],
        from: "destinations",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "calendars",
        columns: &[
            number("id"),
            number("owner"),
            number("revision"),
            text("name"),
            text("description"),
            number("created_at"),
            number("edited_at"),
            text("dates"),
        ],
        from: "calendars",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "trigger_calendars",
        columns: &[number("calendar_id"), number("trigger_id")],
        from: "trigger_calendars",
        order: "calendar_id, trigger_id",
        fired_at: None,
    },
    Table {
        name: "turns",
        columns: &[number("destination_id"), number("full_at")],
        from: "turns",
        order: "destination_id",
        fired_at: None,
    },
    Table {
        name: "streaks",
        columns: &[number("destination_id"), number("failures"), number("since"), number("told"), number("told_at")],
        from: "streaks",
        order: "destination_id",
        fired_at: None,
    },
    Table {
        name: "trigger_destinations",
        columns: &[number("destination_id"), number("trigger_id")],
        from: "trigger_destinations",
        order: "destination_id, trigger_id",
        fired_at: None,
    },
    Table {
        name: "revisions",
        columns: &[
            number("trigger_id"),
            number("revision"),
            text("kind"),
            text("name"),
            text("payload"),
            text("webhook_url"),
            text("webhook_format"),
            number("ended_at"),
        ],
        from: "revisions",
        order: "rowid",
        fired_at: None,
    },
    Table {
        name: "events",
        columns: &[
            number("id"),
            number("owner"),
            number("trigger_id"),
            number("revision"),
            number("origin"),
            number("scheduled_at"),
            number("fired_at"),
            Column { name: "message_id", kind: Kind::Uuid, of: "message_id" },
            text("payload"),
            number("parent"),
            number("due_at"),
        ],
        from: "events",
        order: "id",
        fired_at: Some(6),
    },
    Table {
        name: "attempts",
        columns: &[
            number("event_id"),
            number("slot"),
            number("number"),
            number("fired_at").from("events.fired_at"),
            number("destination"),
            number("started_at"),
            number("took_us"),
            number("status"),
            text("error"),
            bytes("answer"),
            flag("delivered"),
            bytes("receipt").from("receipts.head"),
            bytes("body").from("receipts.body"),
        ],
        from: "attempts CROSS JOIN events ON events.id = attempts.event_id
               LEFT JOIN receipts ON receipts.id = attempts.receipt",
        order: "event_id, slot, number",
        fired_at: Some(3),
    },
    Table {
        name: "failures",
        columns: &[number("event_id"), number("owner"), number("trigger_id"), number("fired_at")],
        from: "failures",
        order: "event_id",
        fired_at: None,
    },
    Table {
        name: "undelivered",
        columns: &[
            number("event_id"),
            number("slot"),
            number("destination"),
            number("owner"),
            number("trigger_id"),
            number("fired_at"),
            number("failed_at"),
            text("why"),
        ],
        from: "undelivered",
        order: "event_id, slot",
        fired_at: None,
    },
    Table {
        name: "idempotency",
        columns: &[
            number("owner"),
            text("key"),
            number("item"),
            bytes("print"),
            number("done_at"),
            number("number"),
            number("status"),
            bytes("answer"),
        ],
        from: "idempotency",
        order: "owner, key, item",
        fired_at: None,
    },
    Table {
        name: "arrivals",
        columns: &[
            number("id"),
            number("owner"),
            number("destination"),
            number("event_id"),
            number("slot"),
            number("attempt"),
            number("arrived_at"),
            text("method"),
            number("body_bytes"),
            text("signed_by"),
            text("unverified"),
            number("status"),
            number("waited_us"),
            text("headers"),
            number("size"),
            bytes("body"),
        ],
        from: "arrivals",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "skipped",
        columns: &[
            number("id"),
            number("owner"),
            number("trigger_id"),
            text("reason"),
            number("first_at"),
            number("last_at"),
            number("count"),
            number("recorded_at"),
        ],
        from: "skipped",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "freezes",
        columns: &[
            number("id"),
            number("owner"),
            text("reason"),
            number("from_at"),
            number("until_at"),
            text("made_by"),
            number("told_until"),
        ],
        from: "freezes",
        order: "id",
        fired_at: None,
    },
    Table {
        name: "absences",
        columns: &[number("from_at"), number("to_at")],
        from: "absences",
        order: "from_at",
        fired_at: None,
    },
    Table {
        name: "counts",
        columns: &[
            number("owner"),
            number("trigger_id"),
            number("hour"),
            // Where the slots of an hour are put together; no node counts there.
            number("slot").from("0"),
            number("fired"),
            number("delivered"),
            number("failed"),
            number("skipped"),
            number("late0"),
            number("late1"),
            number("late2"),
            number("late3"),
            number("late4"),
            number("ended_at"),
            number("ended_event"),
        ],
        from: "counts",
        order: "hour, owner, trigger_id",
        fired_at: None,
    },
    Table {
        name: "skipped_counts",
        columns: &[
            number("trigger_id"),
            number("owner"),
            number("last_hour"),
            number("first_hour"),
            text("reason"),
            number("slot").from("0"),
            number("first_at"),
            number("last_at"),
            number("count"),
        ],
        from: "skipped_counts",
        order: "trigger_id, owner, last_hour, first_hour, reason",
        fired_at: None,
    },
    Table {
        name: "uncounted",
        columns: &[number("trigger_id"), number("owner")],
        from: "uncounted",
        order: "trigger_id",
        fired_at: None,
    },
    Table {
        name: "firings",
        columns: &[
            number("trigger_id"),
            number("fired_at"),
            number("event_id"),
            number("origin"),
            number("scheduled_at"),
            text("outcome"),
            number("attempts"),
            number("took_us"),
            number("due_at"),
        ],
        from: "firings",
        order: "trigger_id, fired_at, event_id",
        fired_at: None,
    },
    // Claims belong to the process that made them: what it held is owed at once.
    Table {
        name: "outbox",
        columns: &[
            number("event_id"),
            number("slot"),
            number("destination"),
            number("deliveries"),
            number("fired_at").from("events.fired_at"),
            number("due_at").from("iif(is_held, 0, outbox.due_at)"),
            number("held_by").from("NULL"),
            flag("is_parked"),
            number("tried"),
            number("fence"),
            number("ladder_from"),
            flag("has_arrived"),
            number("counted"),
            flag("in_order"),
            number("overlap_of"),
        ],
        from: "outbox CROSS JOIN events ON events.id = outbox.event_id",
        order: "event_id, slot",
        fired_at: None,
    },
    Table {
        name: "cursors",
        columns: &[number("trigger_id"), number("next_at"), number("revision"), flag("waits"), number("waited_until")],
        from: "cursors",
        order: "trigger_id",
        fired_at: None,
    },
];

/// The tables whose rows are numbered, and where the source says which number was the last. A number is never given out
/// again, not even one of a row that is gone.
pub(crate) const NUMBERED: [(&str, &str); 13] = [
    ("arrivals_id_seq", "SELECT seq FROM sqlite_sequence WHERE name = 'arrivals'"),
    ("calendars_id_seq", "SELECT seq FROM sqlite_sequence WHERE name = 'calendars'"),
    ("destinations_id_seq", "SELECT seq FROM sqlite_sequence WHERE name = 'destinations'"),
    ("users_id_seq", "SELECT seq FROM sqlite_sequence WHERE name = 'users'"),
    ("api_keys_id_seq", "SELECT seq FROM sqlite_sequence WHERE name = 'api_keys'"),
    ("triggers_id_seq", "SELECT seq FROM sqlite_sequence WHERE name = 'triggers'"),
    ("event_ids", "SELECT seq FROM sqlite_sequence WHERE name = 'events'"),
    ("acts_id_seq", "SELECT seq FROM sqlite_sequence WHERE name = 'acts'"),
    ("backlogs_id_seq", "SELECT seq FROM sqlite_sequence WHERE name = 'backlogs'"),
    ("freezes_id_seq", "SELECT max(id) FROM freezes"),
    ("skipped_id_seq", "SELECT max(id) FROM skipped"),
    ("tried_out_triggers", "SELECT -value FROM counters WHERE name = 'tried_out_triggers'"),
    ("redeliveries", "SELECT value FROM counters WHERE name = 'redeliveries'"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(sql: &'a str, word: &str) -> Vec<&'a str> {
        sql.split(word).skip(1).filter_map(|rest| rest.split_whitespace().next()).collect()
    }

    /// What only one of the two databases has, or what is carried over by other means.
    const APART: [&str; 12] = [
        "freezing",
        "counters",
        "counted",
        "expired",
        "nodes",
        "last_sign",
        "copies",
        "moves",
        "moved",
        "migrations",
        "cursors",
        "receipts",
    ];

    #[test]
    fn every_table_of_either_database_is_copied_or_known_to_be_apart() {
        for steps in [crate::migrations::SQLITE, crate::migrations::POSTGRES] {
            for step in steps {
                let made = names(step.sql, "CREATE TABLE ").into_iter().chain(names(step.sql, "CREATE TEMP TABLE "));
                for table in made {
                    let is_copied = TABLES.iter().any(|copied| copied.name == table);
                    assert!(is_copied || APART.contains(&table), "{table}");
                }
            }
        }
        assert_eq!(TABLES.last().map(|table| table.name), Some("cursors"), "what makes a server act stands last");
    }
}
