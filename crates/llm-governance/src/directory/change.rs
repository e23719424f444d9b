//! One change of a directory: what an administrator does, a store keeps and other nodes are told.

use crate::key::KeyId;
use crate::owner::{Group, Key};
use crate::scope::Scope;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A key is new or different.
    PutKey(Box<Key>),
    /// A key is gone.
    RemoveKey(KeyId),
    /// The terms of everything, or a team, organisation, user, tag, model or provider, are new or different.
    Put(Scope, Box<Group>),
    /// It is gone.
    Remove(Scope),
}
