//! The effective configuration: defaults filled in, secrets redacted.

use crate::Config;

/// The configuration as TOML, with every default spelled out. Secrets are shown as `[redacted]`.
#[must_use]
pub fn show(config: &Config) -> String {
    // Only maps with other keys than strings fail, and the schema has none.
    toml::to_string_pretty(config).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
}
