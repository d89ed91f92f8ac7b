//! A destination as lists name it: what it is called, what it is, where it sends, and whether deliveries go there. Where it sends is
//! told without what may be secret: the path of an address stays out.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::destination::alert::Streak;
use oncue_domain::destination::definition::{Dispatch, Kind};
use oncue_domain::destination::{Definition, Destination, DestinationHead, Standing};
use oncue_domain::id::DestinationId;
use oncue_domain::schedule::zone::Zone;
use url::Url;

use crate::ui::badge::Badge;
use crate::ui::moment::Moment;

/// One line.
pub(super) struct DestinationRow {
    pub(super) id: DestinationId,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) place: String,
    pub(super) state: Badge,
    /// Since when it takes no deliveries.
    pub(super) since: Option<Moment>,
    /// Why it was suspended.
    pub(super) reason: Option<String>,
    pub(super) is_active: bool,
    /// The attempts in a row that failed lately.
    pub(super) trouble: Option<Trouble>,
}

/// Attempts in a row that failed.
pub(crate) struct Trouble {
    /// "7 attempts in a row have failed".
    pub(crate) words: String,
    pub(crate) since: Moment,
}

/// After so many failed attempts in a row a destination is said to be failing, however quickly they came.
const FAILURES_OF_NOTE: u32 = 3;

/// After so long without a success it is, too. The first pauses of the standard ladder are five seconds and five minutes: what one repeat
/// mends is nobody's concern.
const TROUBLE_OF_NOTE: SignedDuration = SignedDuration::from_mins(5);

/// Whether the attempts that failed in a row are more than a hiccup.
pub(crate) fn is_failing(streak: &Streak, now: Timestamp) -> bool {
    let is_long = now.duration_since(streak.since) >= TROUBLE_OF_NOTE;
    streak.failures >= FAILURES_OF_NOTE || streak.failures > 0 && is_long
}

impl Trouble {
    pub(crate) fn of(streak: &Streak, zone: &Zone, now: Timestamp) -> Option<Trouble> {
        let words = match streak.failures {
            0 => return None,
            1 => "The last attempt has failed".to_owned(),
            many => format!("{many} attempts in a row have failed"),
        };
        Some(Trouble { words, since: Moment::new(streak.since, now, zone) })
    }
}

impl DestinationRow {
    /// The line of a destination, its times told in `zone`.
    pub(super) fn of(
        destination: &Destination,
        streak: Option<&Streak>,
        zone: &Zone,
        now: Timestamp,
    ) -> DestinationRow {
        let trouble = streak.and_then(|streak| Trouble::of(streak, zone, now));
        let row = DestinationRow::with_place(&destination.head(), place(&destination.definition), zone, now);
        let is_failing = row.is_active && streak.is_some_and(|streak| is_failing(streak, now));
        DestinationRow { trouble, state: if is_failing { Badge::FAILING } else { row.state }, ..row }
    }

    /// The line of a destination of which nothing but its head can be read.
    pub(super) fn unread(head: &DestinationHead, zone: &Zone, now: Timestamp) -> DestinationRow {
        DestinationRow::with_place(head, "cannot be read any more; delete it and make it again".to_owned(), zone, now)
    }

    fn with_place(head: &DestinationHead, place: String, zone: &Zone, now: Timestamp) -> DestinationRow {
        let (since, reason) = match &head.standing {
            Standing::Active => (None, None),
            Standing::Paused { since } => (Some(since), None),
            Standing::Suspended { since, reason } => (Some(since), Some(reason.clone())),
        };
        DestinationRow {
            id: head.id,
            name: head.name.clone(),
            kind: kind_title(&head.kind),
            place,
            state: Badge::of_destination(&head.standing),
            since: since.map(|since| Moment::new(*since, now, zone)),
            reason,
            is_active: head.standing == Standing::Active,
            trouble: None,
        }
    }
}

/// What a kind is called.
pub(super) fn kind_title(word: &str) -> &'static str {
    match word {
        "discord" => "Discord",
        "slack" => "Slack",
        "github" => "GitHub",
        "ntfy" => "ntfy",
        "email" => "E-mail",
        "inbox" => "Inbox",
        _ => "Webhook",
    }
}

/// What a destination is called where it may be gone.
pub(crate) fn label(name: Option<&str>, id: DestinationId) -> String {
    name.map_or_else(|| format!("Destination {id}"), ToOwned::to_owned)
}

/// Where it sends, without what may be secret.
fn place(definition: &Definition) -> String {
    match &definition.kind {
        Kind::Webhook(webhook) => host(webhook.address.known()),
        Kind::Discord(address) | Kind::Slack(address) => host(address),
        Kind::Github(github) => match &github.dispatch {
            Dispatch::Workflow { file, .. } => format!("{}/{}, {file}", github.owner, github.repository),
            Dispatch::Repository { event_type } => format!("{}/{}, {event_type}", github.owner, github.repository),
        },
        Kind::Ntfy(ntfy) => format!("{} at {}", ntfy.topic, host(&ntfy.server)),
        Kind::Email(mail) => match mail.to.as_slice() {
            [only] => only.to_string(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => String::new(),
        },
        Kind::Inbox(_) => "inside oncue".to_owned(),
    }
}

fn host(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;
    use serde_json::json;

    #[test]
    fn a_destination_is_failing_after_three_attempts_in_a_row_or_five_minutes() {
        let since = Timestamp::UNIX_EPOCH;
        let at = |failures, seconds| {
            is_failing(&Streak { failures, since, told: None }, since + SignedDuration::from_secs(seconds))
        };
        assert!(!at(0, 900) && !at(1, 0) && !at(2, 299));
        assert!(at(3, 0) && at(1, 300) && at(24, 3600));
    }

    #[test]
    fn a_failing_destination_is_not_called_active_and_a_paused_one_stays_paused() {
        let definition = json!({"name": "a", "kind": "webhook", "url": "https://example.com/"});
        let now = Timestamp::UNIX_EPOCH;
        let destination = |standing| Destination {
            id: DestinationId(7),
            owner: oncue_domain::id::UserId(1),
            revision: 1,
            created_at: now,
            standing,
            definition: std::sync::Arc::new(Definition::read(&definition, None).expect("a destination")),
        };
        let streak = Streak { failures: 24, since: now, told: None };
        let word = |standing| DestinationRow::of(&destination(standing), Some(&streak), &Zones::utc(), now).state.word;
        assert_eq!((word(Standing::Active), word(Standing::Paused { since: now })), ("failing", "paused"));
    }

    #[test]
    fn a_list_says_where_a_destination_sends_and_keeps_secret_paths_to_itself() {
        let rows = [
            (json!({"kind": "webhook", "url": "https://example.com:8443/secret"}), "example.com:8443"),
            (json!({"kind": "discord", "url": "https://discord.com/api/webhooks/1/secret"}), "discord.com"),
            (json!({"kind": "slack", "url": "https://hooks.slack.com/services/T/B/secret"}), "hooks.slack.com"),
            (
                json!({"kind": "github", "github": {"owner": "ann", "repository": "site", "token": "secret", "event_type": "due"}}),
                "ann/site, due",
            ),
            (json!({"kind": "ntfy", "ntfy": {"topic": "backups", "token": "secret"}}), "backups at ntfy.sh"),
            (
                json!({"kind": "email", "email": {"host": "smtp.example.com", "from": "a@b", "to": ["c@d", "e@f", "g@h"]}}),
                "c@d and 2 more",
            ),
            (json!({"kind": "inbox"}), "inside oncue"),
        ];
        for (mut value, expected) in rows {
            value["name"] = json!("n");
            let definition = Definition::read(&value, None).expect("a destination");
            assert_eq!(place(&definition), expected);
        }
    }
}
