//! How to fire or try out a trigger from a program, ready to be copied: five languages, nothing to install but what each of
//! them brings. Pure: from an address and a payload to text, everything quoted as its language wants it.

use serde_json::Value;

/// What a snippet says.
#[derive(Clone, Debug)]
pub(crate) struct Snippet {
    /// For ids on the page.
    pub(crate) word: &'static str,
    /// What the language is called.
    pub(crate) title: &'static str,
    pub(crate) code: String,
}

/// What is called.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    /// The whole address.
    pub(crate) url: &'a str,
    /// The body, where the call takes one.
    pub(crate) payload: Option<&'a str>,
    /// Whether a key is needed; it is read from the environment, as `ONCUE_KEY`.
    pub(crate) needs_key: bool,
}

/// The same call in every language.
pub(crate) fn snippets(target: &Target) -> [Snippet; 5] {
    let payload = target.payload.map(plain);
    let target = &Target { payload: payload.as_deref(), ..target.clone() };
    [
        Snippet { word: "curl", title: "curl", code: curl(target) },
        Snippet { word: "python", title: "Python", code: python(target) },
        Snippet { word: "javascript", title: "JavaScript", code: javascript(target) },
        Snippet { word: "go", title: "Go", code: go(target) },
        Snippet { word: "powershell", title: "PowerShell", code: powershell(target) },
    ]
}

fn curl(target: &Target) -> String {
    let mut code = format!("curl --fail-with-body -X POST {}", in_shell(target.url));
    if target.needs_key {
        code.push_str(" \\\n  -H \"Authorization: Bearer $ONCUE_KEY\"");
    }
    if let Some(payload) = target.payload {
        code.push_str(" \\\n  -H 'Content-Type: application/json' \\\n  --data ");
        code.push_str(&in_shell(payload));
    }
    code
}

fn python(target: &Target) -> String {
    let mut headers = Vec::new();
    if target.needs_key {
        headers.push("\"Authorization\": \"Bearer \" + os.environ[\"ONCUE_KEY\"]");
    }
    if target.payload.is_some() {
        headers.push("\"Content-Type\": \"application/json\"");
    }
    let imports = if target.needs_key { "import os\nimport urllib.request" } else { "import urllib.request" };
    let data = target.payload.map(|payload| format!("    data={}.encode(),\n", in_c_like(payload))).unwrap_or_default();
    format!(
        "{imports}\n\nrequest = urllib.request.Request(\n    {},\n    method=\"POST\",\n    headers={{{}}},\n{data})\nwith urllib.request.urlopen(request) as answer:\n    print(answer.read().decode())",
        in_c_like(target.url),
        headers.join(", "),
    )
}

fn javascript(target: &Target) -> String {
    let mut headers = Vec::new();
    if target.needs_key {
        headers.push("Authorization: `Bearer ${process.env.ONCUE_KEY}`");
    }
    if target.payload.is_some() {
        headers.push("\"Content-Type\": \"application/json\"");
    }
    let headers =
        if headers.is_empty() { String::new() } else { format!("  headers: {{ {} }},\n", headers.join(", ")) };
    let body = target.payload.map(|payload| format!("  body: {},\n", in_c_like(payload))).unwrap_or_default();
    format!(
        "const answer = await fetch({}, {{\n  method: \"POST\",\n{headers}{body}}});\nif (!answer.ok) throw new Error(`${{answer.status}} ${{await answer.text()}}`);\nconsole.log(await answer.json());",
        in_c_like(target.url),
    )
}

fn go(target: &Target) -> String {
    let mut imports = vec!["\"io\"", "\"log\"", "\"net/http\""];
    let mut headers = String::new();
    if target.needs_key {
        imports.push("\"os\"");
        headers.push_str("\trequest.Header.Set(\"Authorization\", \"Bearer \"+os.Getenv(\"ONCUE_KEY\"))\n");
    }
    let body = match target.payload {
        Some(payload) => {
            imports.push("\"strings\"");
            headers.push_str("\trequest.Header.Set(\"Content-Type\", \"application/json\")\n");
            format!("strings.NewReader({})", in_go(payload))
        }
        None => "nil".to_owned(),
    };
    let imports: String = imports.iter().map(|import| format!("\t{import}\n")).collect();
    format!(
        "package main\n\nimport (\n{imports})\n\nfunc main() {{\n\trequest, err := http.NewRequest(\"POST\", {}, {body})\n\tif err != nil {{\n\t\tlog.Fatal(err)\n\t}}\n{headers}\tanswer, err := http.DefaultClient.Do(request)\n\tif err != nil {{\n\t\tlog.Fatal(err)\n\t}}\n\tdefer answer.Body.Close()\n\ttext, _ := io.ReadAll(answer.Body)\n\tlog.Print(answer.Status, \" \", string(text))\n}}",
        in_go(target.url),
    )
}

fn powershell(target: &Target) -> String {
    let mut lines = vec![format!("Invoke-RestMethod -Method Post -Uri {}", in_powershell(target.url))];
    if target.needs_key {
        lines.push("  -Headers @{ Authorization = \"Bearer $env:ONCUE_KEY\" }".to_owned());
    }
    if let Some(payload) = target.payload {
        // Without the bytes, older PowerShells send what they cannot say in Latin-1 as question marks.
        lines.push("  -ContentType 'application/json'".to_owned());
        lines.push(format!("  -Body ([Text.Encoding]::UTF8.GetBytes({}))", in_powershell(payload)));
    }
    lines.join(" `\n")
}

/// The same JSON without what a terminal takes for a key, a compiler refuses or an eye cannot see: a pasted backspace would
/// take away the quote in front of it. Such characters stand in strings, where JSON has another spelling for them; only tabs and
/// line ends stand between its parts, where they mean nothing.
fn plain(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => plain.push(c),
            '\t' => plain.push_str("  "),
            '\r' => {}
            c if c.is_control() || is_unseen(c) => plain.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => plain.push(c),
        }
    }
    plain
}

/// Whether a character only turns, joins or marks what stands around it, so that nobody sees it in a program.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A word of a POSIX shell. Between single quotes everything but the quote itself stands for itself.
pub(crate) fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A string of Python and JavaScript: both read what JSON writes, once the two line separators that are none in JSON are
/// escaped for the older ones.
fn in_c_like(text: &str) -> String {
    Value::from(text).to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// A string of Go: raw where that is possible, so that JSON can be read.
fn in_go(text: &str) -> String {
    // A raw string drops carriage returns, and a byte order mark is no Go.
    if text.contains(['`', '\r', '\u{feff}']) || !text.contains('"') { in_c_like(text) } else { format!("`{text}`") }
}

/// A string of PowerShell, which takes curly single quotes for straight ones.
fn in_powershell(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://oncue.example.com/api/v1/triggers/7/fire";
    const NASTY: &str = r#"{"it's": "\"$HOME\" `id` ${x} ’ é\n"}"#;

    fn code(word: &str, payload: Option<&str>, needs_key: bool) -> String {
        let all = snippets(&Target { url: URL, payload, needs_key });
        all.into_iter().find(|snippet| snippet.word == word).expect("a language").code
    }

    #[test]
    fn every_language_names_the_address_and_the_key_only_where_one_is_needed() {
        for snippet in snippets(&Target { url: URL, payload: Some(NASTY), needs_key: true }) {
            assert!(snippet.code.contains(URL) && snippet.code.contains("ONCUE_KEY"), "{}", snippet.code);
        }
        for snippet in snippets(&Target { url: URL, payload: None, needs_key: false }) {
            assert!(snippet.code.contains(URL) && !snippet.code.contains("ONCUE_KEY"), "{}", snippet.code);
            assert!(!snippet.code.contains("json\""), "there is no body: {}", snippet.code);
        }
    }

    #[test]
    fn a_shell_takes_a_payload_as_one_word() {
        let expected = r#"'{"it'\''s": "\"$HOME\" `id` ${x} ’ é\n"}'"#;
        assert!(code("curl", Some(NASTY), true).ends_with(expected), "{}", code("curl", Some(NASTY), true));
    }

    #[test]
    fn python_and_javascript_take_a_payload_as_one_string() {
        let literal = r#""{\"it's\": \"\\\"$HOME\\\" `id` ${x} ’ é\\n\"}""#;
        assert!(code("python", Some(NASTY), false).contains(&format!("data={literal}.encode()")));
        assert!(code("javascript", Some(NASTY), false).contains(&format!("body: {literal},")));
        assert_eq!(in_c_like("\u{2028}"), "\"\\u2028\"");
    }

    #[test]
    fn go_takes_a_payload_raw_unless_it_holds_what_a_raw_string_cannot() {
        assert_eq!(in_go("{\"a\": 1}"), "`{\"a\": 1}`");
        assert_eq!(in_go("{\"a\": \"`\"}"), "\"{\\\"a\\\": \\\"`\\\"}\"");
        assert_eq!(in_go("{\"a\":\r1}"), "\"{\\\"a\\\":\\r1}\"");
    }

    #[test]
    fn no_language_gets_what_a_terminal_or_a_compiler_would_take_for_something_else() {
        let payload = "{\r\n\t\"a\": \"\u{7f}\u{85}\u{202e}\u{feff}`é\"\r\n}";
        let json = Value::from(plain(payload));
        assert_eq!(json, "{\n  \"a\": \"\\u007f\\u0085\\u202e\\ufeff`é\"\n}");
        let same: [Value; 2] = [payload, &plain(payload)].map(|json| serde_json::from_str(json).expect("it is JSON"));
        assert_eq!(same[0], same[1]);
        for snippet in snippets(&Target { url: URL, payload: Some(payload), needs_key: true }) {
            let odd = snippet.code.chars().find(|c| (c.is_control() && !"\n\t".contains(*c)) || is_unseen(*c));
            assert_eq!(odd, None, "{}", snippet.code);
        }
    }

    #[test]
    fn powershell_doubles_every_quote_that_it_would_end_at() {
        assert_eq!(in_powershell("it's ’$x"), "'it''s ’’$x'");
    }
}
