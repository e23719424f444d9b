//! Holds a value against a schema, and says what is wrong by its path.

use llm_types::{ApiError, Result};
use serde_json::{Map, Value};

use super::{text, wrong};

/// The most bytes of an object of somebody else's.
const OBJECT_LIMIT: usize = 16 * 1024;
/// How much of an unknown name is repeated, in characters.
const SHOWN: usize = 64;
/// How alike two names must be for one to be offered for the other (Jaro-Winkler, 0 to 1).
const LIKENESS: f64 = 0.8;

/// Whether the value is as the schema says.
///
/// # Errors
/// The first fault.
pub(crate) fn check(value: &Value, schema: &Value) -> Result<()> {
    At { path: "", schema }.check(value)
}

#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a str,
    schema: &'a Value,
}

impl At<'_> {
    fn check(self, value: &Value) -> Result<()> {
        if let Some(choices) = self.schema.get("anyOf").and_then(Value::as_array) {
            // An optional value: something, or nothing.
            let is_null = |choice: &&Value| choice.get("type").is_some_and(|kind| kind == "null");
            return match choices.iter().find(|choice| !is_null(choice)) {
                Some(_) if value.is_null() && choices.iter().any(|choice| is_null(&choice)) => Ok(()),
                Some(schema) => Self { schema, ..self }.check(value),
                None => Ok(()),
            };
        }
        self.kind(value)?;
        match value {
            Value::Object(members) => self.object(members),
            Value::Array(items) => self.array(items),
            Value::String(text) => self.text(text),
            Value::Number(number) => self.number(number),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn kind(self, value: &Value) -> Result<()> {
        let wanted: Vec<&str> = match self.schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ if self.words().is_some() => vec!["string"],
            _ => return Ok(()),
        };
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if wanted.contains(&found) || (found == "integer" && wanted.contains(&"number")) {
            return Ok(());
        }
        let word = |kind: &str| match kind {
            "boolean" => "true or false",
            "integer" => "a whole number",
            "number" => "a number",
            "string" => "a string",
            "array" => "a list",
            "object" => "an object",
            _ => "null",
        };
        let first = wanted.first().copied().unwrap_or("null");
        let message = format!("must be {}, not {}", word(first), word(found));
        let hint = match self.schema.get("format").and_then(Value::as_str) {
            Some("usd") if first == "string" => ": write dollars in quotes, such as \"25.00\"",
            _ => "",
        };
        let whole = if self.path.is_empty() { "the body " } else { "" };
        Err(wrong(self.path, format!("{whole}{message}{hint}")))
    }

    fn object(self, members: &Map<String, Value>) -> Result<()> {
        if self.format() == "metadata" {
            let size = serde_json::to_string(members).map_or(usize::MAX, |text| text.len());
            return match size > OBJECT_LIMIT {
                true => Err(wrong(self.path, format!("must be {OBJECT_LIMIT} bytes or less"))),
                false => Ok(()),
            };
        }
        let Some(known) = self.schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
        for (name, value) in members {
            let path = match self.path {
                "" => name.clone(),
                path => format!("{path}.{name}"),
            };
            match known.get(name) {
                Some(schema) => At { path: &path, schema }.check(value)?,
                None if self.schema.get("additionalProperties").is_some_and(|more| *more == false) => {
                    return Err(unknown(self.path, name, known));
                }
                None => {}
            }
        }
        let required = self.schema.get("required").and_then(Value::as_array).into_iter().flatten();
        match required.filter_map(Value::as_str).find(|name| !members.contains_key(*name)) {
            None => Ok(()),
            Some(name) => {
                let path =
                    if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
                Err(wrong(&path, "is missing").with_code("missing_member"))
            }
        }
    }

    fn array(self, items: &[Value]) -> Result<()> {
        self.bounds(items.len(), ("minItems", "maxItems"), "items")?;
        let Some(schema) = self.schema.get("items") else { return Ok(()) };
        for (nth, item) in items.iter().enumerate() {
            At { path: &format!("{}[{nth}]", self.path), schema }.check(item)?;
        }
        Ok(())
    }

    fn text(self, text: &str) -> Result<()> {
        if let Some(words) = self.words() {
            if words.contains(&text) {
                return Ok(());
            }
            return Err(wrong(self.path, format!("must be one of {}", words.join(", "))));
        }
        self.bounds(text.chars().count(), ("minLength", "maxLength"), "characters")?;
        match text::problem(self.format(), text) {
            Some(problem) => Err(wrong(self.path, format!("cannot be used: {problem}"))),
            None => Ok(()),
        }
    }

    fn number(self, number: &serde_json::Number) -> Result<()> {
        let bound = |name: &str| self.schema.get(name).and_then(Value::as_f64);
        let value = number.as_f64().unwrap_or(f64::MAX);
        match (bound("minimum"), bound("maximum")) {
            (Some(least), _) if value < least => Err(wrong(self.path, format!("must be {least} or more"))),
            (_, Some(most)) if value > most => Err(wrong(self.path, format!("must be {most} or less"))),
            _ => Ok(()),
        }
    }

    fn bounds(self, count: usize, (least, most): (&str, &str), what: &str) -> Result<()> {
        let bound = |name: &str| self.schema.get(name).and_then(Value::as_u64);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        match (bound(least), bound(most)) {
            (Some(least), _) if count < least => {
                Err(wrong(self.path, format!("must have {least} {what} or more")))
            }
            (_, Some(most)) if count > most => {
                Err(wrong(self.path, format!("must have {most} {what} or fewer")))
            }
            _ => Ok(()),
        }
    }

    fn format(self) -> &'static str
    where
        Self: Sized,
    {
        const FORMATS: [&str; 9] = [
            "usd",
            "date-time",
            "time-zone",
            "ip-range",
            "scope",
            "gateway-duration",
            "id",
            "name",
            "metadata",
        ];
        let format = self.schema.get("format").and_then(Value::as_str).unwrap_or_default();
        FORMATS.into_iter().find(|known| *known == format).unwrap_or_default()
    }

    fn words(&self) -> Option<Vec<&str>> {
        if let Some(words) = self.schema.get("enum").and_then(Value::as_array) {
            return Some(words.iter().filter_map(Value::as_str).collect());
        }
        let choices = self.schema.get("oneOf").and_then(Value::as_array)?;
        choices.iter().map(|choice| choice.get("const").and_then(Value::as_str)).collect()
    }
}

fn unknown(path: &str, name: &str, known: &Map<String, Value>) -> ApiError {
    let shown: String = name.chars().take(SHOWN).filter(|c| !c.is_control()).collect();
    let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
    let likeness = |word: &str| strsim::jaro_winkler(&shown, word);
    let nearest = known.keys().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let help = match nearest.filter(|word| likeness(word) >= LIKENESS) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("known are {}", known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
    };
    let param = if path.is_empty() { shown.clone() } else { format!("{path}.{shown}") };
    let message = format!("there is no member `{shown}`{place}: {help}");
    ApiError::bad_request(message).with_param(param).with_code("unknown_member")
}
