//! Arrays and objects of a payload, read one floor at a time and only when somebody looks in. Until then they are a stretch of
//! the text that their author wrote, and as that they are written again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::number::Number;
use super::value::{Field, Value};

/// An array or an object in JSON text that is known to be valid.
#[derive(Debug)]
pub(super) struct Node {
    text: Arc<str>,
    start: usize,
    end: usize,
    inside: OnceLock<Inside>,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Inside {
    /// An array.
    Items(Vec<Value>),
    /// An object: its fields in the order of their first mention, and where each name stands. Of a name that is there twice
    /// the last value counts, as in most readers of JSON.
    Fields(Vec<Field>, BTreeMap<Arc<str>, usize>),
}

impl Node {
    /// A value from valid JSON text.
    pub(super) fn read(text: &str) -> Value {
        let text: Arc<str> = Arc::from(text);
        let end = text.len();
        value(&text, 0, end)
    }

    /// The JSON text.
    pub(super) fn text(&self) -> &str {
        &self.text[self.start..self.end]
    }

    pub(super) fn is_array(&self) -> bool {
        self.text().starts_with('[')
    }

    /// Whether looking in costs no reading any more.
    pub(super) fn is_read(&self) -> bool {
        self.inside.get().is_some()
    }

    /// What it holds.
    pub(super) fn inside(&self) -> &Inside {
        self.inside.get_or_init(|| if self.is_array() { self.items() } else { self.fields() })
    }

    fn items(&self) -> Inside {
        let Items(raw) = serde_json::from_str(self.text()).unwrap_or(Items(Vec::new()));
        Inside::Items(raw.into_iter().map(|raw| self.child(raw)).collect())
    }

    fn fields(&self) -> Inside {
        let Fields(raw) = serde_json::from_str(self.text()).unwrap_or(Fields(Vec::new()));
        let mut fields: Vec<Field> = Vec::with_capacity(raw.len());
        let mut places = BTreeMap::new();
        for (Text(name), raw) in raw {
            let value = self.child(raw);
            match places.get(&name) {
                Some(&place) => {
                    let field: &mut Field = &mut fields[place];
                    field.1 = value;
                }
                None => {
                    places.insert(name.clone(), fields.len());
                    fields.push((name, value));
                }
            }
        }
        Inside::Fields(fields, places)
    }

    /// The value that a piece of this node's own text stands for.
    fn child(&self, raw: &RawValue) -> Value {
        let start = self.start + (raw.get().as_ptr() as usize - self.text().as_ptr() as usize);
        value(&self.text, start, start + raw.get().len())
    }
}

fn value(text: &Arc<str>, start: usize, end: usize) -> Value {
    let piece = &text[start..end];
    match piece.as_bytes().first() {
        Some(b'{' | b'[') => Value::Node(Arc::new(Node { text: text.clone(), start, end, inside: OnceLock::new() })),
        Some(b'"') => serde_json::from_str(piece).map_or(Value::Null, |Text(text)| Value::Text(text)),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'-' | b'0'..=b'9') => Value::Number(Number::Written(Arc::from(piece))),
        _ => Value::Null,
    }
}

/// A string of JSON. Half a surrogate pair, which JSON allows and UTF-8 does not, becomes a replacement character.
struct Text(Arc<str>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(Arc::from(String::from_utf8_lossy(bytes))))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Items<'de>, D::Error> {
        struct Sequence;
        impl<'de> Visitor<'de> for Sequence {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Items<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Sequence)
    }
}

struct Fields<'a>(Vec<(Text, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = access.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{PAYLOAD_DEPTH_MAX, Payload};

    fn fields(value: &Value) -> Vec<(String, String)> {
        let Value::Node(node) = value else { panic!("{value:?} is no node") };
        let Inside::Fields(fields, _) = node.inside() else { panic!("{value:?} is no object") };
        fields.iter().map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect()
    }

    #[test]
    fn of_a_name_that_is_there_twice_the_last_value_counts() {
        let read = Node::read(r#"{"a": true, "b": null, "a": false}"#);
        let expected = [("a", "Bool(false)"), ("b", "Null")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(&read), expected);
    }

    #[test]
    fn half_a_surrogate_pair_is_no_reason_to_fail() {
        let payload = Payload::parse(r#"{"\ud800": "\udfff!"}"#).expect("JSON by its grammar");
        let read = fields(&Node::read(payload.as_str()));
        assert!(read[0].1.ends_with("!\")"), "{read:?}");
    }

    #[test]
    fn the_deepest_payload_can_be_looked_into_to_its_floor() {
        let text = "[".repeat(PAYLOAD_DEPTH_MAX) + &"]".repeat(PAYLOAD_DEPTH_MAX);
        let payload = Payload::parse(&text).expect("the deepest");
        let (mut floors, mut value) = (0, Node::read(payload.as_str()));
        while let Value::Node(node) = value {
            floors += 1;
            let Inside::Items(items) = node.inside() else { panic!("no array") };
            value = items.first().cloned().unwrap_or(Value::Null);
        }
        assert_eq!(floors, PAYLOAD_DEPTH_MAX);
    }
}
