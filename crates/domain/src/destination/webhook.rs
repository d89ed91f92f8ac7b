//! The address of a webhook as its user types it, and the format that its receiver understands. What comes out of `parse` is
//! what is judged, stored and dialled: nobody parses the text a second time. Whether deliveries may go there is `guard`'s question.

use url::{Host, Url};

use super::guard::{Refusal, refusal};

/// The longest address of a webhook in characters, as typed and as parsed.
pub const URL_CHARS_MAX: usize = 2048;

/// The longest host name in characters (RFC 1035 §2.3.4, without the trailing dot).
pub(super) const HOST_CHARS_MAX: usize = 253;

/// The longest label of a host name in characters (RFC 1035 §2.3.4).
const LABEL_CHARS_MAX: usize = 63;

/// How a message is written down for its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A CloudEvents 1.0 envelope.
    Json,
    /// A Discord webhook message.
    Discord,
    /// A Slack incoming-webhook message.
    Slack,
}

impl Format {
    /// The word in the API, in the stores and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Discord => "discord",
            Format::Slack => "slack",
        }
    }

    /// The format of that word.
    pub fn from_word(word: &str) -> Option<Format> {
        match word {
            "json" => Some(Format::Json),
            "discord" => Some(Format::Discord),
            "slack" => Some(Format::Slack),
            _ => None,
        }
    }

    /// The format that the receiver at `url` understands, judged by its address alone; [`Format::Json`] for all that are
    /// not known.
    pub fn recognise(url: &Url) -> Format {
        match url.host_str().unwrap_or_default() {
            "discord.com"
            | "canary.discord.com"
            | "ptb.discord.com"
            | "discordapp.com"
            | "canary.discordapp.com"
            | "ptb.discordapp.com"
                if is_discord_webhook(url.path()) =>
            {
                Format::Discord
            }
            "hooks.slack.com" | "hooks.slack-gov.com" => Format::Slack,
            _ => Format::Json,
        }
    }
}

/// `/api/webhooks/…`, with or without a version as in `/api/v10/webhooks/…`.
fn is_discord_webhook(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/") else { return false };
    let unversioned = match rest.split_once('/') {
        Some((version, rest)) if is_version(version) => rest,
        _ => rest,
    };
    unversioned.strip_prefix("webhooks/").is_some_and(|hook| !hook.is_empty())
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The destination a trigger carries itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The address, as parsed once by the WHATWG rules.
    pub url: Url,
    /// The format: named by the user, or recognised from the address.
    pub format: Format,
}

impl Webhook {
    /// Reads what a user typed. What comes out is what is judged, stored and dialled: nobody parses the text a second time,
    /// so no two readings of it can differ. Without `format` it is recognised from the address.
    ///
    /// Whether deliveries may go there is another question: [`Egress::judge_url`](super::Egress::judge_url).
    ///
    /// # Errors
    /// When it is no `http` or `https` address, is longer than [`URL_CHARS_MAX`], or holds a user name or password,
    /// characters that cannot be seen, or a host that is not a plain name or address.
    pub fn parse(url: &str, format: Option<Format>) -> Result<Webhook, Refusal> {
        if url.chars().count() > URL_CHARS_MAX {
            return Err(too_long());
        }
        if url.chars().any(is_unseen) {
            return Err(refusal(
                "The webhook address holds white space or characters that cannot be seen; remove them.",
            ));
        }
        let mut url = Url::parse(url).map_err(|error| {
            refusal(format!("The webhook address cannot be read ({error}); it looks like https://example.com/path."))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refusal("The webhook address must begin with https:// or http://."));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refusal(
                "The webhook address must not hold a user name or password; put a secret into its path or query.",
            ));
        }
        url.set_fragment(None);
        settle_name(&mut url)?;
        if url.as_str().len() > URL_CHARS_MAX {
            return Err(too_long());
        }
        let format = format.unwrap_or_else(|| Format::recognise(&url));
        Ok(Webhook { url, format })
    }
}

/// Takes the trailing dot off a host name, so that one receiver has one name, and refuses names that resolvers and TLS read
/// differently.
fn settle_name(url: &mut Url) -> Result<(), Refusal> {
    let Some(host) = url.host() else {
        return Err(refusal("The webhook address names no host."));
    };
    let Host::Domain(name) = host else { return Ok(()) };
    let settled = without_trailing_dot(name).to_owned();
    if settled.len() > HOST_CHARS_MAX || !settled.split('.').all(is_label) {
        return Err(refusal(
            "The host of the webhook address is not a name: letters, digits, hyphens and single dots are expected.",
        ));
    }
    url.set_host(Some(&settled))
        .map_err(|error| refusal(format!("The host of the webhook address cannot be read ({error}).")))
}

/// Underscores are no part of a host name by the letter, but exist in the wild.
pub(super) fn is_label(label: &str) -> bool {
    (1..=LABEL_CHARS_MAX).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub(super) fn without_trailing_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// White space, controls, and what Unicode calls default-ignorable: two addresses that look the same must be the same.
fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn too_long() -> Refusal {
    refusal(format!("The webhook address has more than {URL_CHARS_MAX} characters."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Webhook, Refusal> {
        Webhook::parse(text, None)
    }

    #[test]
    fn an_address_is_parsed_once_and_comes_out_plain() {
        let rows = [
            ("https://example.com", "https://example.com/"),
            ("HTTPS://EXAMPLE.COM:443/a?b=c#d", "https://example.com/a?b=c"),
            ("https://example.com./hook", "https://example.com/hook"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("http://127.1:8080/x", "http://127.0.0.1:8080/x"),
            ("https://my_host.example.com/", "https://my_host.example.com/"),
        ];
        for (typed, plain) in rows {
            assert_eq!(parse(typed).map(|webhook| webhook.url.to_string()), Ok(plain.to_owned()), "{typed}");
        }
    }

    #[test]
    fn what_is_no_webhook_address_is_refused() {
        let longest = format!("https://example.com/{}", "a".repeat(URL_CHARS_MAX - "https://example.com/".len()));
        assert!(parse(&longest).is_ok());
        let label = "a".repeat(LABEL_CHARS_MAX);
        let rows = [
            format!("{longest}a"),
            format!("https://example.com/{}", "ü".repeat(1000)),
            format!("https://{label}a.example.com/"),
            format!("https://{0}.{0}.{0}.{0}.example/", label),
        ];
        let short = [
            "",
            "example.com",
            "/hook",
            "ftp://example.com/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://",
            "https:///",
            "https://user@example.com/",
            "https://user:secret@example.com/",
            "https://:secret@example.com/",
            "https://example.com../",
            "https://.example.com/",
            "https://a..b/",
            "https://exa mple.com/",
            " https://example.com/",
            "https://example.com/\n",
            "https://example.com/a\tb",
            "https://exam\u{200b}ple.com/",
            "https://example.com/\u{202e}x",
            "https://exa\u{ad}mple.com/",
            "https://example.com:99999/",
            "https://[::1/",
            "https://exa!mple.com/",
            "https://a&b.com/",
        ];
        for typed in rows.iter().map(String::as_str).chain(short) {
            assert!(parse(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn a_format_is_recognised_by_the_address() {
        let rows = [
            ("https://discord.com/api/webhooks/1/token", Format::Discord),
            ("https://discordapp.com/api/webhooks/1/token", Format::Discord),
            ("https://canary.discord.com/api/v10/webhooks/1/token?wait=true", Format::Discord),
            ("https://ptb.discord.com/api/webhooks/1/token", Format::Discord),
            ("https://DISCORD.com./api/webhooks/1/token", Format::Discord),
            ("https://discord.com/api/webhooks/", Format::Json),
            ("https://discord.com/api/vx/webhooks/1/token", Format::Json),
            ("https://discord.com/channels/1", Format::Json),
            ("https://evildiscord.com/api/webhooks/1/token", Format::Json),
            ("https://discord.com.evil.example/api/webhooks/1/token", Format::Json),
            ("https://hooks.slack.com/services/T/B/x", Format::Slack),
            ("https://hooks.slack-gov.com/services/T/B/x", Format::Slack),
            ("https://slack.com/services/T/B/x", Format::Json),
            ("https://example.com/api/webhooks/1/token", Format::Json),
        ];
        for (typed, format) in rows {
            assert_eq!(parse(typed).map(|webhook| webhook.format), Ok(format), "{typed}");
        }
        let named = Webhook::parse("https://discord.com/api/webhooks/1/token", Some(Format::Json));
        assert_eq!(named.map(|webhook| webhook.format), Ok(Format::Json));
    }

    #[test]
    fn formats_and_their_words_are_one_to_one() {
        for format in [Format::Json, Format::Discord, Format::Slack] {
            assert_eq!(Format::from_word(format.word()), Some(format));
        }
        assert_eq!(Format::from_word("JSON"), None);
    }
}
