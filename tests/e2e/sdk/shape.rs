//! Upstreams of four dialects that answer a request by what is in it: tools with a loop of calls, a schema with
//! JSON, anything else with text. They are as strict as the providers: a history in which a call, its id or its
//! result is not as it was told is refused.

mod anthropic;
mod gemini;
mod openai;
mod responses;

use llm_testkit::{End, Received, Script};
use serde_json::{Value, json};

pub(super) use anthropic::anthropic;
pub(super) use gemini::gemini;
pub(super) use openai::openai;
pub(super) use responses::responses;

const WORDS: [&str; 3] = ["The boats ", "come in ", "with the tide."];
const STRUCTURED: &str = "{\"city\": \"Oslo\", \"degrees\": 4}";
/// Whose weather is asked for in each turn of the loop; then the answer follows.
const LOOP: [&[&str]; 4] = [&["Oslo"], &["Rome", "Lima"], &["Cairo"], &["Quito"]];
/// The tool.
const TOOL: &str = "get_weather";

/// What matters of a request, read by each dialect.
#[derive(Debug, Default)]
struct Asked {
    /// Earlier calls: id and city.
    calls: Vec<(String, String)>,
    /// Their results: id and text.
    results: Vec<(String, String)>,
    tools: bool,
    schema: bool,
}

/// What the upstream answers.
#[derive(Debug)]
enum Wanted {
    Words(Vec<&'static str>),
    Calls(Vec<Call>),
}

/// A call of the tool.
#[derive(Debug)]
struct Call {
    /// Which of the whole conversation.
    number: usize,
    city: &'static str,
}

impl Call {
    fn input(&self) -> Value {
        json!({"city": self.city})
    }

    /// The arguments in two pieces.
    fn pieces(&self) -> [String; 2] {
        ["{\"city\":".to_owned(), format!("\"{}\"}}", self.city)]
    }
}

impl Asked {
    /// What is to come; an error when the history is not as it was told. `id` is a call's id.
    fn wanted(&self, id: fn(usize) -> Option<String>) -> Result<Wanted, String> {
        let (calls, results) = (self.calls.len(), self.results.len());
        if calls != results {
            return Err(format!("{calls} calls and {results} results"));
        }
        let cities = LOOP.concat();
        for (number, ((call, of), (result, said))) in self.calls.iter().zip(&self.results).enumerate() {
            let city = cities.get(number).ok_or_else(|| format!("call {number} was never made"))?;
            if of != city || !said.contains(city) {
                return Err(format!("call {number} is about {city}, not {of} with `{said}`"));
            }
            if let Some(id) = id(number)
                && (*call != id || *result != id)
            {
                return Err(format!("call {number} has the id {id}, not {call} with a result for {result}"));
            }
        }
        let mut number = 0;
        for turn in LOOP.iter().filter(|_| self.tools) {
            if number == calls {
                let called = turn.iter().enumerate();
                return Ok(Wanted::Calls(
                    called.map(|(at, city)| Call { number: number + at, city }).collect(),
                ));
            }
            number += turn.len();
        }
        if self.tools && number != calls {
            return Err(format!("{calls} calls end within a turn"));
        }
        Ok(Wanted::Words(if self.schema { vec![STRUCTURED] } else { WORDS.to_vec() }))
    }
}

/// The failure that a request asks for in its words: `fail:429`, `fail:cut`.
fn failure(request: &Received, error: fn(u16, &str) -> Value) -> Option<Script> {
    let text = request.text();
    let word = text.split("fail:").nth(1)?;
    let status = word.get(..3)?.parse().ok()?;
    let script = Script::status(status).json_body(&error(status, "no"));
    Some(if status == 429 { script.header("retry-after", "7") } else { script })
}

/// A stream that breaks off after so many events.
fn cut(request: &Received, script: impl FnOnce() -> Vec<String>, after: usize) -> Option<Script> {
    request
        .text()
        .contains("fail:cut")
        .then(|| Script::sse(script().into_iter().take(after)).then(End::Truncate))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
