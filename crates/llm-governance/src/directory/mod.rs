//! Who there is: keys by their hash, and the teams, organisations, users, tags, models and providers with terms.
//!
//! Readers take a snapshot and no lock; a change makes a new snapshot that shares nearly all of the old one. What is
//! counted hangs on the side ([`meters`]) and outlives every change.

mod change;
mod meters;
mod store;
mod table;

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use change::Change;
pub(crate) use meters::{Meters, Registry};
pub use store::{KeyStore, Revision};
use table::{RandomAlready, Table};

use crate::budget::Funds;
use crate::error::Error;
use crate::key::{KeyHash, KeyId};
use crate::owner::{Entry, Group, Key};
use crate::scope::Scope;
use crate::terms::Terms;

/// Who there is, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    by_hash: Table<ByHash, RandomAlready>,
    by_id: Table<ById, RandomAlready>,
    /// The secrets before the present ones, which few keys have.
    previous: Arc<HashMap<KeyHash, KeyId>>,
    groups: Table<Named>,
    pub(crate) global: Option<Arc<Entry<Group>>>,
}

impl Snapshot {
    /// The key with this secret, or that had it before.
    pub(crate) fn key(&self, hash: &KeyHash) -> Option<&Arc<Entry<Key>>> {
        let former = || self.key_by_id(*self.previous.get(hash)?);
        self.by_hash.get(hash).map(|found| &found.0).or_else(former)
    }

    pub(crate) fn key_by_id(&self, id: KeyId) -> Option<&Arc<Entry<Key>>> {
        self.by_id.get(&id).map(|found| &found.0)
    }

    pub(crate) fn group(&self, kind: Kind, id: &str) -> Option<&Arc<Entry<Group>>> {
        self.groups.get(&Name { kind, id } as &dyn Naming).map(|found| &found.entry)
    }

    /// Whether there are groups at all.
    pub(crate) fn has_groups(&self) -> bool {
        self.groups.len() > 0
    }

    fn has(&self, scope: &Scope) -> bool {
        match (Name::of(scope), scope) {
            (Some(Name { kind, id }), _) => self.group(kind, id).is_some(),
            (None, Scope::Key(id)) => self.key_by_id(*id).is_some(),
            (None, _) => self.global.is_some(),
        }
    }

    fn remove_key(&mut self, key: &Key) {
        self.by_hash.remove(&key.hash);
        self.by_id.remove(&key.id);
        if let Some((hash, _)) = key.previous() {
            Arc::make_mut(&mut self.previous).remove(&hash);
        }
    }

    fn put_key(&mut self, entry: &Arc<Entry<Key>>) {
        self.by_hash.put(ByHash(Arc::clone(entry)));
        self.by_id.put(ById(Arc::clone(entry)));
        if let Some((hash, _)) = entry.of.previous() {
            Arc::make_mut(&mut self.previous).insert(hash, entry.of.id);
        }
    }
}

/// Who there is.
#[derive(Debug)]
pub struct Directory {
    now: ArcSwap<Snapshot>,
    pub(crate) registry: Registry,
    writer: Mutex<Writer>,
}

/// What only changes need.
#[derive(Debug, Default)]
struct Writer {
    revision: u64,
    /// Terms in use, so that equal ones are shared.
    terms: HashSet<Arc<Terms>>,
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl Directory {
    /// An empty one, whose budgets are kept in this process alone.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Funds::Own)
    }

    /// An empty one, whose hard budgets are spent in slices that a [`Ledger`](crate::Ledger) leases.
    #[must_use]
    pub fn leasing() -> Self {
        Self::with(Funds::Leased)
    }

    fn with(funds: Funds) -> Self {
        Self { now: ArcSwap::default(), registry: Registry::new(funds), writer: Mutex::default() }
    }

    /// Makes some changes, all in one moment, or none of them.
    ///
    /// # Errors
    /// For terms that cannot be kept and for a key whose secret another key has. Nothing is changed then.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) -> Result<(), Error> {
        let mut writer = self.writer.lock();
        let mut next = Snapshot::clone(&self.now.load());
        let mut gone = Vec::new();
        for change in changes {
            writer.revision += 1;
            writer.apply(&mut next, change, &mut gone)?;
        }
        self.now.store(Arc::new(next));
        let revision = writer.revision;
        drop(writer);
        gone.iter().for_each(|scope| self.registry.forget(scope, revision));
        Ok(())
    }

    /// Puts other contents in the place of all; what is counted goes on for whoever is still there.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn replace(&self, contents: impl IntoIterator<Item = Change>) -> Result<(), Error> {
        let mut next = self.replacing();
        contents.into_iter().try_for_each(|change| next.add(change))?;
        next.finish();
        Ok(())
    }

    /// Other contents, to be put in the place of all when they are complete: a million keys are never there twice.
    #[must_use]
    pub fn replacing(&self) -> Replacement<'_> {
        Replacement { directory: self, next: Snapshot::default() }
    }
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.now.load_full()
    }

    /// Whether there is nobody and nothing with terms: then nothing has to be counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let snapshot = self.now.load();
        snapshot.by_id.len() == 0 && snapshot.global.is_none() && !snapshot.has_groups()
    }

    /// Whether there is such a key or group, or the terms of everything.
    #[must_use]
    pub fn has(&self, scope: &Scope) -> bool {
        self.now.load().has(scope)
    }

    /// How many keys there are.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.now.load().by_id.len()
    }

    /// A key by its id.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<Key> {
        self.now.load().key_by_id(id).map(|entry| entry.of.clone())
    }

    /// Every key, in no order.
    pub fn each_key(&self, mut each: impl FnMut(&Key)) {
        self.now.load().by_id.iter().for_each(|found| each(&found.0.of));
    }

    /// Every group, in no order.
    pub fn each_group(&self, mut each: impl FnMut(&Scope, &Group)) {
        let snapshot = self.now.load();
        snapshot.global.iter().for_each(|entry| each(&Scope::Global, &entry.of));
        snapshot.groups.iter().for_each(|named| each(&named.kind.scope(&named.id), &named.entry.of));
    }

    /// A key by the hash of its secret, or of the one before.
    #[must_use]
    pub fn key_by_hash(&self, hash: &KeyHash) -> Option<Key> {
        self.now.load().key(hash).map(|entry| entry.of.clone())
    }

    /// A team, organisation, user, tag, model or provider with terms, or the terms of everything.
    #[must_use]
    pub fn group(&self, scope: &Scope) -> Option<Group> {
        let snapshot = self.now.load();
        let entry = match Name::of(scope) {
            Some(Name { kind, id }) => snapshot.group(kind, id),
            None => snapshot.global.as_ref().filter(|_| *scope == Scope::Global),
        };
        entry.map(|entry| entry.of.clone())
    }
}

/// Other contents of a directory, on their way: see [`Directory::replacing`].
#[derive(Debug)]
pub struct Replacement<'d> {
    directory: &'d Directory,
    next: Snapshot,
}

impl Replacement<'_> {
    /// Adds somebody; whoever came with the same name before is replaced.
    ///
    /// # Errors
    /// For terms that cannot be kept and for a key whose secret another key has.
    pub fn add(&mut self, change: Change) -> Result<(), Error> {
        let mut writer = self.directory.writer.lock();
        writer.revision += 1;
        writer.apply(&mut self.next, change, &mut Vec::new())
    }

    /// Puts them in place; what is counted goes on for whoever is still there.
    pub fn finish(self) {
        let Self { directory, next } = self;
        let writer = directory.writer.lock();
        let snapshot = Arc::new(next);
        directory.now.store(Arc::clone(&snapshot));
        let revision = writer.revision;
        drop(writer);
        directory.registry.retain(revision, |scope| snapshot.has(scope));
    }
}

impl Writer {
    fn apply(&mut self, next: &mut Snapshot, change: Change, gone: &mut Vec<Scope>) -> Result<(), Error> {
        match change {
            Change::PutKey(mut key) => {
                key.terms = self.share(key.terms)?;
                if let Some(other) = next.key(&key.hash).filter(|other| other.of.id != key.id) {
                    return Err(Error::DuplicateKey(other.of.id));
                }
                if let Some(before) = next.key_by_id(key.id).cloned() {
                    next.remove_key(&before.of);
                }
                next.put_key(&Entry::new(*key, self.revision));
            }
            Change::RemoveKey(id) => {
                if let Some(before) = next.key_by_id(id).cloned() {
                    next.remove_key(&before.of);
                    gone.push(Scope::Key(id));
                }
            }
            Change::Put(scope, mut group) => {
                group.terms = self.share(group.terms)?;
                let entry = Entry::new(*group, self.revision);
                match Name::of(&scope) {
                    Some(Name { kind, id }) => next.groups.put(Named { kind, id: id.into(), entry }),
                    None if scope == Scope::Global => next.global = Some(entry),
                    None => return Err(Error::NotFound(scope.to_string())),
                }
            }
            Change::Remove(scope) => {
                match Name::of(&scope) {
                    Some(name) => next.groups.remove(&name as &dyn Naming),
                    None if scope == Scope::Global => next.global = None,
                    None => return Err(Error::NotFound(scope.to_string())),
                }
                gone.push(scope);
            }
        }
        Ok(())
    }

    /// The same terms, shared with whoever has them already.
    fn share(&mut self, terms: Arc<Terms>) -> Result<Arc<Terms>, Error> {
        if let Some(known) = self.terms.get(&terms) {
            return Ok(Arc::clone(known));
        }
        terms.check()?;
        if self.terms.len() >= 1024 && self.terms.len().is_power_of_two() {
            self.terms.retain(|terms| Arc::strong_count(terms) > 1);
        }
        self.terms.insert(Arc::clone(&terms));
        Ok(terms)
    }
}

/// A key in the table of hashes.
#[derive(Debug, Clone)]
struct ByHash(Arc<Entry<Key>>);

impl Borrow<KeyHash> for ByHash {
    fn borrow(&self) -> &KeyHash {
        &self.0.of.hash
    }
}

impl Hash for ByHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.of.hash.hash(state);
    }
}

impl PartialEq for ByHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.of.hash == other.0.of.hash
    }
}

impl Eq for ByHash {}

/// A key in the table of ids.
#[derive(Debug, Clone)]
struct ById(Arc<Entry<Key>>);

impl Borrow<KeyId> for ById {
    fn borrow(&self) -> &KeyId {
        &self.0.of.id
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.of.id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.of.id == other.0.of.id
    }
}

impl Eq for ById {}

/// What kind of group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Organisation,
    Team,
    User,
    Tag,
    Model,
    Provider,
}

impl Kind {
    pub(crate) fn scope(self, id: &str) -> Scope {
        let id = id.into();
        match self {
            Self::Organisation => Scope::Organisation(id),
            Self::Team => Scope::Team(id),
            Self::User => Scope::User(id),
            Self::Tag => Scope::Tag(id),
            Self::Model => Scope::Model(id),
            Self::Provider => Scope::Provider(id),
        }
    }
}

/// A group's name, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name<'a> {
    kind: Kind,
    id: &'a str,
}

impl<'a> Name<'a> {
    fn of(scope: &'a Scope) -> Option<Self> {
        let (kind, id) = match scope {
            Scope::Global | Scope::Key(_) => return None,
            Scope::Organisation(id) => (Kind::Organisation, id),
            Scope::Team(id) => (Kind::Team, id),
            Scope::User(id) => (Kind::User, id),
            Scope::Tag(id) => (Kind::Tag, id),
            Scope::Model(id) => (Kind::Model, id),
            Scope::Provider(id) => (Kind::Provider, id),
        };
        Some(Self { kind, id })
    }
}

/// Lets a table of owned names be asked with borrowed ones.
trait Naming {
    fn name(&self) -> Name<'_>;
}

impl Naming for Name<'_> {
    fn name(&self) -> Name<'_> {
        *self
    }
}

impl Hash for dyn Naming + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl PartialEq for dyn Naming + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn Naming + '_ {}

/// A group in its table.
#[derive(Debug, Clone)]
struct Named {
    kind: Kind,
    id: Arc<str>,
    entry: Arc<Entry<Group>>,
}

impl Naming for Named {
    fn name(&self) -> Name<'_> {
        Name { kind: self.kind, id: &self.id }
    }
}

impl<'a> Borrow<dyn Naming + 'a> for Named {
    fn borrow(&self) -> &(dyn Naming + 'a) {
        self
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Named {}
