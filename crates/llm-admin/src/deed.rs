//! What an administrator does, as the audit log has it: how it was and how it is, without secrets.

use llm_governance::report::AuditEntry;
use llm_governance::{Change, Directory, Group, Key, Now, Scope};
use serde_json::Value;

/// What is done, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// Who.
    pub by: &'a str,
    /// What: `create`, `block`, ….
    pub action: &'a str,
}

/// Whom a change is about.
pub(crate) fn scope_of(change: &Change) -> Scope {
    match change {
        Change::PutKey(key) => Scope::Key(key.id),
        Change::RemoveKey(id) => Scope::Key(*id),
        Change::Put(scope, _) | Change::Remove(scope) => scope.clone(),
    }
}

impl Deed<'_> {
    /// The entry for a change that is about to be made.
    pub(crate) fn entry(&self, directory: &Directory, change: &Change) -> AuditEntry {
        let scope = scope_of(change);
        let before = match &scope {
            Scope::Key(id) => directory.key(*id).map(|key| key_text(&key)),
            scope => directory.group(scope).map(|group| group_text(&group)),
        };
        let after = match change {
            Change::PutKey(key) => Some(key_text(key)),
            Change::Put(_, group) => Some(group_text(group)),
            Change::RemoveKey(_) | Change::Remove(_) => None,
        };
        AuditEntry { before, after, ..self.plain(scope.to_string()) }
    }

    /// The entry for something that changes no key or group.
    pub fn plain(&self, object: String) -> AuditEntry {
        AuditEntry {
            number: 0,
            at: Now::read().wall,
            actor: self.by.to_owned(),
            action: self.action.to_owned(),
            object,
            before: None,
            after: None,
            refused: None,
        }
    }
}

/// A key without its secrets' hashes.
fn key_text(key: &Key) -> String {
    let Ok(mut value) = serde_json::to_value(key) else { return "{}".to_owned() };
    if let Some(members) = value.as_object_mut() {
        members.remove("hash");
        let more = members.get_mut("more").and_then(Value::as_object_mut);
        if let Some(previous) = more.and_then(|more| more.get_mut("previous")) {
            // Until when the secret before is good.
            *previous = previous.get(1).cloned().unwrap_or_default();
        }
    }
    value.to_string()
}

fn group_text(group: &Group) -> String {
    serde_json::to_string(group).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use llm_governance::{KeyId, NewKey};

    use super::*;

    #[test]
    fn entries_hold_no_hash() {
        let (old, new) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        let key = Key::new(KeyId::of_name("k"), old.hash).rotated(new.hash, new.hint, Now::read().wall);
        let directory = Directory::new();
        directory.apply([Change::PutKey(Box::new(key.clone()))]).unwrap();
        let deed = Deed { by: "master", action: "rotate" };
        let entry = deed.entry(&directory, &Change::PutKey(Box::new(key)));
        let text = format!("{entry:?}");
        for hash in [old.hash, new.hash] {
            assert!(!text.contains(&hash.to_string()), "{text}");
        }
        assert!(entry.before.is_some() && entry.before == entry.after);
        assert_eq!(entry.object, format!("key:{}", KeyId::of_name("k")));
    }
}
