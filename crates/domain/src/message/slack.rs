//! An event as a Slack incoming-webhook message: a line for notifications, and blocks with the details. The limits are those
//! of Slack's Block Kit reference; they are counted after escaping and in UTF-16 code units, the stricter reading of both.

use serde::Serialize;

use crate::event::Event;

/// The longest line for notifications; ours, so that it stays one.
const TEXT_UNITS_MAX: usize = 1000;

/// The longest header block.
const HEADER_UNITS_MAX: usize = 150;

/// The longest text of a section block.
const SECTION_UNITS_MAX: usize = 3000;

/// The body of the request.
#[derive(Serialize)]
pub(super) struct Message {
    text: String,
    mrkdwn: bool,
    // An address inside a payload is data; Slack would fetch it and show a preview.
    unfurl_links: bool,
    unfurl_media: bool,
    blocks: Vec<Block>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Header { text: Text },
    Section(Section),
    Context { elements: [Text; 1] },
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Section {
    Fields(Vec<Text>),
    Text(Text),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Text {
    PlainText { text: String, emoji: bool },
    Mrkdwn { text: String, verbatim: bool },
}

impl Message {
    /// Says what fired, when, and with what payload.
    pub(super) fn new(event: &Event) -> Message {
        let scheduled = event.scheduled_at.map(|due| Text::mrkdwn(format!("*Scheduled*\n{due}")));
        let fired = Text::mrkdwn(format!("*Fired*\n{}", super::shown_firing(event)));
        let told = super::sentence(event)
            .map(|text| Block::Section(Section::Text(Text::plain(super::fit(&text, SECTION_UNITS_MAX, escape)))));
        let header = Block::Header { text: Text::plain(super::headline(event, HEADER_UNITS_MAX, escape)) };
        let times = Block::Section(Section::Fields(scheduled.into_iter().chain([fired]).collect()));
        let payload = Block::Section(Section::Text(Text::mrkdwn(code_block(event.payload.as_str()))));
        let context = Block::Context { elements: [Text::plain(event.message_id.to_string())] };
        Message {
            text: super::headline(event, TEXT_UNITS_MAX, escape),
            mrkdwn: false,
            unfurl_links: false,
            unfurl_media: false,
            blocks: [header].into_iter().chain(told).chain([times, payload, context]).collect(),
        }
    }
}

impl Text {
    fn plain(text: String) -> Text {
        Text::PlainText { text, emoji: false }
    }

    /// Verbatim: Slack adds no links and resolves no channel or user names.
    fn mrkdwn(text: String) -> Text {
        Text::Mrkdwn { text, verbatim: true }
    }
}

fn code_block(payload: &str) -> String {
    const OPEN: &str = "```\n";
    const CLOSE: &str = "\n```";
    let room = SECTION_UNITS_MAX - OPEN.len() - CLOSE.len();
    format!("{OPEN}{}{CLOSE}", super::fit(payload, room, escape_and_part_backticks))
}

/// The three signs that Slack's control sequences are made of: without them nothing links, and nobody is pinged.
fn escape(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        c => out.push(c),
    }
}

/// No two backticks stand side by side, so that three of them can only be ours.
fn escape_and_part_backticks(c: char, out: &mut String) {
    escape(c, out);
    if c == '`' {
        out.push('\u{200b}');
    }
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
        let event = event("nightly <!channel>", r#"{"a": "<b> & c"}"#);
        let expected = json!({
            "text": "⏰ nightly &lt;!channel&gt; fired",
            "mrkdwn": false,
            "unfurl_links": false,
            "unfurl_media": false,
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "⏰ nightly &lt;!channel&gt; fired", "emoji": false}},
                {"type": "section", "fields": [
                    {"type": "mrkdwn", "text": "*Scheduled*\n2027-02-15T08:30:00Z", "verbatim": true},
                    {"type": "mrkdwn", "text": "*Fired*\n2027-02-15T08:30:02.5Z (2s late)", "verbatim": true},
                ]},
                {"type": "section", "text": {"type": "mrkdwn", "text": "```\n{\"a\": \"&lt;b&gt; &amp; c\"}\n```", "verbatim": true}},
                {"type": "context", "elements": [{"type": "plain_text", "text": event.message_id.to_string(), "emoji": false}]},
            ],
        });
        assert_eq!(body(&event, Format::Slack), expected);
    }

    #[test]
    fn what_no_schedule_made_shows_no_scheduled_time() {
        let event = Event { origin: Origin::Api, scheduled_at: None, ..event("", "{}") };
        let body = body(&event, Format::Slack);
        assert_eq!(body["text"], "⚡ Trigger 7 was fired by a call");
        assert_eq!(body["blocks"][1]["fields"].as_array().map(Vec::len), Some(1));
    }

    /// Every text of a message, wherever it stands.
    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::String(text) => vec![text],
            Value::Array(values) => values.iter().flat_map(texts).collect(),
            Value::Object(values) => values.values().flat_map(texts).collect(),
            _ => vec![],
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_limits_hold_and_nobody_is_pinged_for_any_name_and_payload(name in text(), text in text()) {
            let body = body(&event(&name, &payload(&text)), Format::Slack);
            prop_assert!((1..=1000).contains(&length(&body["text"])));
            prop_assert!((1..=150).contains(&length(&body["blocks"][0]["text"]["text"])));
            let block = &body["blocks"][2]["text"]["text"];
            prop_assert!((1..=3000).contains(&length(block)));
            let inner = block.as_str().and_then(|block| block.strip_prefix("```\n")?.strip_suffix("\n```")).expect("a code block");
            prop_assert!(!inner.contains("``"), "{}", inner);
            for text in texts(&body) {
                prop_assert!(!text.contains(['<', '>']), "{}", text);
                let is_entity = |rest: &str| ["amp;", "lt;", "gt;"].into_iter().any(|entity| rest.starts_with(entity));
                prop_assert!(text.split('&').skip(1).all(is_entity), "{}", text);
            }
        }
    }
}
