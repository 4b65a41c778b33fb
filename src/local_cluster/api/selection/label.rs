//! Label selectors: `app=x,tier notin (back),!old`.

use super::super::names::{key_fault, label_value_fault};
use super::super::refusal::Refusal;
use crate::local_cluster::objects::Object;

/// What one label must be; all of a selector must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Present,
    Absent,
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Requirement {
    pub fn matches(&self, object: &Object) -> bool {
        self.accepts(object.text(&["metadata", "labels", &self.key]).as_deref())
    }

    fn accepts(&self, label: Option<&str>) -> bool {
        let number = || label.and_then(|text| text.parse::<i64>().ok());
        match &self.test {
            Test::Present => label.is_some(),
            Test::Absent => label.is_none(),
            Test::OneOf(values) => {
                label.is_some_and(|label| values.iter().any(|value| value == label))
            }
            // A label that is not there is none of them either.
            Test::NoneOf(values) => {
                label.is_none_or(|label| values.iter().all(|value| value != label))
            }
            Test::Above(bound) => number().is_some_and(|number| number > *bound),
            Test::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// Reads `text`.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, Refusal> {
    Parser::new(text).selector().map_err(Refusal::bad_request)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'a str),
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Word(text) | Self::Symbol(text) => text,
            Self::End => "",
        }
    }
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

const SYMBOLS: [&str; 9] = ["==", "!=", "(", ")", ",", "!", "=", "<", ">"];

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let length = if let Some(symbol) = SYMBOLS.iter().find(|one| rest.starts_with(**one)) {
                tokens.push(Token::Symbol(&rest[..symbol.len()]));
                symbol.len()
            } else {
                let end = rest
                    .find(|letter: char| letter.is_whitespace() || "()!,=<>".contains(letter))
                    .unwrap_or(rest.len());
                tokens.push(Token::Word(&rest[..end]));
                end
            };
            rest = rest[length..].trim_start();
        }
        Self { tokens, at: 0 }
    }

    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.at).copied().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn selector(mut self) -> Result<Vec<Requirement>, String> {
        let mut all = Vec::new();
        if self.peek() == Token::End {
            return Ok(all);
        }
        loop {
            match self.peek() {
                Token::Word(_) | Token::Symbol("!") => {
                    let requirement = self
                        .requirement()
                        .map_err(|why| format!("unable to parse requirement: {why}"))?;
                    all.push(requirement);
                }
                other @ (Token::Symbol(_) | Token::End) => {
                    return Err(format!(
                        "found '{}', expected: !, identifier, or 'end of string'",
                        other.text()
                    ));
                }
            }
            match self.next() {
                Token::End => return Ok(all),
                Token::Symbol(",") => match self.peek() {
                    Token::Word(_) | Token::Symbol("!") => {}
                    other @ (Token::Symbol(_) | Token::End) => {
                        return Err(format!(
                            "found '{}', expected: identifier after ','",
                            other.text()
                        ));
                    }
                },
                other @ (Token::Word(_) | Token::Symbol(_)) => {
                    return Err(format!(
                        "found '{}', expected: ',' or 'end of string'",
                        other.text()
                    ));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == Token::Symbol("!");
        if absent {
            self.at += 1;
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other @ (Token::Symbol(_) | Token::End) => {
                return Err(format!("found '{}', expected: identifier", other.text()));
            }
        };
        if let Some(fault) = key_fault(key) {
            return Err(format!("<nil>: Invalid value: {key:?}: {fault}"));
        }
        let requirement = |test| {
            Ok(Requirement {
                key: key.to_owned(),
                test,
            })
        };
        if absent {
            return requirement(Test::Absent);
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return requirement(Test::Present);
        }
        match self.next().text() {
            "=" | "==" => requirement(Test::OneOf(vec![self.value()?])),
            "!=" => requirement(Test::NoneOf(vec![self.value()?])),
            "in" => requirement(Test::OneOf(self.values()?)),
            "notin" => requirement(Test::NoneOf(self.values()?)),
            ">" | "gt" => requirement(Test::Above(self.integer()?)),
            "<" | "lt" => requirement(Test::Below(self.integer()?)),
            other => Err(format!(
                "found '{other}', expected: in, notin, =, ==, !=, gt, lt"
            )),
        }
    }

    /// The value after an operator; nothing is the empty value.
    fn value(&mut self) -> Result<String, String> {
        let value = match self.peek() {
            Token::Word(word) => {
                self.at += 1;
                word
            }
            Token::Symbol(",") | Token::End => "",
            Token::Symbol(other) => return Err(format!("found '{other}', expected: identifier")),
        };
        checked(value, 0)
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Token::Symbol("(") => {}
            other @ (Token::Word(_) | Token::Symbol(_) | Token::End) => {
                return Err(format!("found '{}', expected: '('", other.text()));
            }
        }
        let mut values = Vec::new();
        loop {
            let value = match self.peek() {
                Token::Word(word) => {
                    self.at += 1;
                    word
                }
                Token::Symbol(_) | Token::End => "",
            };
            values.push(checked(value, values.len())?);
            match self.next() {
                Token::Symbol(")") => return Ok(values),
                Token::Symbol(",") => {}
                other @ (Token::Word(_) | Token::Symbol(_) | Token::End) => {
                    return Err(format!("found '{}', expected: ',' or ')'", other.text()));
                }
            }
        }
    }

    fn integer(&mut self) -> Result<i64, String> {
        let value = self.value()?;
        value.parse().map_err(|_| {
            format!(
                "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
            )
        })
    }
}

fn checked(value: &str, index: usize) -> Result<String, String> {
    match label_value_fault(value) {
        Some(fault) => Err(format!(
            "values[{index}]: Invalid value: {value:?}: {fault}"
        )),
        None => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_choose_by_labels() {
        let object = Object::from(json!({"metadata": {"labels": {"app": "x", "other": "1"}}}));
        for yes in [
            "",
            "app",
            "!tier",
            "! tier",
            "app=x",
            "app == x",
            "app!=y",
            "tier!=x",
            "app in (x, y)",
            "tier notin (x)",
            "app=x,!tier",
            "other>0",
            "other<2",
        ] {
            assert!(
                parse(yes).unwrap().iter().all(|one| one.matches(&object)),
                "{yes}"
            );
        }
        for no in [
            "tier",
            "!app",
            "app=",
            "app in ()",
            "app>1",
            "app=x,tier",
            "app in (y,)",
        ] {
            assert!(
                !parse(no).unwrap().iter().all(|one| one.matches(&object)),
                "{no}"
            );
        }
    }

    #[test]
    fn what_is_not_a_selector_is_refused_with_the_place() {
        for (text, message) in [
            (
                "a in (b",
                "unable to parse requirement: found '', expected: ',' or ')'",
            ),
            ("a=b c!", "found 'c', expected: ',' or 'end of string'"),
            (
                "bad key=x",
                "unable to parse requirement: found 'key', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("app=x,", "found '', expected: identifier after ','"),
            (
                "app in (x)(y)",
                "found '(', expected: ',' or 'end of string'",
            ),
            (
                "other>abc",
                "unable to parse requirement: values[0]: Invalid value: \"abc\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().message, message);
        }
        assert!(parse("a/b/c=d").is_err());
    }
}
