//! What was sent, as a command that anybody can run in a shell. Whatever a user wrote stays an argument: between single quotes a
//! shell reads nothing, and the single quote itself is written outside of them. A value that is kept from everybody is a variable, which
//! whoever knows the value sets before.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use oncue_domain::receipt::Sent;

use super::snippet::in_shell;

/// A body up to this many bytes stands in the command; a longer one is read from a file.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// A command, and what has to be done before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The command.
    pub(crate) text: String,
    /// The variables that hold what is hidden: of which header, and what they are called.
    pub(crate) variables: Vec<(String, String)>,
    /// Whether it reads the body from a file.
    pub(crate) needs_file: bool,
}

/// The command that sends this again, in the language of POSIX shells; none for what is no request of HTTP that could go anywhere.
/// A body that is long is read from `file`.
pub(crate) fn curl(sent: &Sent, file: &str) -> Option<Command> {
    let method = sent.method?.word();
    if !(sent.address.starts_with("https://") || sent.address.starts_with("http://")) {
        return None;
    }
    // curl itself would make several addresses of what stands in braces and brackets.
    let globs = if sent.address.contains(['{', '}', '[', ']']) { "--globoff " } else { "" };
    let mut text = format!("curl {globs}-X {method} {}", in_shell(&sent.address));
    let mut variables = Vec::new();
    for header in &sent.headers {
        let said = match header.value.as_deref() {
            // What ends with a colon would be left out.
            Some("") => in_shell(&format!("{};", header.name)),
            Some(value) => in_shell(&format!("{}: {value}", header.name)),
            None => {
                let name = variable(&header.name, variables.len());
                let said = format!("{}\"${name}\"", in_shell(&format!("{}: ", header.name)));
                variables.push((header.name.clone(), name));
                said
            }
        };
        text.push_str(&format!(" \\\n  -H {said}"));
    }
    let needs_file = sent.body.len() > BODY_BYTES_MAX;
    match std::str::from_utf8(&sent.body) {
        _ if needs_file => text.push_str(&format!(" \\\n  --data-binary {}", in_shell(&format!("@{file}")))),
        // What begins with @ would be read from a file; and a terminal takes control characters for keys.
        Ok(body) if !body.starts_with('@') && !body.contains(is_key) => {
            text.push_str(&format!(" \\\n  --data-binary {}", in_shell(body)));
        }
        _ => {
            let body = BASE64_STANDARD.encode(&sent.body);
            text = format!("printf %s {} | base64 -d | {text} \\\n  --data-binary @-", in_shell(&body));
        }
    }
    Some(Command { text, variables, needs_file })
}

/// The name of the variable for a header: no other one's of this request, and none that a shell has already.
fn variable(header: &str, place: usize) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = header.chars().map(upper).collect();
    if place == 0 { format!("SECRET_{name}") } else { format!("SECRET_{}_{name}", place + 1) }
}

/// Whether a terminal that a command is pasted into does something at this character.
fn is_key(c: char) -> bool {
    c.is_control() && c != '\n'
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;
    use oncue_domain::outbound::Method;
    use oncue_domain::receipt::Header;

    fn sent(body: &[u8]) -> Sent {
        let header =
            |name: &str, value: Option<&str>| Header { name: name.to_owned(), value: value.map(str::to_owned) };
        Sent {
            method: Some(Method::Put),
            address: "https://example.com/hook?a='b'&c=$(id)".to_owned(),
            headers: vec![
                header("content-type", Some("application/json")),
                header("webhook-id", Some("evt_1")),
                header("authorization", None),
                header("x-$(id)'`", None),
                header("x-empty", Some("")),
            ],
            body_bytes: body.len() as u64,
            body: body.to_vec().into(),
        }
    }

    /// What a shell makes of the command: what `curl` gets as arguments, and what comes in by its standard input.
    fn read_by_shell(command: &str) -> (Vec<String>, Vec<u8>) {
        let script = format!(
            "curl() {{ for one in \"$@\"; do printf '%s\\0' \"$one\"; done; printf 'THE END\\0'; \
             for last in \"$@\"; do :; done; if [ \"$last\" = @- ]; then cat; fi; }}\n{command}\n"
        );
        let secrets = [("SECRET_AUTHORIZATION", "Bearer $x 'y' `z`"), ("SECRET_2_X___ID___", "two")];
        let output = Process::new("sh").args(["-c", &script]).envs(secrets).output().expect("there is a shell");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let end = output.stdout.windows(9).position(|bytes| bytes == b"\0THE END\0").expect("the end of the arguments");
        let arguments = String::from_utf8(output.stdout[..end].to_vec()).expect("arguments are text");
        (arguments.split('\0').map(str::to_owned).collect(), output.stdout[end + 9..].to_vec())
    }

    fn arguments(data: &str) -> Vec<String> {
        let said = [
            "-X",
            "PUT",
            "https://example.com/hook?a='b'&c=$(id)",
            "-H",
            "content-type: application/json",
            "-H",
            "webhook-id: evt_1",
            "-H",
            "authorization: Bearer $x 'y' `z`",
            "-H",
            "x-$(id)'`: two",
            "-H",
            "x-empty;",
            "--data-binary",
            data,
        ];
        said.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_shell_reads_every_word_as_it_was_meant() {
        for body in ["{\"a\": \"it's $HOME `id` \\\\ !x\"}", "", "ü\n''\n", "-d @/etc/passwd", "a\\\nb"] {
            let command = curl(&sent(body.as_bytes()), "f").expect("a command");
            assert_eq!(read_by_shell(&command.text), (arguments(body), Vec::new()), "{}", command.text);
        }
    }

    #[test]
    fn a_body_that_no_terminal_takes_comes_in_by_another_way_byte_for_byte() {
        for body in [&b"@/etc/passwd"[..], b"\x00\xff\xfe\r\n", b"a\x7f\x1b[31m", "\u{85}".as_bytes()] {
            let command = curl(&sent(body), "f").expect("a command");
            assert_eq!(read_by_shell(&command.text), (arguments("@-"), body.to_vec()), "{}", command.text);
            assert!(!command.text.chars().any(is_key), "{}", command.text);
        }
    }

    #[test]
    fn what_is_hidden_is_a_variable_that_a_shell_has_not_set_itself() {
        let command = curl(&sent(b"{}"), "f").expect("a command");
        let variables: Vec<&str> = command.variables.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(variables, ["SECRET_AUTHORIZATION", "SECRET_2_X___ID___"]);
        assert_eq!(variable("path", 0), "SECRET_PATH");
    }

    #[test]
    fn braces_in_an_address_stay_braces() {
        let braced = Sent { address: "http://[::1]:9000/a?b={1,2}".to_owned(), ..sent(b"{}") };
        let command = curl(&braced, "f").expect("a command").text;
        assert!(command.starts_with("curl --globoff -X PUT 'http://[::1]:9000/a?b={1,2}'"), "{command}");
    }

    #[test]
    fn a_long_body_is_read_from_a_file() {
        let command = curl(&sent(&vec![b'x'; BODY_BYTES_MAX + 1]), "it's.body").expect("a command");
        assert!(command.needs_file && command.text.ends_with("--data-binary '@it'\\''s.body'"), "{}", command.text);
        let command = curl(&sent(&[b'x'; BODY_BYTES_MAX]), "f").expect("a command");
        assert!(!command.needs_file);
    }

    #[test]
    fn what_did_not_go_by_http_has_no_command() {
        assert_eq!(curl(&Sent { method: None, address: "smtps://example.com:465".to_owned(), ..sent(b"") }, "f"), None);
        assert_eq!(curl(&Sent { address: "oncue:inbox".to_owned(), ..sent(b"") }, "f"), None);
    }
}
