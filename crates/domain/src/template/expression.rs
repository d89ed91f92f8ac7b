//! What an expression comes to. Everything here is Jinja's, but for three things: whatever is done is paid for, a missing
//! value keeps in mind what was asked for, and where it is only asked about (`if`, `==`, `in`, `default`) it counts as nothing.

use std::cmp::Ordering;
use std::sync::Arc;

use minijinja::machinery::Span;
use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind};
use minijinja::value::ValueKind;

use super::Fault;
use super::filter;
use super::number::Number;
use super::value::{Value, missing};
use super::work::{Halt, Work};
use crate::schedule::zone::Zones;

/// What expressions are evaluated against.
pub(super) struct Scene<'a> {
    /// The template's text, for places and for what a missing value is called.
    pub(super) source: &'a str,
    pub(super) work: &'a Work,
    pub(super) zones: &'a Zones,
    /// Names and what they stand for; the last one of a name counts.
    pub(super) names: Vec<(&'a str, Value)>,
}

impl<'a> Scene<'a> {
    /// Puts the place of `span` to the words.
    pub(super) fn at<T>(&self, span: Span, result: Result<T, Halt>) -> Result<T, Fault> {
        result.map_err(|halt| Fault::new(self.source, span.start_offset, halt))
    }

    pub(super) fn value(&self, expr: &Expr<'a>) -> Result<Value, Fault> {
        let span = place(expr);
        self.at(span, self.work.step())?;
        match expr {
            Expr::Var(var) => {
                self.at(span, self.work.bytes(self.names.len()))?;
                self.name(var.id).map_or_else(|| self.missing(expr), Ok)
            }
            Expr::Const(constant) => self.at(span, literal(&constant.value, self.work)),
            Expr::GetAttr(get) => {
                let whole = self.value(&get.expr)?;
                self.part(whole, expr, |whole, work| whole.field(get.name, work))
            }
            Expr::GetItem(get) => {
                let whole = self.value(&get.expr)?;
                let key = self.value(&get.subscript_expr)?;
                self.part(whole, expr, |whole, work| match &key {
                    Value::Text(name) => whole.field(name, work),
                    Value::Number(number) => number.whole(work)?.map_or(Ok(None), |place| whole.item(place, work)),
                    _ => Ok(None),
                })
            }
            Expr::UnaryOp(unary) => {
                let value = self.value(&unary.expr)?;
                match unary.op {
                    UnaryOpKind::Not => Ok(Value::Bool(!self.at(span, value.is_true(self.work))?)),
                    UnaryOpKind::Neg => {
                        self.at(span, calculate(BinOpKind::Sub, &Value::Number(Number::Whole(0)), &value, self.work))
                    }
                }
            }
            Expr::BinOp(binary) => self.binary(binary.op, &binary.left, &binary.right, span),
            Expr::Compare(chain) => {
                let mut left = self.value(&chain.expr)?;
                for next in &chain.ops {
                    let right = self.value(&next.expr)?;
                    if !self.at(span, compare(next.op, &left, &right, self.work))? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Ok(Value::Bool(true))
            }
            Expr::IfExpr(choice) => {
                let condition = self.value(&choice.test_expr)?;
                if self.at(span, condition.is_true(self.work))? {
                    self.value(&choice.true_expr)
                } else {
                    choice.false_expr.as_ref().map_or_else(|| Ok(Value::text("")), |other| self.value(other))
                }
            }
            Expr::Filter(applied) => {
                let subject = match &applied.expr {
                    Some(subject) => self.value(subject)?,
                    None => return self.at(span, Err(Halt::new("a filter stands behind a value"))),
                };
                let arguments = self.arguments(&applied.args)?;
                let made = filter::apply(applied.name, &subject, &arguments, self.zones, self.work);
                self.at(span, made)?.map_or_else(|| self.missing(expr), Ok)
            }
            Expr::Test(test) => {
                let subject = self.value(&test.expr)?;
                self.at(span, filter::test(test.name, &subject)).map(Value::Bool)
            }
            Expr::List(list) => self.list(&list.items),
            Expr::Tuple(tuple) => self.list(&tuple.items),
            Expr::Map(map) => {
                let mut fields = Vec::with_capacity(map.keys.len());
                for (key, value) in map.keys.iter().zip(&map.values) {
                    let Value::Text(name) = self.value(key)? else {
                        return self.at(key.span(), Err(Halt::new("the name of a field is a text")));
                    };
                    fields.push((name, self.value(value)?));
                }
                Ok(Value::Map(Arc::from(fields)))
            }
            // The check at save lets none of them through.
            Expr::Slice(_) | Expr::Call(_) => self.at(span, Err(Halt::new("this is not available in templates"))),
        }
    }

    fn name(&self, name: &str) -> Option<Value> {
        self.names.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    fn part(
        &self,
        whole: Value,
        expr: &Expr<'a>,
        look: impl FnOnce(&Value, &Work) -> Result<Option<Value>, Halt>,
    ) -> Result<Value, Fault> {
        match whole {
            // Said is what is missing first: of payload.user.name that is payload.user.
            Value::Missing(_) => Ok(whole),
            _ => self.at(place(expr), look(&whole, self.work))?.map_or_else(|| self.missing(expr), Ok),
        }
    }

    /// What is not there, and what it was called.
    fn missing(&self, expr: &Expr<'a>) -> Result<Value, Fault> {
        let asked = spelt(expr);
        self.at(place(expr), self.work.bytes(asked.len()))?;
        Ok(Value::Missing(Arc::from(asked)))
    }

    fn list(&self, items: &[Expr<'a>]) -> Result<Value, Fault> {
        let items: Vec<Value> = items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?;
        Ok(Value::List(Arc::from(items)))
    }

    fn arguments(&self, arguments: &[CallArg<'a>]) -> Result<Vec<Value>, Fault> {
        let positional = arguments.iter().filter_map(|argument| match argument {
            CallArg::Pos(value) => Some(value),
            // The check at save lets none of them through.
            CallArg::Kwarg(..) | CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
        });
        positional.map(|value| self.value(value)).collect()
    }

    fn binary(&self, op: BinOpKind, left: &Expr<'a>, right: &Expr<'a>, span: Span) -> Result<Value, Fault> {
        let left = self.value(left)?;
        match op {
            BinOpKind::ScAnd if !self.at(span, left.is_true(self.work))? => return Ok(left),
            BinOpKind::ScOr if self.at(span, left.is_true(self.work))? => return Ok(left),
            _ => {}
        }
        let right = self.value(right)?;
        let asked = |op| self.at(span, compare(op, &left, &right, self.work)).map(Value::Bool);
        match op {
            BinOpKind::ScAnd | BinOpKind::ScOr => Ok(right),
            BinOpKind::Eq => asked(CompareOpKind::Eq),
            BinOpKind::Ne => asked(CompareOpKind::Ne),
            BinOpKind::Lt => asked(CompareOpKind::Lt),
            BinOpKind::Lte => asked(CompareOpKind::Lte),
            BinOpKind::Gt => asked(CompareOpKind::Gt),
            BinOpKind::Gte => asked(CompareOpKind::Gte),
            BinOpKind::In => asked(CompareOpKind::In),
            BinOpKind::Concat => self.at(span, join(&left, &right, self.work)),
            BinOpKind::Add if matches!((&left, &right), (Value::Text(_), Value::Text(_))) => {
                self.at(span, join(&left, &right, self.work))
            }
            _ => self.at(span, calculate(op, &left, &right, self.work)),
        }
    }
}

/// Where an expression begins. The parser says for a chain where its last link does.
pub(super) fn place(expr: &Expr<'_>) -> Span {
    match expr {
        Expr::GetAttr(get) => place(&get.expr),
        Expr::GetItem(get) => place(&get.expr),
        Expr::Filter(applied) => applied.expr.as_ref().map_or_else(|| expr.span(), place),
        Expr::Test(test) => place(&test.expr),
        Expr::BinOp(binary) => place(&binary.left),
        Expr::Compare(chain) => place(&chain.expr),
        _ => expr.span(),
    }
}

/// An expression as its author may recognise it.
fn spelt(expr: &Expr<'_>) -> String {
    match expr {
        Expr::Var(var) => var.id.to_owned(),
        Expr::GetAttr(get) => format!("{}.{}", spelt(&get.expr), get.name),
        Expr::GetItem(get) => match &get.subscript_expr {
            Expr::Const(constant) => format!("{}[{:?}]", spelt(&get.expr), constant.value),
            key => format!("{}[{}]", spelt(&get.expr), spelt(key)),
        },
        Expr::Filter(applied) => {
            format!("{} | {}", applied.expr.as_ref().map(spelt).unwrap_or_default(), applied.name)
        }
        _ => "(…)".to_owned(),
    }
}

/// What stands in the template itself.
fn literal(value: &minijinja::Value, work: &Work) -> Result<Value, Halt> {
    Ok(match value.kind() {
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            work.bytes(text.len())?;
            Value::text(text)
        }
        ValueKind::Number => {
            let whole = i128::try_from(value.clone()).ok().filter(|_| value.is_integer()).map(Number::Whole);
            let number = whole.or_else(|| f64::try_from(value.clone()).ok().and_then(Number::finite));
            Value::Number(number.ok_or_else(too_large)?)
        }
        _ => return Err(Halt::new("this is not available in templates")),
    })
}

fn compare(op: CompareOpKind, left: &Value, right: &Value, work: &Work) -> Result<bool, Halt> {
    let ordered = |fits: fn(Ordering) -> bool| Ok(left.compare(right, work)?.is_some_and(fits));
    match op {
        CompareOpKind::Eq => left.equals(right, work),
        CompareOpKind::Ne => Ok(!left.equals(right, work)?),
        CompareOpKind::Lt => ordered(Ordering::is_lt),
        CompareOpKind::Lte => ordered(Ordering::is_le),
        CompareOpKind::Gt => ordered(Ordering::is_gt),
        CompareOpKind::Gte => ordered(Ordering::is_ge),
        CompareOpKind::In => right.holds(left, work),
        CompareOpKind::NotIn => Ok(!right.holds(left, work)?),
    }
}

/// Both as text, one behind the other.
fn join(left: &Value, right: &Value, work: &Work) -> Result<Value, Halt> {
    let mut joined = String::new();
    left.write(&mut joined, work)?;
    right.write(&mut joined, work)?;
    Ok(Value::text(joined))
}

fn calculate(op: BinOpKind, left: &Value, right: &Value, work: &Work) -> Result<Value, Halt> {
    let (one, two) = match (left, right) {
        (Value::Number(one), Value::Number(two)) => (one, two),
        (Value::Missing(asked), _) | (_, Value::Missing(asked)) => return Err(missing(asked)),
        _ => {
            return Err(Halt::new(format!("{} and {} cannot be calculated with", left.kind(), right.kind())));
        }
    };
    if matches!(op, BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem) && two.is_zero(work)? {
        return Err(Halt::new("nothing can be divided by nought"));
    }
    let whole = match (one.whole(work)?, two.whole(work)?) {
        (Some(one), Some(two)) => match op {
            BinOpKind::Add => one.checked_add(two),
            BinOpKind::Sub => one.checked_sub(two),
            BinOpKind::Mul => one.checked_mul(two),
            BinOpKind::FloorDiv => floored(one, two),
            BinOpKind::Rem => floored(one, two).and_then(|quotient| one.checked_sub(quotient.checked_mul(two)?)),
            BinOpKind::Pow => u32::try_from(two).ok().and_then(|two| one.checked_pow(two)),
            _ => None,
        },
        _ => None,
    };
    if let Some(whole) = whole {
        return Ok(Value::Number(Number::Whole(whole)));
    }
    let (one, two) = (one.float(work)?, two.float(work)?);
    let broken = match op {
        BinOpKind::Add => one + two,
        BinOpKind::Sub => one - two,
        BinOpKind::Mul => one * two,
        BinOpKind::Div => one / two,
        BinOpKind::FloorDiv => (one / two).floor(),
        BinOpKind::Rem => one - (one / two).floor() * two,
        BinOpKind::Pow => one.powf(two),
        _ => return Err(Halt::new("this is not available in templates")),
    };
    Number::finite(broken).map(Value::Number).ok_or_else(too_large)
}

/// Division towards minus infinity, as Jinja's `//` does it.
fn floored(one: i128, two: i128) -> Option<i128> {
    let quotient = one.checked_div(two)?;
    let is_exact = quotient.checked_mul(two)? == one;
    if !is_exact && (one < 0) != (two < 0) { quotient.checked_sub(1) } else { Some(quotient) }
}

fn too_large() -> Halt {
    Halt::new("the number is too large to calculate with")
}
