//! A request as a command that anybody can run in a shell. Whatever a user wrote stays an argument: between single quotes a
//! shell reads nothing, and the single quote itself is written outside of them.

use oncue_domain::outbound::Request;

use super::snippet::in_shell;

/// A body up to this many bytes stands in the command; a longer one is read from a file.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// The command that sends this request.
pub(crate) fn curl(request: &Request, file: &str) -> String {
    let url = request.url.as_str();
    // curl itself would make several addresses of what stands in braces and brackets.
    let globs = if url.contains(['{', '}', '[', ']']) { "--globoff " } else { "" };
    let mut command = format!("curl {globs}-X POST {}", in_shell(url));
    for (name, value) in &request.headers {
        command.push_str(&format!(" \\\n  -H {}", in_shell(&format!("{name}: {value}"))));
    }
    let body = match std::str::from_utf8(&request.body) {
        // What begins with @ would be read from a file; and a terminal takes control characters for keys.
        Ok(text) if text.len() <= BODY_BYTES_MAX && !text.starts_with('@') && !text.contains(is_key) => in_shell(text),
        _ => in_shell(&format!("@{file}")),
    };
    command.push_str(&format!(" \\\n  --data-binary {body}"));
    command
}

/// Whether a terminal that a command is pasted into does something at this character.
fn is_key(c: char) -> bool {
    c.is_control() && c != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::outbound::Trust;
    use url::Url;

    fn request(body: &str) -> Request {
        Request {
            url: Url::parse("https://example.com/hook?a='b'&c=$(id)").expect("an address"),
            headers: vec![("content-type", "application/json".to_owned()), ("webhook-id", "evt_1".to_owned())],
            body: body.as_bytes().to_vec(),
            trust: Trust::Guarded,
        }
    }

    #[test]
    fn nothing_in_a_command_is_read_by_the_shell() {
        assert_eq!(
            curl(&request("{\"a\": \"it's $HOME `id`\"}"), "event.json"),
            "curl -X POST 'https://example.com/hook?a=%27b%27&c=$(id)' \\\n  -H 'content-type: application/json' \\\n  \
             -H 'webhook-id: evt_1' \\\n  --data-binary '{\"a\": \"it'\\''s $HOME `id`\"}'"
        );
    }

    #[test]
    fn braces_in_an_address_stay_braces() {
        let mut braced = request("{}");
        braced.url = Url::parse("http://[::1]:9000/a?b={1,2}").expect("an address");
        assert!(curl(&braced, "f").starts_with("curl --globoff -X POST 'http://[::1]:9000/a?b={1,2}'"));
    }

    #[test]
    fn a_long_body_is_read_from_a_file() {
        let command = curl(&request(&"x".repeat(BODY_BYTES_MAX + 1)), "event-29.json");
        assert!(command.ends_with("--data-binary '@event-29.json'"), "{command}");
    }

    #[test]
    fn a_body_that_a_terminal_would_not_take_as_text_is_read_from_a_file() {
        let command = curl(&request("{\"a\": \"\u{7f}\u{7f}' ; id\"}"), "event-29.json");
        assert!(command.ends_with("--data-binary '@event-29.json'"), "{command}");
        assert!(curl(&request("{\n}"), "f").ends_with("--data-binary '{\n}'"));
    }
}
