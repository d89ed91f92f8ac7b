//! What is found out about a template when it is saved: whether it asks only for names that exist, on every branch, and
//! whether it keeps to the part of the language that can be bounded.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{CallArg, Expr, Stmt};

use super::context::NAMES;
use super::expression::place;
use super::filter::{FILTERS, TESTS};
use super::value::LOOP_FIELDS;
use super::work::Halt;
use super::{Fault, Place};

/// What a template uses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Use {
    /// Whether it looks at the payload, of which nothing is known when it is saved.
    pub(super) payload: bool,
}

/// Goes through a template and refuses what cannot work.
pub(super) fn check<'a>(text: &'a str, template: &Stmt<'a>, place: Place) -> Result<Use, Fault> {
    let mut checker = Checker { text, place, names: Vec::new(), used: Use::default() };
    checker.statement(template)?;
    Ok(checker.used)
}

struct Checker<'a> {
    text: &'a str,
    place: Place,
    /// Names that the template gives itself.
    names: Vec<&'a str>,
    used: Use,
}

impl<'a> Checker<'a> {
    fn refuse<T>(&self, span: Span, words: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::new(self.text, span.start_offset, Halt::new(words.into())))
    }

    fn statements(&mut self, statements: &[Stmt<'a>]) -> Result<(), Fault> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt<'a>) -> Result<(), Fault> {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(raw) => match self.place.refuses(raw.raw) {
                Some(halt) => Err(Fault::new(self.text, raw.span().start_offset, halt)),
                None => Ok(()),
            },
            Stmt::EmitExpr(emitted) => self.expression(&emitted.expr),
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr)?;
                self.statements(&condition.true_body)?;
                self.statements(&condition.false_body)
            }
            Stmt::ForLoop(repeated) => {
                if repeated.recursive || repeated.filter_expr.is_some() {
                    return self
                        .refuse(repeated.span(), "a loop can be neither recursive nor filtered; put an if inside it");
                }
                self.expression(&repeated.iter)?;
                self.statements(&repeated.else_body)?;
                let known = self.names.len();
                self.names.push("loop");
                self.target(&repeated.target)?;
                self.statements(&repeated.body)?;
                self.names.truncate(known);
                Ok(())
            }
            Stmt::Set(set) => {
                self.expression(&set.expr)?;
                self.target(&set.target)
            }
            Stmt::SetBlock(other) => self.unavailable(other.span(), "set with a block"),
            Stmt::WithBlock(other) => self.unavailable(other.span(), "with"),
            Stmt::AutoEscape(other) => self.unavailable(other.span(), "autoescape"),
            Stmt::FilterBlock(other) => self.unavailable(other.span(), "filter with a block"),
            Stmt::Do(other) => self.unavailable(other.span(), "do"),
        }
    }

    fn unavailable<T>(&self, span: Span, what: &str) -> Result<T, Fault> {
        self.refuse(span, format!("{what} is not available in templates; if, for and set are"))
    }

    /// Names that the template gives itself; those of the context stay what they are.
    fn target(&mut self, target: &Expr<'a>) -> Result<(), Fault> {
        match target {
            Expr::Var(var) if var.id == "loop" || NAMES.iter().any(|(known, _)| *known == var.id) => {
                self.refuse(target.span(), format!("{} has its meaning already; take another name", var.id))
            }
            Expr::Var(var) => {
                self.names.push(var.id);
                Ok(())
            }
            Expr::List(list) => list.items.iter().try_for_each(|item| self.target(item)),
            Expr::Tuple(tuple) => tuple.items.iter().try_for_each(|item| self.target(item)),
            _ => self.refuse(target.span(), "a name is expected here"),
        }
    }

    fn expression(&mut self, expr: &Expr<'a>) -> Result<(), Fault> {
        match expr {
            Expr::Const(_) => Ok(()),
            Expr::Var(var) => self.name(var.id, place(expr)),
            Expr::GetAttr(get) => match &get.expr {
                Expr::Var(var) => self.field(var.id, Some(get.name), place(expr)),
                inner => self.deeper(inner, place(expr)),
            },
            Expr::GetItem(get) => {
                self.expression(&get.subscript_expr)?;
                match &get.expr {
                    Expr::Var(var) => {
                        let key = match &get.subscript_expr {
                            Expr::Const(constant) => constant.value.as_str(),
                            _ => None,
                        };
                        self.field(var.id, key, place(expr))
                    }
                    inner => self.deeper(inner, place(expr)),
                }
            }
            Expr::UnaryOp(unary) => self.expression(&unary.expr),
            Expr::BinOp(binary) => {
                self.expression(&binary.left)?;
                self.expression(&binary.right)
            }
            Expr::Compare(chain) => {
                self.expression(&chain.expr)?;
                chain.ops.iter().try_for_each(|next| self.expression(&next.expr))
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr)?;
                self.expression(&choice.true_expr)?;
                choice.false_expr.iter().try_for_each(|other| self.expression(other))
            }
            Expr::Filter(applied) => {
                let span = place(expr);
                let Some((_, least, most)) = FILTERS.iter().find(|(name, ..)| *name == applied.name) else {
                    let known: Vec<&str> = FILTERS.iter().map(|(name, ..)| *name).collect();
                    return self
                        .refuse(span, format!("there is no filter {}; there are {}", applied.name, known.join(", ")));
                };
                if applied.name == "urlencode" && self.place == Place::Address {
                    return self.refuse(span, "values in an address are percent-encoded already; leave urlencode out");
                }
                if !(*least..=*most).contains(&applied.args.len()) {
                    let many = if least == most { format!("{least}") } else { format!("{least} to {most}") };
                    return self.refuse(span, format!("{} takes {many} values in its brackets", applied.name));
                }
                self.arguments(&applied.args, span)?;
                match &applied.expr {
                    // The only thing that can be done with a whole group.
                    Some(Expr::Var(var)) if applied.name == "tojson" && self.is_group(var.id) => Ok(()),
                    Some(subject) => self.expression(subject),
                    None => self.refuse(span, "a filter stands behind a value"),
                }
            }
            Expr::Test(test) => {
                if !TESTS.contains(&test.name) {
                    let words = format!("there is no test {}; there are {}", test.name, TESTS.join(", "));
                    return self.refuse(place(expr), words);
                }
                if !test.args.is_empty() {
                    return self.refuse(place(expr), format!("{} takes no values in brackets", test.name));
                }
                self.expression(&test.expr)
            }
            Expr::List(list) => list.items.iter().try_for_each(|item| self.expression(item)),
            Expr::Tuple(tuple) => tuple.items.iter().try_for_each(|item| self.expression(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).try_for_each(|item| self.expression(item)),
            Expr::Slice(_) => self.refuse(place(expr), "pieces as in [1:5] are not available; there is truncate(5)"),
            Expr::Call(_) => self.refuse(place(expr), "functions are not available in templates; filters are"),
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'a>], span: Span) -> Result<(), Fault> {
        arguments.iter().try_for_each(|argument| match argument {
            CallArg::Pos(value) => self.expression(value),
            CallArg::Kwarg(..) | CallArg::PosSplat(_) | CallArg::KwargSplat(_) => {
                self.refuse(span, "values in brackets stand there without names, one behind the other")
            }
        })
    }

    fn is_group(&self, name: &str) -> bool {
        !self.names.contains(&name) && NAMES.iter().any(|(known, fields)| *known == name && !fields.is_empty())
    }

    /// A name that stands alone.
    fn name(&mut self, name: &str, span: Span) -> Result<(), Fault> {
        if self.names.contains(&name) {
            return Ok(());
        }
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, [])) => {
                self.used.payload |= name == "payload";
                Ok(())
            }
            Some((_, fields)) => {
                let words = format!("{name} is a group; name one of its fields: {}", listed(name, fields));
                self.refuse(span, words)
            }
            None => {
                let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
                self.refuse(span, format!("{name} is unknown; there are {}", known.join(", ")))
            }
        }
    }

    /// A field of something that has a name. `field` is none where it stands in the template only as something to be found out.
    fn field(&mut self, name: &str, field: Option<&str>, span: Span) -> Result<(), Fault> {
        if self.names.contains(&name) {
            return match field {
                Some(field) if name == "loop" && !LOOP_FIELDS.contains(&field) => {
                    self.refuse(span, format!("loop.{field} is unknown; there are {}", listed("loop", &LOOP_FIELDS)))
                }
                _ => Ok(()),
            };
        }
        match NAMES.iter().find(|(known, _)| *known == name) {
            None | Some((_, [])) if name != "payload" => {
                self.name(name, span)?;
                self.refuse(span, format!("{name} has no fields"))
            }
            None | Some((_, [])) => self.name(name, span),
            Some((_, fields)) => match field {
                Some(field) if fields.contains(&field) => Ok(()),
                Some(field) => {
                    self.refuse(span, format!("{name}.{field} is unknown; there are {}", listed(name, fields)))
                }
                None => self.refuse(span, format!("write one of the fields: {}", listed(name, fields))),
            },
        }
    }

    /// A field of a field: only the payload, what comes out of it, and what the template named itself go so deep.
    fn deeper(&mut self, inner: &Expr<'a>, span: Span) -> Result<(), Fault> {
        self.expression(inner)?;
        match root(inner) {
            Some(name) if !self.names.contains(&name) && name != "payload" => {
                self.refuse(span, "this is a text or a number and has no fields")
            }
            _ => Ok(()),
        }
    }
}

/// The name at which a chain of fields begins.
fn root<'a>(expr: &Expr<'a>) -> Option<&'a str> {
    match expr {
        Expr::Var(var) => Some(var.id),
        Expr::GetAttr(get) => root(&get.expr),
        Expr::GetItem(get) => root(&get.expr),
        _ => None,
    }
}

fn listed(name: &str, fields: &[&str]) -> String {
    fields.iter().map(|field| format!("{name}.{field}")).collect::<Vec<_>>().join(", ")
}
