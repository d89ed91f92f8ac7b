//! Values in addresses stay where they are put, whatever they are.

use proptest::prelude::*;

use super::with;
use crate::template::AddressTemplate;

fn addressed(text: &str, payload: &str) -> Result<String, String> {
    let template = AddressTemplate::parse(text).map_err(|invalid| format!("at save: {invalid}"))?;
    with(payload, |context| template.render(context)).map(String::from).map_err(|fault| fault.to_string())
}

#[test]
fn values_in_addresses_stay_where_they_are_put() {
    let payload = r#"{"id": "a/b?c#d@e:f\\g%2e é", "n": 7, "empty": "", "up": "..", "dot": ".", "half": "."}"#;
    for (text, expected) in [
        ("https://example.com/plain?a=b", "https://example.com/plain?a=b"),
        ("https://example.com/{{ payload.id }}/x", "https://example.com/a%2Fb%3Fc%23d%40e%3Af%5Cg%252e%20%C3%A9/x"),
        (
            "HTTPS://Example.com:443/x?q={{ payload.id }}&n={{ payload.n }}",
            "https://example.com/x?q=a%2Fb%3Fc%23d%40e%3Af%5Cg%252e%20%C3%A9&n=7",
        ),
        ("https://example.com?q={{ payload.empty }}", "https://example.com/?q="),
        ("https://example.com/v{% if event.is_test %}0{% else %}1{% endif %}/", "https://example.com/v1/"),
        ("https://example.com/a{{ payload.up }}", "https://example.com/a.."),
    ] {
        assert_eq!(addressed(text, payload).as_deref(), Ok(expected), "{text}");
    }
    for (text, words) in [
        ("https://example.com/a/{{ payload.up }}/b", "would make a path segment . or .."),
        ("https://example.com/a/{{ payload.dot }}{{ payload.half }}", "would make a path segment . or .."),
        ("https://example.com/a/%2E{{ payload.dot }}", "would make a path segment . or .."),
        ("https://example.com/a/{{ payload.empty }}", "would leave out a segment"),
        ("https://example.com/{{ payload.gone }}", "payload.gone is missing"),
        ("https://example.com/a/../{{ payload.n }}", "at save: The address has a path segment . or .."),
        ("https://{{ payload.n }}.example.com/", "at save: Placeholders may stand in the path"),
        ("https://example.com:{{ payload.n }}/", "at save: Placeholders may stand"),
        ("https://{{ payload.n }}@example.com/", "at save: Placeholders may stand"),
        ("{{ payload.n }}://example.com/", "at save: The webhook address must begin"),
        ("ftp://example.com/{{ payload.n }}", "at save: The webhook address must begin"),
        ("https://user:pw@example.com/{{ payload.n }}", "at save: The webhook address must not hold a user name"),
        ("https://exa mple.com/{{ payload.n }}", "at save: The webhook address holds white space"),
        ("https://example.com/a b/{{ payload.n }}", "must not hold the character U+0020"),
        ("https://example.com/a#{{ payload.n }}", "must not hold the character U+0023 (#)"),
        ("https://example.com/{{ payload.n | urlencode }}", "percent-encoded already"),
        ("https://example.com/{{ trigger.nmae }}", "trigger.nmae is unknown"),
    ] {
        let message = addressed(text, payload).expect_err("refused");
        assert!(message.contains(words), "{text}: {message}");
    }
    let template = AddressTemplate::parse("https://example.com:8443/{{ payload.n }}").expect("an address");
    assert_eq!(template.known().as_str(), "https://example.com:8443/");
    assert!(!template.is_plain());
    assert!(AddressTemplate::parse("https://example.com/x").expect("an address").is_plain());
}

proptest! {
    #[test]
    fn rendered_addresses_never_leave_their_origin(
        text in "(https?://)?([a-z0-9.@:{} ]{0,12}|example[.]com)(/|[?]|)([a-z./?#&=%\\\\]|\\{\\{ payload \\}\\}|\\{\\{ payload[.]a \\}\\}){0,8}",
        value in prop_oneof![any::<String>(), "[./%2eE\\\\?#@:]{0,6}"],
    ) {
        let payload = format!("{{\"a\":{}}}", serde_json::Value::from(value.as_str()));
        if let Ok(template) = AddressTemplate::parse(&text)
            && let Ok(url) = with(&payload, |context| template.render(context))
        {
            prop_assert_eq!(url.origin(), template.known().origin());
            prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
            if !template.is_plain() {
                let slashes = |text: &str| text.split('?').next().unwrap_or_default().matches('/').count();
                let typed = text.trim_start_matches("https://").trim_start_matches("http://");
                prop_assert_eq!(slashes(url.path()), slashes(typed).max(1), "{} made {}", text, url);
            }
        }
    }
}

#[test]
fn a_value_never_becomes_a_part_of_an_encoded_byte() {
    for text in ["https://example.com/a%{{ payload.s }}", "https://example.com/?a=%2{{ payload.s }}"] {
        let refused = AddressTemplate::parse(text).expect_err(text);
        assert!(refused.message.contains("%25"), "{refused}");
        assert!(AddressTemplate::stored(text).is_ok(), "what stood before can be read");
    }
    for text in [
        "https://example.com/a%25{{ payload.s }}",
        "https://example.com/%2F{{ payload.s }}%",
        "https://example.com/{% if payload.s %}a{% endif %}{{ payload.s }}",
    ] {
        assert!(AddressTemplate::parse(text).is_ok(), "{text}");
    }
}
