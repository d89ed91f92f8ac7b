//! Time, memory, depth and places: every bound holds and is said in words.

use super::{refused, rendered, with};
use crate::template::{BODY_BYTES_MAX, HEADER_BYTES_MAX, LINE_BYTES_MAX, Place, TEXT_BYTES_MAX, Template};

#[test]
fn no_template_gets_more_than_its_share_of_time_and_memory() {
    let doubling = "{% set x = payload %}".to_owned() + &"{% set x = x ~ x %}".repeat(22) + "{{ x }}";
    let grown = "{% set x = payload %}".to_owned() + &"{% set x = [x, x] %}".repeat(22) + "{{ x }}";
    let alike = grown.replace("{{ x }}", "{{ x == [x, x] }}").replace("[x, x] %}", "[x ~ \"\", x] %}");
    let nested = "{% for a in payload %}".repeat(20) + "." + &"{% endfor %}".repeat(20);
    let list = format!("[{}]", vec!["1"; 1000].join(","));
    for (text, payload) in [
        (doubling.as_str(), "\"aaaaaaaaaaaaaaaa\""),
        (grown.as_str(), "1"),
        (alike.as_str(), "1"),
        (nested.as_str(), list.as_str()),
        (
            "{% for a in payload %}{% for b in payload %}{{ payload | upper | lower | length }}{% endfor %}{% endfor %}",
            list.as_str(),
        ),
        ("{{ payload | replace(\"1\", payload | replace(\"1\", payload | tojson)) }}", list.as_str()),
    ] {
        let fault = rendered(text, payload).expect_err("too much");
        assert!(fault.contains("does more than a template may") || fault.contains("more than 262144 bytes"), "{fault}");
    }
}

#[test]
fn what_is_long_is_paid_for_each_time_it_is_looked_at() {
    let list = format!("[{}]", vec!["1"; 150].join(","));
    let payload = format!("{{\"l\": {list}, \"n\": 1.{}}}", "0".repeat(100_000));
    let long = "x".repeat(50_000);
    for looked in [
        "{% if payload.n %}{% endif %}".to_owned(),
        "{% if payload.n == 1 %}{% endif %}".to_owned(),
        "{% if payload.n < 1 %}{% endif %}".to_owned(),
        "{% set x = payload.n + 1 %}".to_owned(),
        "{% set x = -payload.n %}".to_owned(),
        "{% set x = payload.n | round %}".to_owned(),
        "{% set x = payload.l[payload.n] %}".to_owned(),
        format!("{{% if \"{long}\" %}}{{% endif %}}"),
        format!("{{% if payload.{long} %}}{{% endif %}}"),
    ] {
        let text = format!("{{% for a in payload.l %}}{{% for b in payload.l %}}{looked}{{% endfor %}}{{% endfor %}}");
        let fault = rendered(&text, &payload).expect_err("too much");
        assert!(fault.contains("does more than a template may"), "{fault}");
    }
}

#[test]
fn the_templates_of_one_attempt_share_one_allowance() {
    let list = format!("[{}]", vec!["1"; 100].join(","));
    let text = "{% for a in payload %}{% for b in payload %}{% endfor %}{% endfor %}";
    let template = Template::parse(text, Place::HeaderValue).expect("a template");
    let many = with(&list, |context| (0..34).find_map(|_| template.render(context).err()));
    assert!(many.expect("too much").message.contains("does more than a template may"));
    let again = with(&list, |context| template.render(context));
    assert_eq!(again.as_deref(), Ok(""), "each attempt has its own");
}

#[test]
fn every_place_has_its_bounds() {
    let long = format!("\"{}\"", "x".repeat(200_000));
    for (place, bytes_max) in
        [(Place::Body, BODY_BYTES_MAX), (Place::HeaderValue, HEADER_BYTES_MAX), (Place::Line, LINE_BYTES_MAX)]
    {
        let template = Template::parse("{{ payload }}{{ payload }}", place).expect("a template");
        let fault = with(&long, |context| template.render(context)).expect_err("too long");
        assert!(fault.message.ends_with(&format!("would have more than {bytes_max} bytes")), "{fault}");
    }
    assert!(refused(&"x".repeat(TEXT_BYTES_MAX + 1), Place::Body).contains("at most 65536 are allowed"));
    assert!(Template::parse(&"x".repeat(TEXT_BYTES_MAX), Place::Body).is_ok());
    let whole = Template::parse("{{ payload }}", Place::Body).expect("a template");
    let greatest = format!("[{}\"\"]", "{\"a\":[]},".repeat(29_000));
    assert_eq!(with(&greatest, |context| whole.render(context)).as_deref(), Ok(greatest.as_str()));
}

#[test]
fn deep_and_long_chains_are_refused_before_anything_descends_into_them() {
    let cases = [
        format!("{{{{ {}1 }}}}", "1+".repeat(10_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(10_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(10_000)),
        format!("{{{{ payload{} }}}}", ".a".repeat(10_000)),
        format!("{{{{ 1{} }}}}", "|upper".repeat(9_000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{{{{ {}1{} }}}}", "[".repeat(90), "]".repeat(90)),
        format!("{}{}", "{% if 1 %}".repeat(3_000), "{% endif %}".repeat(3_000)),
        format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(5_000)),
        "{% set x = 1 %}".to_owned() + &"{% set x = [x] %}".repeat(3_000) + "{{ x }}",
        format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(50)),
        format!("{}{}", "{% if 1 %}".repeat(20), "{% endif %}".repeat(20)),
        format!(
            "{{% set x = 1 %}}{}{{{{ x }}}}{{{{ x == x }}}}",
            format!("{{% set x = {}x{} %}}", "[".repeat(20), "]".repeat(20)).repeat(31)
        ),
        format!("{{{{ {}1 }}}}", "-".repeat(20)),
        format!("{{{{ {}1 }}}}", "not ".repeat(20)),
        format!("{{{{ {}1 }}}}", "1 if 1 else ".repeat(20)),
        format!("{{{{ 1{} }}}}", "|upper".repeat(95)),
        format!("{{{{ {}1{} }}}}", "(".repeat(20), ")".repeat(20)),
    ];
    for text in &cases {
        // On a thread as small as those that serve requests.
        let text = text.clone();
        let parsed = std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || rendered(&text, "{}").map(drop))
            .expect("a thread")
            .join();
        parsed.expect("no panic and no overflow").ok();
    }
    let nested = format!("{{% set x = 1 %}}{}{{{{ x }}}}", "{% set x = [[[[[[[[[[x]]]]]]]]]] %}".repeat(16));
    let fault = rendered(&nested, "{}").expect_err("deep");
    assert!(fault.contains("lists and objects nest deeper than 150"), "{fault}");
    let is_template = |text: &String| Template::parse(text, Place::Body).is_ok();
    assert!(!cases[..10].iter().any(is_template), "too deep or too long");
    assert!(cases[10..12].iter().chain(&cases[13..]).all(is_template), "as deep and as long as may be");
}

#[test]
fn header_values_and_lines_hold_no_controls_wherever_they_come_from() {
    let injected = r#"{"x": "a\r\nset-cookie: b", "zero": "a\u0000", "wide": "ü", "line": "a\u2028b", "tab": "a\tb"}"#;
    let verdict = |text: &str, place| {
        let template = Template::parse(text, place).expect("a template");
        with(injected, |context| template.render(context)).map_err(|fault| fault.message)
    };
    for place in [Place::HeaderValue, Place::Line] {
        for field in ["x", "zero", "line"] {
            let message = verdict(&format!("{{{{ payload.{field} }}}}"), place).expect_err("controls");
            assert!(message.contains("must not hold the character U+"), "{message}");
        }
        assert!(refused("a\r\nb", place).contains("must not hold the character U+000D"));
    }
    assert_eq!(
        verdict("{{ payload.wide }}", Place::HeaderValue),
        Err("the header value must not hold the character U+00FC (ü); | urlencode makes it fit".to_owned())
    );
    assert_eq!(verdict(" {{ payload.wide | urlencode }} ", Place::HeaderValue).as_deref(), Ok("%C3%BC"));
    assert_eq!(verdict("{{ payload.wide }}", Place::Line).as_deref(), Ok("ü"));
    assert_eq!(verdict("{{ payload.tab }}", Place::HeaderValue).as_deref(), Ok("a\tb"));
}
