//! The structured answer that is asked for through a tool.
//!
//! The tool's input must be an object, so an answer of another kind comes under a sole member `values`.
//! Whether that is the case is known once the first member's name is read; everything else is handed on
//! as it comes.

use std::borrow::Cow;

use llm_types::RawValue;

use super::super::schema::WRAPPED;

/// The answer in a tool's input: what is under a sole `values`, else the input itself.
pub(in crate::dialect) fn unwrapped(input: &str) -> &str {
    let object = Some(input).filter(|input| input.trim_start().starts_with('{'));
    let sole = object.and_then(|input| serde_json::from_str::<Sole<'_>>(input).ok());
    sole.map_or(input, |sole| sole.values.get())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Sole<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

/// The input as it comes in pieces.
#[derive(Debug, Default)]
pub(in crate::dialect) struct JsonAnswer {
    state: State,
}

#[derive(Debug)]
enum State {
    /// So far it may be wrapped.
    Undecided(String),
    /// It is not wrapped.
    Open,
}

impl Default for State {
    fn default() -> Self {
        Self::Undecided(String::new())
    }
}

impl JsonAnswer {
    /// Takes the next piece and gives back what can be handed on.
    pub(in crate::dialect) fn push<'p>(&mut self, piece: Cow<'p, str>) -> Option<Cow<'p, str>> {
        match &mut self.state {
            State::Open => Some(piece),
            State::Undecided(held) => {
                held.push_str(&piece);
                if may_be_wrapped(held) {
                    return None;
                }
                let held = std::mem::take(held);
                self.state = State::Open;
                Some(held.into())
            }
        }
    }

    /// How much is held back, in bytes.
    pub(in crate::dialect) fn held(&self) -> usize {
        match &self.state {
            State::Undecided(held) => held.len(),
            State::Open => 0,
        }
    }

    /// The input is complete: what is left of it.
    pub(in crate::dialect) fn finish(self) -> String {
        match self.state {
            State::Open => String::new(),
            State::Undecided(held) if held.trim().is_empty() => "{}".to_owned(),
            State::Undecided(held) => unwrapped(&held).to_owned(),
        }
    }
}

/// Whether `input` can still turn out to begin with `{"values":`.
fn may_be_wrapped(input: &str) -> bool {
    let rest = input.trim_start();
    let Some(rest) = rest.strip_prefix('{').map(str::trim_start) else {
        return rest.is_empty();
    };
    let Some(after) = rest.strip_prefix('"').and_then(|rest| rest.strip_prefix(WRAPPED)) else {
        return rest.is_empty() || rest.strip_prefix('"').is_some_and(|name| WRAPPED.starts_with(name));
    };
    let Some(after) = after.strip_prefix('"').map(str::trim_start) else {
        return after.is_empty();
    };
    after.is_empty() || after.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(pieces: &[&str]) -> Vec<String> {
        let mut answer = JsonAnswer::default();
        let mut out: Vec<String> =
            pieces.iter().filter_map(|piece| answer.push((*piece).into())).map(Cow::into_owned).collect();
        out.push(answer.finish());
        out
    }

    #[test]
    fn only_a_sole_member_values_is_unwrapped() {
        let check = |input: &str, expect: &str| assert_eq!(unwrapped(input), expect, "{input}");
        check(r#"{"values":[1,2]}"#, "[1,2]");
        check(r#"{ "values" : "x" }"#, r#""x""#);
        check(r#"{"values":1,"n":2}"#, r#"{"values":1,"n":2}"#);
        check(r#"{"a":1}"#, r#"{"a":1}"#);
        check("{}", "{}");
        check("[1]", "[1]");
    }

    #[test]
    fn what_cannot_be_wrapped_is_handed_on_at_once() {
        let check = |input: &[&str], expect: &[&str]| assert_eq!(pieces(input), expect, "{input:?}");
        check(&["", "{\"a", "\":1", "}"], &["{\"a", "\":1", "}", ""]);
        check(&["{", "\"val", "id\":1}"], &["{\"valid\":1}", ""]);
        check(&["{ \"val", "ues\" : [1", ",2]}"], &["[1,2]"]);
        check(&["{\"values\":1,", "\"b\":2}"], &["{\"values\":1,\"b\":2}"]);
        check(&["{", "}"], &["{}", ""]);
        check(&["", ""], &["{}"]);
        check(&["{\"values_of\"", ":1}"], &["{\"values_of\"", ":1}", ""]);
    }
}
