//! What must hold in the database itself once everything has come to rest. The rest of the harness knows the contract alone;
//! this file knows the tables, because a second row that no page shows would be a defect as well.

use super::crew::Crew;

/// A rule, and a statement that counts what breaks it.
type Rule = (&'static str, &'static str);

const RULES: [Rule; 14] = [
    (
        "occurrences with two events",
        "SELECT count(*) FROM (SELECT 1 FROM events WHERE scheduled_at IS NOT NULL
                               GROUP BY trigger_id, scheduled_at HAVING count(*) > 1) AS twice",
    ),
    ("numbers with two events", "SELECT count(*) - count(DISTINCT id) FROM events"),
    ("message ids with two events", "SELECT count(*) - count(DISTINCT message_id) FROM events"),
    ("deliveries that are still owed", "SELECT count(*) FROM outbox"),
    ("triggers that are armed although all are paused", "SELECT count(*) FROM cursors"),
    (
        "deliveries that ended twice",
        "SELECT count(*) FROM (SELECT 1 FROM attempts WHERE delivered GROUP BY event_id, slot HAVING count(*) > 1) AS twice",
    ),
    (
        "deliveries whose attempts are not numbered one after the other",
        "SELECT count(*) FROM (SELECT 1 FROM attempts GROUP BY event_id, slot
                               HAVING min(number) <> 1 OR max(number) <> count(*)) AS odd",
    ),
    (
        "events that owed a delivery and have no attempt that ended it",
        "SELECT count(*)
         FROM events
         LEFT JOIN triggers ON triggers.id = events.trigger_id AND triggers.revision = events.revision
         LEFT JOIN revisions ON revisions.trigger_id = events.trigger_id AND revisions.revision = events.revision
         WHERE coalesce(triggers.webhook_url, revisions.webhook_url) IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.event_id = events.id AND attempts.slot = 0 AND attempts.delivered)",
    ),
    (
        "firings that are not counted, or counted too often",
        "SELECT abs((SELECT coalesce(sum(fired), 0) FROM counts WHERE trigger_id = 0) - (SELECT count(*) FROM events))",
    ),
    (
        "events of which nothing is owed any more that are not counted, or counted too often",
        "SELECT abs((SELECT coalesce(sum(delivered), 0) FROM counts WHERE trigger_id = 0)
                    + (SELECT count(*) FROM failures)
                    - (SELECT count(DISTINCT event_id) FROM attempts))",
    ),
    (
        "deliveries that were given up and have an attempt that succeeded",
        "SELECT count(*) FROM undelivered JOIN attempts USING (event_id, slot) WHERE attempts.delivered",
    ),
    (
        "deliveries that neither succeeded nor were given up",
        "SELECT count(*)
         FROM (SELECT event_id, slot FROM attempts GROUP BY event_id, slot HAVING NOT bool_or(delivered)) AS unsuccessful
         WHERE NOT EXISTS (SELECT 1 FROM undelivered
                           WHERE undelivered.event_id = unsuccessful.event_id AND undelivered.slot = unsuccessful.slot)",
    ),
    (
        "events with a delivery that was given up that do not count as failed, or the other way round",
        "SELECT (SELECT count(DISTINCT event_id) FROM undelivered)
                + (SELECT count(*) FROM failures)
                - 2 * (SELECT count(DISTINCT event_id) FROM undelivered JOIN failures USING (event_id))",
    ),
    (
        "triggers whose skipped occurrences are not counted, or counted too often",
        "SELECT count(*)
         FROM triggers
         WHERE (SELECT coalesce(sum(count), 0) FROM skipped WHERE skipped.trigger_id = triggers.id)
            <> (SELECT coalesce(sum(count), 0) FROM skipped_counts WHERE skipped_counts.trigger_id = triggers.id)",
    ),
];

/// Everything that is not as it must be.
pub(super) fn complaints(crew: &Crew) -> Vec<String> {
    let broken = RULES.iter().map(|(what, statement)| (what, crew.number(statement)));
    broken.filter(|(_, count)| *count != 0).map(|(what, count)| format!("in the database: {count} {what}")).collect()
}

/// How many triggers wait for an occurrence up to an instant (microseconds since 1970).
pub(super) fn armed_until(crew: &Crew, instant_us: i64) -> i64 {
    crew.number(&format!("SELECT count(*) FROM cursors WHERE next_at <= {instant_us}"))
}
