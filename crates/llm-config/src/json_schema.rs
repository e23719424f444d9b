//! The JSON Schema of the file, for editors and for the document walk.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::Config;

/// The JSON Schema (draft 2020-12) of the configuration file, with members in alphabetical order, so that
/// it is the same text in every build.
#[must_use]
pub fn schema() -> String {
    let mut text = format!("{:#}", sorted(generate(SchemaSettings::draft2020_12())));
    text.push('\n');
    text
}

/// The same with every reference resolved, which is what a walk wants.
pub(crate) fn inlined() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| generate(SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true)))
}

fn generate(settings: SchemaSettings) -> Value {
    let mut value = settings.for_deserialize().into_generator().into_root_schema_for::<Config>().to_value();
    remove_null(&mut value);
    value
}

/// TOML has no null: an optional member is one that may be left out.
fn remove_null(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(remove_null);
        }
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_mut_slice() {
                    let only = only.take();
                    members.insert("type".to_owned(), only);
                }
            }
            members.retain(|_, member| !member.is_null());
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = choices.as_mut_slice() {
                    let only = std::mem::take(only);
                    members.remove("anyOf");
                    for (name, member) in only {
                        members.entry(name).or_insert(member);
                    }
                }
            }
            members.values_mut().for_each(remove_null);
        }
        _ => {}
    }
}

/// Independent of whether some crate of the build makes `serde_json` keep the order of insertion.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(members) => {
            let members: BTreeMap<String, Value> =
                members.into_iter().map(|(name, member)| (name, sorted(member))).collect();
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}
