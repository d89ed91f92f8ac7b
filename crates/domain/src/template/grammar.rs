//! The grammar, which is Jinja's and read by minijinja's parser. That one is recursive and calls to itself without bounds in
//! places, so what it gets to see is counted first.

use minijinja::machinery::ast::Stmt;
use minijinja::machinery::{Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::work::Halt;
use super::{Fault, TEXT_BYTES_MAX};

/// The most words and signs between `{{` and `}}` or `{%` and `%}`. The parser descends into chains of them.
const TAG_TOKENS_MAX: usize = 200;

/// How deep brackets, and how deep `if` and `for` may be nested, and how often in one tag a minus, `not` or `else` may stand. The parser descends into each, and some threads have small stacks.
const NESTING_MAX: usize = 20;

/// The most `set` in a template. Each can put what was there before into another list, and so on to a depth that nobody can climb.
const SETS_MAX: usize = 32;

/// The most `elif` in a template. The parser descends into each.
const ELIF_MAX: usize = 50;

/// Reads a template as far as its grammar goes.
pub(super) fn parsed(text: &str) -> Result<Stmt<'_>, Fault> {
    if text.len() > TEXT_BYTES_MAX {
        let halt = Halt::new(format!("the template has {} bytes; at most {TEXT_BYTES_MAX} are allowed", text.len()));
        return Err(Fault::new(text, 0, halt));
    }
    bounded(text)?;
    parse(text, "template", syntax()).map_err(|error| unreadable(text, &error))
}

fn syntax() -> SyntaxConfig {
    let mut builder = SyntaxConfig::builder();
    builder.keep_trailing_newline(true);
    builder.build().unwrap_or_default()
}

/// Counts before the parser, which is recursive, sees anything.
fn bounded(text: &str) -> Result<(), Fault> {
    let mut count = Count::default();
    for token in tokenize(text, false, syntax()) {
        let (token, span) = token.map_err(|error| unreadable(text, &error))?;
        count.add(&token).map_err(|halt| Fault::new(text, span.start_offset, halt))?;
    }
    Ok(())
}

#[derive(Default)]
struct Count {
    tokens: usize,
    brackets: usize,
    signs: usize,
    blocks: usize,
    sets: usize,
    elifs: usize,
}

impl Count {
    fn add(&mut self, token: &Token<'_>) -> Result<(), Halt> {
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => {
                (self.tokens, self.brackets, self.signs) = (0, 0, 0);
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => self.brackets += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                self.brackets = self.brackets.saturating_sub(1)
            }
            Token::Ident("if" | "for") if self.tokens == 0 => self.blocks += 1,
            Token::Minus | Token::Ident("not") => self.signs += 1,
            Token::Ident("else") if self.tokens > 0 => self.signs += 1,
            Token::Ident("endif" | "endfor") => self.blocks = self.blocks.saturating_sub(1),
            Token::Ident("set") if self.tokens == 0 => self.sets += 1,
            Token::Ident("elif") => self.elifs += 1,
            _ => {}
        }
        if !matches!(token, Token::TemplateData(_) | Token::VariableStart | Token::BlockStart) {
            self.tokens += 1;
        }
        let is_too = |what: &str, most| Err(Halt::new(format!("there are more than {most} {what}")));
        if self.tokens > TAG_TOKENS_MAX {
            is_too("words and signs in one tag", TAG_TOKENS_MAX)
        } else if self.brackets > NESTING_MAX {
            is_too("brackets inside each other", NESTING_MAX)
        } else if self.signs > NESTING_MAX {
            is_too("minus, not and else in one tag", NESTING_MAX)
        } else if self.blocks > NESTING_MAX {
            is_too("if and for inside each other", NESTING_MAX)
        } else if self.sets > SETS_MAX {
            is_too("set", SETS_MAX)
        } else if self.elifs > ELIF_MAX {
            is_too("elif", ELIF_MAX)
        } else {
            Ok(())
        }
    }
}

fn unreadable(text: &str, error: &minijinja::Error) -> Fault {
    let words = error.detail().unwrap_or("this cannot be read as a template").to_owned();
    match error.range() {
        Some(range) => Fault::new(text, u32::try_from(range.start).unwrap_or(0), Halt::new(words)),
        None => Fault::on_line(text, error.line().unwrap_or(1), words),
    }
}
