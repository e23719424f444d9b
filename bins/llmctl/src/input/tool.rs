//! Tools from files: OpenAI's or Anthropic's form, one or a list, or a bare JSON Schema of the arguments.

use std::path::Path;

use anyhow::Context as _;
use llm_types::chat::{Tool, ToolKind};
use llm_types::{Extra, RawValue};
use serde::Deserialize;

/// A tool in any of the forms; members of the others are absent.
#[derive(Deserialize)]
struct Written {
    /// OpenAI's form: everything is in here.
    function: Option<Box<Written>>,
    name: Option<String>,
    description: Option<String>,
    /// OpenAI's name for the schema.
    parameters: Option<Box<RawValue>>,
    /// Anthropic's.
    input_schema: Option<Box<RawValue>>,
    strict: Option<bool>,
}

/// The members that make an object a JSON Schema of arguments.
#[derive(Deserialize)]
struct Schema {
    #[serde(rename = "type")]
    kind: Option<Box<RawValue>>,
    properties: Option<Box<RawValue>>,
    #[serde(rename = "$schema")]
    dialect: Option<Box<RawValue>>,
    description: Option<String>,
}

/// The tools of a file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Tool>> {
    let bytes = super::file(path)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    parse(&bytes, &stem).with_context(|| path.display().to_string())
}

fn parse(bytes: &[u8], stem: &str) -> anyhow::Result<Vec<Tool>> {
    let text = std::str::from_utf8(bytes).context("not UTF-8 text")?;
    let list: Vec<Box<RawValue>> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text).context("not a list of tools")?,
        false => vec![serde_json::from_str(text).context("not JSON")?],
    };
    let single = list.len() == 1;
    list.iter().map(|raw| one(raw, single.then_some(stem))).collect()
}

/// One tool; `stem` names it where it is a bare schema.
fn one(raw: &RawValue, stem: Option<&str>) -> anyhow::Result<Tool> {
    let written: Written = serde_json::from_str(raw.get()).context("not a tool")?;
    let written = match written.function {
        Some(inner) => *inner,
        None => written,
    };
    let Written { function: _, name, description, parameters, input_schema, strict } = written;
    let Some(name) = name else {
        return bare(raw, stem);
    };
    Ok(function(ToolKind::Function {
        name: valid(name)?,
        description,
        parameters: parameters.or(input_schema),
        strict,
    }))
}

/// A JSON Schema of the arguments, named after its file.
fn bare(raw: &RawValue, stem: Option<&str>) -> anyhow::Result<Tool> {
    let schema: Schema = serde_json::from_str(raw.get()).context("not a tool")?;
    let is_schema = schema.properties.is_some() || schema.dialect.is_some() || schema.kind.is_some();
    let Some(stem) = stem.filter(|_| is_schema) else {
        anyhow::bail!("a tool needs a `name`");
    };
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = stem.chars().map(letter).collect();
    let description = schema.description;
    Ok(function(ToolKind::Function {
        name: valid(name)?,
        description,
        parameters: Some(raw.to_owned()),
        strict: None,
    }))
}

fn function(kind: ToolKind) -> Tool {
    Tool { kind, cache: None, extra: Extra::default() }
}

/// What every provider takes as a name.
fn valid(name: String) -> anyhow::Result<String> {
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !good || name.is_empty() || name.len() > 64 {
        anyhow::bail!("`{name}` is no name for a tool: use up to 64 letters, digits, `_` and `-`");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> anyhow::Result<Vec<String>> {
        let tools = parse(text.as_bytes(), "get weather")?;
        let tools = tools.into_iter().map(|tool| match tool.kind {
            ToolKind::Function { name, description, parameters, strict } => {
                let schema = parameters.map(|schema| schema.get().to_owned()).unwrap_or_default();
                format!("{name}|{}|{schema}|{strict:?}", description.unwrap_or_default())
            }
            other => panic!("{other:?}"),
        });
        Ok(tools.collect())
    }

    #[test]
    fn every_form_is_read() {
        let check = |text: &str, expect: &[&str]| assert_eq!(names(text).unwrap(), expect, "{text}");
        check(
            r#"{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}"#,
            &[r#"f|d|{"type":"object"}|Some(true)"#],
        );
        check(
            r#"[{"name":"g","input_schema":{"type":"object"}},{"type":"function","name":"h"}]"#,
            &[r#"g||{"type":"object"}|None"#, "h|||None"],
        );
        let schema = r#"{"type":"object","description":"d","properties":{"name":{"type":"string"}}}"#;
        check(schema, &[&format!("get_weather|d|{schema}|None")]);
        check("[]", &[]);
    }

    #[test]
    fn what_is_no_tool_is_refused() {
        let check = |text: &str, part: &str| {
            let error = format!("{:#}", names(text).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        };
        check("{}", "needs a `name`");
        check(r#"[{"type":"object","properties":{}},{"name":"a"}]"#, "needs a `name`");
        check(r#"{"name":"a b"}"#, "no name for a tool");
        check(r#"{"name":""}"#, "no name for a tool");
        check(r#"{"name":1}"#, "not a tool");
        check("3", "not a tool");
        check("{", "not JSON");
    }
}
