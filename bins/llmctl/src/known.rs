//! The one place where the provider table is handed to the configuration's checks.

use llm_providers::table::ProviderTable;
use llm_types::ProviderSpec;

/// The built-in providers.
pub(crate) fn providers() -> Vec<ProviderSpec> {
    ProviderTable::builtin().iter().map(|row| ProviderSpec::clone(row)).collect()
}
