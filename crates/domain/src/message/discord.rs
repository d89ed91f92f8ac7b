//! An event as a Discord webhook message: one line that shows in a notification, and an embed with the details. The limits
//! are those of Discord's "Execute Webhook" and "Embed Limits", counted in UTF-16 code units.

use jiff::Timestamp;
use serde::Serialize;

use crate::event::{Event, Origin};

/// The longest line above the embed.
const CONTENT_UNITS_MAX: usize = 2000;

/// The longest title of an embed.
const TITLE_UNITS_MAX: usize = 256;

/// The longest value of a field. Three fields, a title and a footer at their longest stay far below the 6000 that an embed
/// may have.
const VALUE_UNITS_MAX: usize = 1024;

const BLURPLE: u32 = 0x58_65_f2;
const GREY: u32 = 0x95_a5_a6;
const ORANGE: u32 = 0xe6_7e_22;

/// The body of the request.
#[derive(Serialize)]
pub(super) struct Message {
    content: String,
    embeds: [Embed; 1],
    allowed_mentions: AllowedMentions,
}

#[derive(Serialize)]
struct Embed {
    title: String,
    color: u32,
    timestamp: Timestamp,
    fields: Vec<Field>,
    footer: Footer,
}

#[derive(Serialize)]
struct Field {
    name: &'static str,
    value: String,
    inline: bool,
}

#[derive(Serialize)]
struct Footer {
    text: String,
}

/// Nothing is parsed for mentions, so nobody is pinged whatever a name or a payload says.
#[derive(Serialize)]
struct AllowedMentions {
    parse: [&'static str; 0],
}

impl Message {
    /// Says what fired, when, and with what payload.
    pub(super) fn new(event: &Event) -> Message {
        Message {
            content: super::headline(event, CONTENT_UNITS_MAX, escape),
            embeds: [Embed::new(event)],
            allowed_mentions: AllowedMentions { parse: [] },
        }
    }
}

impl Embed {
    fn new(event: &Event) -> Embed {
        let scheduled = event.scheduled_at.map(|due| Field { name: "Scheduled", value: due.to_string(), inline: true });
        let fired = Field { name: "Fired", value: super::shown_firing(event), inline: true };
        let told = super::sentence(event).map(|text| Field {
            name: "What happened",
            value: super::fit(&text, VALUE_UNITS_MAX, escape),
            inline: false,
        });
        let payload = Field { name: "Payload", value: code_block(event.payload.as_str()), inline: false };
        Embed {
            title: super::fit(&super::shown_name(event), TITLE_UNITS_MAX, escape),
            color: match event.origin {
                Origin::Test => GREY,
                Origin::Alert => ORANGE,
                _ => BLURPLE,
            },
            timestamp: event.fired_at,
            fields: scheduled.into_iter().chain([fired]).chain(told).chain([payload]).collect(),
            footer: Footer { text: event.message_id.to_string() },
        }
    }
}

fn code_block(payload: &str) -> String {
    const OPEN: &str = "```json\n";
    const CLOSE: &str = "\n```";
    let room = VALUE_UNITS_MAX - OPEN.len() - CLOSE.len();
    format!("{OPEN}{}{CLOSE}", super::fit(payload, room, part_backticks))
}

/// No two backticks stand side by side, so that three of them can only be ours.
fn part_backticks(c: char, out: &mut String) {
    out.push(c);
    if c == '`' {
        out.push('\u{200b}');
    }
}

/// A backslash before every sign that may mean something in Discord's markdown; the colon and the slash keep addresses
/// from becoming links and words from becoming emoji.
fn escape(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::destination::Format;
    use crate::event::{Event, Origin};
    use crate::message::tests::{body, event, payload, text};
    use crate::message::units;

    fn length(value: &Value) -> usize {
        units(value.as_str().expect("a string"))
    }

    #[test]
    fn a_message_says_what_fired_when_and_with_what() {
        let event = event("nightly *backup*", r#"{"a": 1}"#);
        let expected = json!({
            "content": "⏰ nightly \\*backup\\* fired",
            "embeds": [{
                "title": "nightly \\*backup\\*",
                "color": 0x5865f2,
                "timestamp": "2027-02-15T08:30:02.5Z",
                "fields": [
                    {"name": "Scheduled", "value": "2027-02-15T08:30:00Z", "inline": true},
                    {"name": "Fired", "value": "2027-02-15T08:30:02.5Z (2s late)", "inline": true},
                    {"name": "Payload", "value": "```json\n{\"a\": 1}\n```", "inline": false},
                ],
                "footer": {"text": event.message_id.to_string()},
            }],
            "allowed_mentions": {"parse": []},
        });
        assert_eq!(body(&event, Format::Discord), expected);
    }

    #[test]
    fn what_no_schedule_made_shows_no_scheduled_time() {
        let event = Event { origin: Origin::Test, scheduled_at: None, ..event("", "{}") };
        let body = body(&event, Format::Discord);
        assert_eq!(body["content"], "🧪 Trigger 7 was tried out");
        assert_eq!(body["embeds"][0]["fields"][0]["name"], "Fired");
        assert_eq!(body["embeds"][0]["fields"][0]["value"], "2027-02-15T08:30:02.5Z");
    }

    #[test]
    fn a_payload_cannot_end_its_code_block() {
        let body = body(&event("x", &payload("``` @everyone ```` **loud**")), Format::Discord);
        let value = body["embeds"][0]["fields"][2]["value"].as_str().expect("a string");
        assert_eq!(value.matches("``").count(), 2, "{value}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_limits_hold_for_any_name_and_payload(name in text(), text in text()) {
            let body = body(&event(&name, &payload(&text)), Format::Discord);
            let embed = &body["embeds"][0];
            let fields = embed["fields"].as_array().expect("fields");
            prop_assert!((1..=2000).contains(&length(&body["content"])));
            prop_assert!((1..=256).contains(&length(&embed["title"])));
            let mut total = length(&embed["title"]) + length(&embed["footer"]["text"]);
            for field in fields {
                prop_assert!((1..=1024).contains(&length(&field["value"])));
                total += length(&field["name"]) + length(&field["value"]);
            }
            prop_assert!(total <= 6000);
            prop_assert!(!body["content"].as_str().expect("a string").contains(['\n', '\r']));
            let block = fields[2]["value"].as_str().expect("a string");
            let inner = block.strip_prefix("```json\n").and_then(|rest| rest.strip_suffix("\n```")).expect("a code block");
            prop_assert!(!inner.contains("``"), "{}", inner);
        }

        #[test]
        fn every_sign_of_a_name_is_escaped(name in text()) {
            let body = body(&event(&name, "{}"), Format::Discord);
            let mut signs = body["embeds"][0]["title"].as_str().expect("a string").chars();
            while let Some(c) = signs.next() {
                if c == '\\' {
                    prop_assert!(signs.next().is_some_and(|escaped| escaped.is_ascii_punctuation()));
                } else {
                    prop_assert!(!c.is_ascii_punctuation());
                }
            }
        }
    }
}
