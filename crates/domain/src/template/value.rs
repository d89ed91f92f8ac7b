//! What an expression comes to, and how it is written: a text as it is, anything else as JSON. Whatever walks through a value
//! pays for it at the `Work`, because a few words of a template can name a value again and again.

use std::cmp::Ordering;
use std::sync::Arc;

use super::json::{Inside, Node};
use super::number::Number;
use super::work::{Halt, Work};

/// A field of an object.
pub(super) type Field = (Arc<str>, Value);

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing is there; the expression that asked for it.
    Missing(Arc<str>),
    Null,
    Bool(bool),
    Number(Number),
    Text(Arc<str>),
    /// An array or object of the payload.
    Node(Arc<Node>),
    List(Arc<[Value]>),
    Map(Arc<[Field]>),
    /// The loop that is running: which turn it is, counted from nought, and of how many.
    Loop(usize, usize),
}

impl Value {
    pub(super) fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(text.into())
    }

    /// What it is called in a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Missing(_) => "nothing",
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::Node(node) if node.is_array() => "a list",
            Value::List(_) => "a list",
            Value::Node(_) | Value::Map(_) | Value::Loop(..) => "an object",
        }
    }

    pub(super) fn is_true(&self, work: &Work) -> Result<bool, Halt> {
        Ok(match self {
            Value::Missing(_) | Value::Null => false,
            Value::Bool(is_true) => *is_true,
            Value::Number(number) => !number.is_zero(work)?,
            Value::Text(text) => !text.is_empty(),
            Value::Node(_) | Value::List(_) | Value::Map(_) => self.length(work)?.is_some_and(|length| length > 0),
            Value::Loop(..) => true,
        })
    }

    /// How many characters, items or fields; none where there is nothing to count.
    pub(super) fn length(&self, work: &Work) -> Result<Option<usize>, Halt> {
        Ok(match self {
            Value::Text(text) => {
                work.bytes(text.len())?;
                Some(text.chars().count())
            }
            Value::List(items) => Some(items.len()),
            Value::Map(fields) => Some(fields.len()),
            Value::Node(node) => match inside(node, work)? {
                Inside::Items(items) => Some(items.len()),
                Inside::Fields(fields, _) => Some(fields.len()),
            },
            _ => None,
        })
    }

    /// The field of that name.
    pub(super) fn field(&self, name: &str, work: &Work) -> Result<Option<Value>, Halt> {
        Ok(match self {
            Value::Map(fields) => fields.iter().find(|(field, _)| &**field == name).map(|(_, value)| value.clone()),
            Value::Node(node) => match inside(node, work)? {
                Inside::Items(_) => None,
                Inside::Fields(fields, places) => places.get(name).map(|&place| fields[place].1.clone()),
            },
            Value::Loop(turn, turns) => loop_field(*turn, *turns, name),
            _ => None,
        })
    }

    /// The item at that place, counted from nought, or from the end where it is negative.
    pub(super) fn item(&self, place: i128, work: &Work) -> Result<Option<Value>, Halt> {
        let items = match self {
            Value::List(items) => items,
            Value::Node(node) => match inside(node, work)? {
                Inside::Items(items) => items.as_slice(),
                Inside::Fields(..) => return Ok(None),
            },
            _ => return Ok(None),
        };
        let length = i128::try_from(items.len()).unwrap_or(i128::MAX);
        let place = if place < 0 { place.saturating_add(length) } else { place };
        Ok(usize::try_from(place).ok().and_then(|place| items.get(place)).cloned())
    }

    /// What a loop goes through: the items of a list, the names of an object's fields.
    pub(super) fn items(&self, work: &Work) -> Result<Option<Vec<Value>>, Halt> {
        let items: Vec<Value> = match self {
            Value::List(items) => items.to_vec(),
            Value::Map(fields) => fields.iter().map(|(name, _)| Value::Text(name.clone())).collect(),
            Value::Node(node) => match inside(node, work)? {
                Inside::Items(items) => items.clone(),
                Inside::Fields(fields, _) => fields.iter().map(|(name, _)| Value::Text(name.clone())).collect(),
            },
            _ => return Ok(None),
        };
        work.items(items.len())?;
        Ok(Some(items))
    }

    /// Name and value of every field of an object.
    pub(super) fn pairs(&self, work: &Work) -> Result<Option<Vec<Field>>, Halt> {
        let pairs = match self {
            Value::Map(fields) => fields.to_vec(),
            Value::Node(node) => match inside(node, work)? {
                Inside::Items(_) => return Ok(None),
                Inside::Fields(fields, _) => fields.clone(),
            },
            _ => return Ok(None),
        };
        work.items(pairs.len())?;
        Ok(Some(pairs))
    }

    /// Adds it to `out` as text: a text as it is, anything else as JSON.
    ///
    /// # Errors
    /// When there is nothing to write.
    pub(super) fn write(&self, out: &mut String, work: &Work) -> Result<(), Halt> {
        match self {
            Value::Text(text) => {
                work.bytes(text.len())?;
                out.push_str(text);
                Ok(())
            }
            _ => self.write_json(out, work),
        }
    }

    /// Adds it to `out` as JSON; what comes from the payload as it is written there.
    ///
    /// # Errors
    /// When there is nothing to write.
    pub(super) fn write_json(&self, out: &mut String, work: &Work) -> Result<(), Halt> {
        let _floor = work.descend()?;
        match self {
            Value::Missing(asked) => return Err(missing(asked)),
            Value::Null => out.push_str("null"),
            Value::Bool(is_true) => out.push_str(if *is_true { "true" } else { "false" }),
            Value::Number(number) => {
                let text = number.text();
                work.bytes(text.len())?;
                out.push_str(&text);
            }
            Value::Text(text) => write_json_text(text, out, work)?,
            Value::Node(node) => {
                work.bytes(node.text().len())?;
                out.push_str(node.text());
            }
            Value::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    item.write_json(out, work)?;
                }
                out.push(']');
            }
            Value::Map(fields) => {
                out.push('{');
                for (place, (name, value)) in fields.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    write_json_text(name, out, work)?;
                    out.push(':');
                    value.write_json(out, work)?;
                }
                out.push('}');
            }
            Value::Loop(..) => {
                return Err(Halt::new("loop is not to be written; name one of its fields, as loop.index"));
            }
        }
        Ok(())
    }

    /// Whether both are the same. Nothing equals nothing: a missing value is equal to no other.
    pub(super) fn equals(&self, other: &Value, work: &Work) -> Result<bool, Halt> {
        let _floor = work.descend()?;
        Ok(match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(two)) => one == two,
            (Value::Number(one), Value::Number(two)) => one.compare(two, work)? == Some(Ordering::Equal),
            (Value::Text(one), Value::Text(two)) => {
                work.bytes(one.len().min(two.len()))?;
                one == two
            }
            _ => match (self.pairs(work)?, other.pairs(work)?) {
                (Some(one), Some(two)) => one.len() == two.len() && all_equal(&one, other, work)?,
                (None, None) => match (self.items(work)?, other.items(work)?) {
                    (Some(one), Some(two)) if one.len() == two.len() => {
                        for (one, two) in one.iter().zip(&two) {
                            if !one.equals(two, work)? {
                                return Ok(false);
                            }
                        }
                        true
                    }
                    _ => false,
                },
                _ => false,
            },
        })
    }

    /// Which comes first; none where one of them is missing or null.
    ///
    /// # Errors
    /// When they are not both numbers or both texts.
    pub(super) fn compare(&self, other: &Value, work: &Work) -> Result<Option<Ordering>, Halt> {
        match (self, other) {
            (Value::Missing(_) | Value::Null, _) | (_, Value::Missing(_) | Value::Null) => Ok(None),
            (Value::Number(one), Value::Number(two)) => match one.compare(two, work)? {
                Some(order) => Ok(Some(order)),
                None => Err(Halt::new("these numbers are too large to compare")),
            },
            (Value::Text(one), Value::Text(two)) => {
                work.bytes(one.len().min(two.len()))?;
                Ok(Some(one.cmp(two)))
            }
            _ => Err(Halt::new(format!("{} cannot be compared with {}", self.kind(), other.kind()))),
        }
    }

    /// Whether `needle` is in it: a text in a text, an item in a list, a name among the fields of an object.
    pub(super) fn holds(&self, needle: &Value, work: &Work) -> Result<bool, Halt> {
        if let Value::Missing(_) | Value::Null = self {
            return Ok(false);
        }
        if let (Value::Text(text), Value::Text(needle)) = (self, needle) {
            work.bytes(text.len())?;
            return Ok(text.contains(&**needle));
        }
        let Some(items) = self.items(work)? else {
            return Err(Halt::new(format!("{} cannot hold {}", self.kind(), needle.kind())));
        };
        for item in &items {
            if item.equals(needle, work)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn all_equal(fields: &[Field], other: &Value, work: &Work) -> Result<bool, Halt> {
    for (name, value) in fields {
        match other.field(name, work)? {
            Some(theirs) if value.equals(&theirs, work)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn inside<'a>(node: &'a Node, work: &Work) -> Result<&'a Inside, Halt> {
    // Looking in for the first time reads the text.
    if node.is_read() {
        work.step()?
    } else {
        work.bytes(node.text().len())?
    }
    Ok(node.inside())
}

fn write_json_text(text: &str, out: &mut String, work: &Work) -> Result<(), Halt> {
    // Paid before it is made; escaped it has at most six times as many bytes, which only controls need.
    work.bytes(text.len())?;
    let quoted = serde_json::Value::from(text).to_string();
    work.bytes(quoted.len() - text.len())?;
    out.push_str(&quoted);
    Ok(())
}

/// The names that a loop answers to.
pub(super) const LOOP_FIELDS: [&str; 7] = ["index", "index0", "revindex", "revindex0", "first", "last", "length"];

fn loop_field(turn: usize, turns: usize, name: &str) -> Option<Value> {
    let number = |number: usize| Value::Number(Number::Whole(i128::try_from(number).unwrap_or(i128::MAX)));
    Some(match name {
        "index" => number(turn + 1),
        "index0" => number(turn),
        "revindex" => number(turns - turn),
        "revindex0" => number(turns - turn - 1),
        "first" => Value::Bool(turn == 0),
        "last" => Value::Bool(turn + 1 == turns),
        "length" => number(turns),
        _ => return None,
    })
}

/// Nothing is there to be written or worked with.
pub(super) fn missing(asked: &str) -> Halt {
    Halt::new(format!("{asked} is missing; say what to take instead: {asked} | default(\"…\")"))
}
