//! What the configuration file defines: keys, groups and budgets that nobody else changes.

use std::collections::HashSet;

use llm_governance::{Change, Scope};

/// What the configuration file defines.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    changes: Vec<Change>,
    scopes: HashSet<Scope>,
}

impl Configured {
    /// Whether it is defined there.
    pub(crate) fn defines(&self, scope: &Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// Everybody who is defined there.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.iter()
    }

    /// What makes it from nothing, groups before keys. To be applied again after whatever replaces a directory.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }
}

/// The change that takes somebody away.
pub(super) fn removal(scope: &Scope) -> Change {
    match scope {
        Scope::Key(id) => Change::RemoveKey(*id),
        scope => Change::Remove(scope.clone()),
    }
}
