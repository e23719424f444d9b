//! The audit log: who administered what.

use jiff::Timestamp;

/// One action of an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place in the log; given by whoever keeps it.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What: `create`, `update`, `delete`, `rotate`, `block`, `reload`, ….
    pub action: String,
    /// Of what: `key:key_…`, `team:…`.
    pub object: String,
    /// How it was: a JSON object without secrets.
    pub before: Option<String>,
    /// How it is since.
    pub after: Option<String>,
    /// Why it was refused; `None`: it was done.
    pub refused: Option<String>,
}

/// Which entries; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Of this object alone.
    pub object: Option<String>,
    /// By this actor alone.
    pub actor: Option<String>,
}

impl AuditFilter {
    /// Whether an entry is asked for.
    #[must_use]
    pub fn fits(&self, entry: &AuditEntry) -> bool {
        let Self { from, to, object, actor } = self;
        from.is_none_or(|from| from <= entry.at)
            && to.is_none_or(|to| entry.at < to)
            && object.as_ref().is_none_or(|object| *object == entry.object)
            && actor.as_ref().is_none_or(|actor| *actor == entry.actor)
    }
}
