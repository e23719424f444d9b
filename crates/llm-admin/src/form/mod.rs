//! What clients of the admin API fill in: JSON bodies, checked against the schema of the type that takes them.
//!
//! Serde stops at the first fault and does not say where it is. The schema, which `/openapi.json` shows, knows every
//! member, so faults are told by their path (`budgets[0].limit_usd`), and document and behaviour cannot part.

mod check;
mod field;
mod strict;
mod text;

use llm_types::{ApiError, ErrorKind, Result};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use field::Field;
pub use text::{Grace, Id, Moment, Name, Object, Range, ScopeText, Usd, ZoneText, moment, moment_text};

/// A body that can be read.
pub trait Form: DeserializeOwned + JsonSchema {
    /// Its schema, without references.
    fn schema() -> &'static Value;
}

/// Makes types forms.
#[macro_export]
macro_rules! forms {
    ($($form:ty),* $(,)?) => {$(
        impl $crate::form::Form for $form {
            fn schema() -> &'static serde_json::Value {
                static SCHEMA: std::sync::OnceLock<serde_json::Value> = std::sync::OnceLock::new();
                SCHEMA.get_or_init($crate::form::inlined::<$form>)
            }
        }
    )*};
}
pub use crate::forms;

/// The schema of a type, without references.
pub fn inlined<T: JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.for_deserialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// Reads a body; an empty one is an object without members.
///
/// # Errors
/// 400 for what is not JSON, for members that are unknown, there twice or of another type, and for values that cannot
/// be read.
pub fn read<T: Form>(body: &[u8]) -> Result<T> {
    let value = json(body)?;
    check::check(&value, T::schema())?;
    serde_json::from_value(value).map_err(|error| {
        ApiError::bad_request(format!("the body cannot be read: {error}")).with_code("invalid_body")
    })
}

/// Reads JSON; an empty body is an object without members.
///
/// # Errors
/// 400 for what is not JSON, and for members that are there twice.
pub fn json(body: &[u8]) -> Result<Value> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    let read: std::result::Result<strict::Strict, _> = serde_json::from_slice(body);
    read.map(|strict::Strict(value)| value).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            ApiError::bad_request(error.to_string()).with_code("duplicate_member")
        }
        _ => ApiError::bad_request(format!("the body is not JSON: {error}")).with_code("invalid_json"),
    })
}

/// A fault of one member.
pub fn wrong(path: &str, message: impl Into<String>) -> ApiError {
    let message = message.into();
    let message = if path.is_empty() { message } else { format!("`{path}` {message}") };
    ApiError::new(ErrorKind::BadRequest, message).with_param(path).with_code("invalid_value")
}
