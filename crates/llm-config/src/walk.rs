//! The walk of a document along the JSON Schema.
//!
//! Serde stops at the first fault. The walk goes on: it resolves references, reports every unknown key,
//! wrong type and unreadable value with its place, and takes what is faulty out of the document, so that
//! the rest can still be deserialised and checked. Values are never repeated in messages: the caret shows
//! them, with secrets blotted out.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diag::{Code, Finding, Severity};
use crate::env::Env;
use crate::source::is_secret_name;
use crate::{interpolate, later, value};

/// What a walk finds out.
#[derive(Debug)]
pub(crate) struct Walk<'e> {
    env: &'e dyn Env,
    /// The faults.
    pub(crate) findings: Vec<Finding>,
    /// Where secrets stand in the text.
    pub(crate) hidden: Vec<Range<usize>>,
    /// What came from outside: how it is written, and its value.
    pub(crate) resolved: Vec<(String, String)>,
    /// A list of tables is gone: what is left would be misjudged by checks.
    pub(crate) unsound: bool,
}

/// Where in the schema the walk is.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    schema: &'a Value,
    /// Keys from the root, joined by dots, lists left out: `models.deployments`.
    table: &'a str,
    /// The last key.
    key: &'a str,
}

impl<'e> Walk<'e> {
    pub(crate) fn new(env: &'e dyn Env) -> Self {
        Self { env, findings: Vec::new(), hidden: Vec::new(), resolved: Vec::new(), unsound: false }
    }

    /// Walks a whole document.
    pub(crate) fn document(&mut self, schema: &Value, document: &mut Spanned<DeTable<'_>>) {
        let at = At { schema, table: "", key: "" };
        let span = document.span();
        self.table(at, document.get_mut(), span);
    }

    /// Whether everything that must be in the table is.
    fn table(&mut self, at: At<'_>, table: &mut DeTable<'_>, span: Range<usize>) -> bool {
        let properties = at.schema.get("properties").and_then(Value::as_object);
        let others = at.schema.get("additionalProperties").filter(|schema| schema.is_object());
        let mut faulty = Vec::new();
        for (key, value) in table.iter_mut() {
            let name = key.get_ref().as_ref();
            let good = match properties.and_then(|properties| properties.get(name)).or(others) {
                Some(schema) => {
                    let path =
                        if at.table.is_empty() { name.to_owned() } else { format!("{}.{name}", at.table) };
                    self.value(At { schema, table: &path, key: name }, value)
                }
                None => {
                    self.unknown(at, name, key.span());
                    self.hide_unknown(is_secret_name(name), value);
                    false
                }
            };
            if !good {
                faulty.push(name.to_owned());
            }
        }
        let required = at.schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let missing = required.filter_map(Value::as_str).filter(|name| !table.contains_key(*name));
        let mut whole = true;
        for name in missing {
            whole = false;
            let message = format!("`{name}` is missing");
            self.findings.push(Finding::error(Code::MissingKey, Some(span.clone()), message));
        }
        for name in faulty {
            table.remove(name.as_str());
        }
        whole
    }

    /// Whether the value can stay in the document.
    fn value(&mut self, at: At<'_>, value: &mut Spanned<DeValue<'_>>) -> bool {
        let span = value.span();
        let at = At { schema: choice(at.schema, value.get_ref()), ..at };
        if let DeValue::String(text) = value.get_mut() {
            match self.text(at, text, &span) {
                Ok(Some(resolved)) => *text = resolved.into(),
                Ok(None) => {}
                Err(finding) => {
                    // What will stand there is not known: a text may stay as it is written, the default takes
                    // the place of anything else.
                    let stays = finding.severity == Severity::Warning && is_free(at.schema);
                    self.findings.push(finding);
                    return stays;
                }
            }
        }
        let tables = at.schema.pointer("/items/type").is_some_and(|kind| kind == "object");
        if let Some(finding) = type_problem(at, value).or_else(|| value_problem(at, value)) {
            self.findings.push(finding);
            self.unsound |= tables;
            return false;
        }
        match value.get_mut() {
            DeValue::Table(table) => self.table(at, table, span),
            DeValue::Array(array) => {
                let Some(schema) = at.schema.get("items") else { return true };
                let good: Vec<bool> =
                    array.iter_mut().map(|item| self.value(At { schema, ..at }, item)).collect();
                let good = good.iter().all(|good| *good);
                self.unsound |= tables && !good;
                good
            }
            _ => true,
        }
    }

    /// The text of a string once it is interpolated, if that changes it.
    fn text(&mut self, at: At<'_>, text: &str, span: &Range<usize>) -> Result<Option<String>, Finding> {
        let secret = is_true(at.schema, "writeOnly");
        if secret && !interpolate::is_reference(text) {
            self.hidden.push(span.clone());
        } else {
            self.hide_user_info(text, span);
        }
        let resolved = match interpolate::resolve(text, self.env) {
            Ok(None) if secret => interpolate::resolve_environ(text, self.env),
            other => other,
        };
        match resolved {
            Ok(Some(resolved)) => {
                self.resolved.extend(resolved.values);
                return Ok(Some(resolved.text));
            }
            Ok(None) => {}
            Err(problem) => {
                let mut finding = Finding::error(Code::Interpolation, Some(span.clone()), problem.message);
                if problem.absent && self.env.is_elsewhere() {
                    finding.severity = Severity::Warning;
                }
                return Err(finding.help(problem.help));
            }
        }
        Ok(None)
    }

    /// Name and password in an address.
    fn hide_user_info(&mut self, text: &str, span: &Range<usize>) {
        let authority = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        if authority.is_some_and(|authority| authority.contains('@')) {
            self.hidden.push(span.clone());
        }
    }

    fn hide_unknown(&mut self, secret: bool, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    self.hide_unknown(secret || is_secret_name(key.get_ref()), value);
                }
            }
            DeValue::Array(array) => array.iter().for_each(|value| self.hide_unknown(secret, value)),
            DeValue::String(text) if secret && interpolate::is_reference(text) => {}
            DeValue::String(_) if secret => self.hidden.push(value.span()),
            DeValue::String(text) => self.hide_user_info(text, &value.span()),
            _ => {}
        }
    }

    fn unknown(&mut self, at: At<'_>, key: &str, span: Range<usize>) {
        let place =
            if at.table.is_empty() { "at the top level".to_owned() } else { format!("in `{}`", at.table) };
        if later::is_later_key(at.table, key) {
            let message = format!("`{key}` {place} is not available in this version");
            let help = "not available in this version: remove it";
            self.findings.push(Finding::error(Code::NotAvailable, Some(span), message).help(help));
            return;
        }
        let finding = Finding::error(Code::UnknownKey, Some(span), format!("unknown key `{key}` {place}"));
        let known = names(at.schema);
        let help = match later::nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match section_of(key) {
                Some(section) => format!("`{key}` belongs in [{section}]"),
                None => format!("known keys: {}", known.join(", ")),
            },
        };
        self.findings.push(finding.help(help));
    }
}

/// The names of a table's members.
fn names(schema: &Value) -> Vec<&str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect()
}

/// The section that has a key of this name.
fn section_of(key: &str) -> Option<&'static str> {
    let sections = crate::json_schema::inlined().get("properties")?.as_object()?;
    let has =
        |schema: &Value| schema.pointer("/properties").is_some_and(|members| members.get(key).is_some());
    sections.iter().find(|(_, schema)| has(schema)).map(|(name, _)| name.as_str())
}

/// The form that a value takes, where it may take several: a table as a table, anything else as the first
/// that is none.
fn choice<'s>(schema: &'s Value, value: &DeValue<'_>) -> &'s Value {
    let Some(choices) = schema.get("anyOf").and_then(Value::as_array) else { return schema };
    let is_table = matches!(value, DeValue::Table(_));
    let fits = |choice: &&Value| (choice.get("type").is_some_and(|kind| kind == "object")) == is_table;
    choices.iter().find(fits).unwrap_or(schema)
}

/// Whether any text may stand there.
fn is_free(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "string")
        && schema.get("format").is_none()
        && words(schema).is_none()
}

fn is_true(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A value of another type than the schema's.
fn type_problem(at: At<'_>, value: &Spanned<DeValue<'_>>) -> Option<Finding> {
    let wanted = match at.schema.get("type").and_then(Value::as_str) {
        Some(wanted) => wanted,
        None if words(at.schema).is_some() => "string",
        None => return None,
    };
    let (fits, found) = match value.get_ref() {
        DeValue::String(_) => (wanted == "string", "a string"),
        DeValue::Integer(_) => (matches!(wanted, "integer" | "number"), "an integer"),
        DeValue::Float(_) => (wanted == "number", "a fraction"),
        DeValue::Boolean(_) => (wanted == "boolean", "true or false"),
        DeValue::Datetime(_) => (false, "a date"),
        DeValue::Array(_) => (wanted == "array", "a list"),
        DeValue::Table(_) => (wanted == "object", "a table"),
    };
    if fits {
        return None;
    }
    let format = at.schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let expected = value::expected(format).unwrap_or(match wanted {
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        _ => "a table",
    });
    let message = format!("`{}` must be {expected}, not {found}", at.key);
    let finding = Finding::error(Code::WrongType, Some(value.span()), message);
    Some(match (wanted, value.get_ref()) {
        ("array", DeValue::Table(_)) => finding.help(format!("write [[{}]] with two brackets", at.table)),
        ("array", _) => finding.help("put it in brackets: [ … ]"),
        ("boolean" | "integer" | "number", DeValue::String(_)) => finding.help("remove the quotes"),
        _ => finding,
    })
}

/// A value of the right type that the schema does not allow.
fn value_problem(at: At<'_>, value: &Spanned<DeValue<'_>>) -> Option<Finding> {
    let bad = |message: String| Finding::error(Code::BadValue, Some(value.span()), message);
    match value.get_ref() {
        DeValue::String(text) => {
            let format = at.schema.get("format").and_then(Value::as_str).unwrap_or_default();
            if let Some(problem) = value::problem(format, text) {
                return Some(bad(format!("`{}`: {problem}", at.key)));
            }
            let words = words(at.schema)?;
            if words.contains(&text.as_ref()) {
                return None;
            }
            let finding = bad(format!("`{}` must be one of {}", at.key, words.join(", ")));
            Some(match later::nearest(text, words.iter().copied()) {
                Some(near) => finding.help(format!("did you mean \"{near}\"?")),
                None => finding,
            })
        }
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
            let limit = |name| at.schema.get(name).and_then(Value::as_i64);
            match number {
                None => Some(bad(format!("`{}` is too large", at.key))),
                Some(number) => match (limit("minimum"), limit("maximum")) {
                    (Some(min), _) if number < min => {
                        Some(bad(format!("`{}` must be {min} or more", at.key)))
                    }
                    (_, Some(max)) if number > max => {
                        Some(bad(format!("`{}` must be {max} or less", at.key)))
                    }
                    _ => None,
                },
            }
        }
        DeValue::Array(array) => {
            let exact = at.schema.get("minItems").and_then(Value::as_u64);
            let count = u64::try_from(array.len()).ok();
            match exact {
                Some(exact) if count != Some(exact) => {
                    Some(bad(format!("`{}` must have {exact} items", at.key)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The words that a string may be, if it is one of some words.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let choices = schema.get("oneOf").and_then(Value::as_array)?;
    choices.iter().map(|choice| choice.get("const").and_then(Value::as_str)).collect()
}
