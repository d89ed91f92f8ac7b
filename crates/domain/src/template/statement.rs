//! Rendering: statements run, and what they write is held against the bounds of the place it is for.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{Expr, Stmt};
use percent_encoding::utf8_percent_encode;

use super::expression::{Scene, place};
use super::value::Value;
use super::work::Halt;
use super::{COMPONENT, Fault, Place};

/// A rendering under way.
pub(super) struct Rendering<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) place: Place,
    pub(super) out: String,
}

impl<'a> Rendering<'a> {
    pub(super) fn run(&mut self, statements: &[Stmt<'a>]) -> Result<(), Fault> {
        for statement in statements {
            match statement {
                Stmt::Template(template) => self.run(&template.children)?,
                Stmt::EmitRaw(raw) => {
                    let paid = self.scene.work.bytes(raw.raw.len());
                    self.scene.at(raw.span(), paid)?;
                    self.write(raw.raw, raw.span())?;
                }
                Stmt::EmitExpr(emitted) => self.emit(&emitted.expr)?,
                Stmt::IfCond(condition) => {
                    let value = self.scene.value(&condition.expr)?;
                    let is_true = value.is_true(self.scene.work);
                    let body = if self.scene.at(place(&condition.expr), is_true)? {
                        &condition.true_body
                    } else {
                        &condition.false_body
                    };
                    self.run(body)?;
                }
                Stmt::ForLoop(repeated) => {
                    let turns = self.turns(&repeated.iter)?;
                    if turns.is_empty() {
                        self.run(&repeated.else_body)?;
                    }
                    let (known, count) = (self.scene.names.len(), turns.len());
                    for (turn, item) in turns.into_iter().enumerate() {
                        let paid = self.scene.work.step();
                        self.scene.at(repeated.span(), paid)?;
                        self.scene.names.push(("loop", Value::Loop(turn, count)));
                        self.name(&repeated.target, item)?;
                        self.run(&repeated.body)?;
                        self.scene.names.truncate(known);
                    }
                }
                Stmt::Set(set) => {
                    let value = self.scene.value(&set.expr)?;
                    self.name(&set.target, value)?;
                }
                // The check at save lets none of them through.
                _ => return self.scene.at(Span::default(), Err(Halt::new("this is not available in templates"))),
            }
        }
        Ok(())
    }

    /// What a loop goes through. Over something that is missing there is nothing to go through.
    fn turns(&self, expr: &Expr<'a>) -> Result<Vec<Value>, Fault> {
        let value = self.scene.value(expr)?;
        if let Value::Missing(_) | Value::Null = value {
            return Ok(Vec::new());
        }
        let turns = self.scene.at(place(expr), value.items(self.scene.work))?;
        turns.map_or_else(
            || {
                self.scene.at(
                    place(expr),
                    Err(Halt::new(format!("a loop goes through a list, and this is {}", value.kind()))),
                )
            },
            Ok,
        )
    }

    /// Gives a value a name, or each of its items one where several names are given.
    fn name(&mut self, target: &Expr<'a>, value: Value) -> Result<(), Fault> {
        let names = match target {
            Expr::Var(var) => {
                self.scene.names.push((var.id, value));
                return self.scene.at(target.span(), self.scene.work.step());
            }
            Expr::List(list) => &list.items,
            Expr::Tuple(tuple) => &tuple.items,
            _ => return self.scene.at(target.span(), Err(Halt::new("a name is expected here"))),
        };
        let items = self.scene.at(target.span(), value.items(self.scene.work))?;
        let Some(items) = items.filter(|items| items.len() == names.len()) else {
            let halt = Halt::new(format!("there are {} names here for another number of values", names.len()));
            return self.scene.at(target.span(), Err(halt));
        };
        names.iter().zip(items).try_for_each(|(name, item)| self.name(name, item))
    }

    fn emit(&mut self, expr: &Expr<'a>) -> Result<(), Fault> {
        let value = self.scene.value(expr)?;
        let mut text = String::new();
        self.scene.at(place(expr), value.write(&mut text, self.scene.work))?;
        if self.place == Place::Address {
            if text.is_empty() && self.out.ends_with('/') && !self.out.contains('?') {
                let halt = Halt::new("this is empty and would leave out a segment of the path");
                return self.scene.at(place(expr), Err(halt));
            }
            text = utf8_percent_encode(&text, &COMPONENT).to_string();
        }
        if let Some(halt) = self.place.refuses(&text) {
            return self.scene.at(place(expr), Err(halt));
        }
        self.write(&text, place(expr))
    }

    fn write(&mut self, text: &str, span: Span) -> Result<(), Fault> {
        if self.out.len() + text.len() > self.place.bytes_max() {
            let halt =
                Halt::new(format!("{} would have more than {} bytes", self.place.word(), self.place.bytes_max()));
            return self.scene.at(span, Err(halt));
        }
        self.out.push_str(text);
        Ok(())
    }
}
