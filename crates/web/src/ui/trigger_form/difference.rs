//! What stands between two forms of one trigger, for whoever changed it in two windows: each field that differs, what it
//! says now and what would be saved.

use super::TriggerForm;

/// The longest text that is shown, in characters.
const CHARS_SHOWN: usize = 500;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) label: &'static str,
    /// What the trigger says; empty where it says nothing.
    pub(crate) now: String,
    /// What the form says.
    pub(crate) yours: String,
}

impl Difference {
    /// Everything in which `yours` differs from what the trigger says now.
    pub(crate) fn between(now: &TriggerForm, yours: &TriggerForm) -> Vec<Difference> {
        let rows = [
            ("Name", now.name.clone(), yours.name.clone()),
            ("Payload", now.payload.clone(), yours.payload.clone()),
            ("Schema of payloads", now.payload_schema.clone(), yours.payload_schema.clone()),
            ("When", timing(now), timing(yours)),
            ("Time zone", now.timezone.clone(), yours.timezone.clone()),
            ("More about when", now.terms.words(&now.kind), yours.terms.words(&yours.kind)),
            ("Webhook address", now.webhook_url.clone(), yours.webhook_url.clone()),
            ("Format", now.format.clone(), yours.format.clone()),
            ("Destinations", destinations(now), destinations(yours)),
            ("Reports expected", now.expects.words(), yours.expects.words()),
            ("Overlap", now.overlap.clone(), yours.overlap.clone()),
            ("Expires", wall(&now.expires_at), wall(&yours.expires_at)),
            ("Only a test", answer(now.is_test), answer(yours.is_test)),
        ];
        let differing = rows.into_iter().filter(|(_, now, yours)| now != yours);
        differing.map(|(label, now, yours)| Difference { label, now: shorten(&now), yours: shorten(&yours) }).collect()
    }
}

fn timing(form: &TriggerForm) -> String {
    match form.kind.as_str() {
        "once" => format!("Once at {}", wall(&form.run_at)),
        "every" if form.start_at.is_empty() => format!("Every {}", form.every),
        "every" => format!("Every {} from {}", form.every, wall(&form.start_at)),
        "cron" => format!("Cron {}", form.cron),
        "rrule" if form.rrule_start.is_empty() => format!("Calendar rule {}", form.rrule),
        "rrule" => format!("Calendar rule {} from {}", form.rrule, wall(&form.rrule_start)),
        "any_of" => format!("Any of {}", form.any_of.replace('\n', "; ")),
        _ => "When it is called".to_owned(),
    }
}

/// A wall time as people write it; browsers leave out seconds, or add zeros, as they please.
fn wall(text: &str) -> String {
    let read = text.parse::<jiff::civil::DateTime>();
    read.map_or_else(|_| text.to_owned(), |wall| wall.to_string().replace('T', " "))
}

fn destinations(form: &TriggerForm) -> String {
    form.destinations.iter().map(|id| format!("destination {id}")).collect::<Vec<_>>().join(", ")
}

fn answer(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_in_the_words_of_the_form() {
        let now = TriggerForm {
            name: "nightly".to_owned(),
            kind: "every".to_owned(),
            every: "1h".to_owned(),
            expires_at: "2027-01-01T00:00".to_owned(),
            ..TriggerForm::default()
        };
        let same =
            TriggerForm { expires_at: "2027-01-01T00:00:00.000".to_owned(), revision: "3".to_owned(), ..now.clone() };
        assert_eq!(Difference::between(&now, &same), []);
        let yours =
            TriggerForm { kind: "cron".to_owned(), cron: "0 9 * * *".to_owned(), name: "x".repeat(501), ..now.clone() };
        let found = Difference::between(&now, &yours);
        assert_eq!(found.iter().map(|one| one.label).collect::<Vec<_>>(), ["Name", "When"]);
        assert_eq!((found[1].now.as_str(), found[1].yours.as_str()), ("Every 1h", "Cron 0 9 * * *"));
        assert_eq!(found[0].yours.chars().count(), 501);
    }
}
