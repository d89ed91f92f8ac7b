//! A document of the API as a person reads it on a terminal: the sentence, then the fields by their names, then what there are several of, as
//! tables. It knows no field but the sentence, so whatever the API tells is here, too.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The field that is told before all others.
const SENTENCE: &str = "sentence";

/// What stands in a table where there is nothing.
const NOTHING: &str = "-";

/// Between two columns.
const GAP: &str = "  ";

/// A document, its fields in the order in which it has them.
enum Value {
    Nothing,
    Word(String),
    List(Vec<Value>),
    Fields(Vec<(String, Value)>),
}

/// The names and words of one thing, without what is nothing.
type Words = Vec<(String, String)>;

/// The text of a document.
pub(super) fn of(json: &str) -> serde_json::Result<String> {
    let mut told = Told::default();
    if let Value::Fields(fields) = serde_json::from_str(json)? {
        for (name, value) in fields {
            told.take(name, value);
        }
    }
    Ok(told.text())
}

/// What there is to be written.
#[derive(Default)]
struct Told {
    sentence: Option<String>,
    rows: Words,
    tables: Vec<(String, Vec<Words>)>,
}

impl Told {
    fn take(&mut self, name: String, value: Value) {
        match value {
            Value::Nothing => {}
            Value::Word(word) if name == SENTENCE => self.sentence = Some(word),
            Value::Word(word) => self.rows.push((name, word)),
            Value::Fields(fields) => {
                for (inner, value) in fields {
                    self.take(format!("{name}.{inner}"), value);
                }
            }
            Value::List(list) if list.iter().any(|one| matches!(one, Value::Fields(_))) => {
                self.tables.push((name, list.into_iter().map(|one| words("", one)).collect()));
            }
            Value::List(list) => {
                let mut name = name;
                for word in list.into_iter().flat_map(|one| words("", one)) {
                    self.rows.push((std::mem::take(&mut name), word.1));
                }
            }
        }
    }

    fn text(self) -> String {
        let mut parts: Vec<String> = self.sentence.into_iter().map(|sentence| format!("{sentence}\n")).collect();
        let rows: Vec<[String; 2]> = self.rows.into_iter().map(|(name, word)| [name, word]).collect();
        if !rows.is_empty() {
            parts.push(aligned("", &rows));
        }
        parts.extend(self.tables.iter().map(|(name, table)| format!("{name}\n{}", aligned(GAP, &with_head(table)))));
        parts.join("\n")
    }
}

/// The words of one thing, each by its whole name.
fn words(name: &str, value: Value) -> Words {
    match value {
        Value::Nothing => Vec::new(),
        Value::Word(word) => vec![(name.to_owned(), word)],
        Value::List(list) => {
            let each: Vec<String> = list.into_iter().flat_map(|one| words("", one)).map(|(_, word)| word).collect();
            if each.is_empty() { Vec::new() } else { vec![(name.to_owned(), each.join(", "))] }
        }
        Value::Fields(fields) => {
            let below = |(inner, value): (String, Value)| {
                let name = if name.is_empty() { inner } else { format!("{name}.{inner}") };
                words(&name, value)
            };
            fields.into_iter().flat_map(below).collect()
        }
    }
}

/// A table with its head: the names that any of its rows has, in the order in which they come.
fn with_head(table: &[Words]) -> Vec<Vec<String>> {
    let mut head: Vec<String> = Vec::new();
    for row in table {
        let mut after = 0;
        for (name, _) in row {
            match head.iter().position(|known| known == name) {
                Some(place) => after = place + 1,
                None => {
                    head.insert(after, name.clone());
                    after += 1;
                }
            }
        }
    }
    let cell = |row: &Words, name: &String| {
        row.iter().find(|(known, _)| known == name).map_or_else(|| NOTHING.to_owned(), |(_, word)| word.clone())
    };
    let rows: Vec<Vec<String>> = table.iter().map(|row| head.iter().map(|name| cell(row, name)).collect()).collect();
    std::iter::once(head).chain(rows).collect()
}

/// Rows whose columns begin below each other.
fn aligned(margin: &str, rows: &[impl AsRef<[String]>]) -> String {
    let width = |cell: &String| cell.chars().count();
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.as_ref().get(column)).map(width).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.as_ref().iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        text.push_str(format!("{margin}{}", cells.join(GAP)).trim_end());
        text.push('\n');
    }
    text
}

/// Names and reasons are other people's words: none of them may move the cursor of a terminal, or colour it.
fn harmless(word: &str) -> String {
    word.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Value, E> {
        Ok(Value::Word(is.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Word(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Word(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Word(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Word(harmless(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(Value::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(json: &str) -> Vec<String> {
        of(json).expect("JSON").lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_sentence_comes_first_then_the_fields_then_what_there_are_several_of() {
        let told = lines(
            r#"{"trigger_id": 7, "sentence": "It fired.", "clock": null, "advice": ["One.", "Two."], "is_occurrence": true,
                "event": {"id": 12, "lateness_ms": 3.1}, "obstacles": [], "unmet": [{"field": "hour", "wanted": "9", "shown": "10"}],
                "counts": {"runs": [{"reason": "missed"}]}, "tzdata": "2026e"}"#,
        );
        assert_eq!(
            told,
            [
                "It fired.",
                "",
                "trigger_id         7",
                "advice             One.",
                "                   Two.",
                "is_occurrence      true",
                "event.id           12",
                "event.lateness_ms  3.1",
                "tzdata             2026e",
                "",
                "unmet",
                "  field  wanted  shown",
                "  hour   9       10",
                "",
                "counts.runs",
                "  reason",
                "  missed",
            ]
        );
    }

    #[test]
    fn a_table_has_the_columns_of_all_its_rows() {
        let told = lines(
            r#"{"lines": [{"disposition": "missed", "count": 3, "event": null, "calendars": ["a", "b"], "tzdata": "x"},
                {"disposition": "fired", "count": 1, "event": {"id": 5}, "calendars": [], "tzdata": "x"}]}"#,
        );
        assert_eq!(
            told,
            [
                "lines",
                "  disposition  count  event.id  calendars  tzdata",
                "  missed       3      -         a, b       x",
                "  fired        1      5         -          x",
            ]
        );
    }

    #[test]
    fn other_peoples_words_do_nothing_to_a_terminal() {
        assert_eq!(lines(r#"{"reason": "a\u001b[31mb\u0007\nc"}"#), ["reason  a\u{fffd}[31mb\u{fffd}\u{fffd}c"]);
    }
}
