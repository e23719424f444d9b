//! What rows have in common: whose they are, what they are about, what they are booked on.
//!
//! A busy gateway writes thousands of rows a second about a handful of keys and models. All that such rows share is
//! put together, and into words, once; a row finds it by comparing a few pointers.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::Arc;

use llm_governance::{BudgetWindow, RowOwner, RowServed, UsageRow};
use serde::Serialize;
use smallvec::SmallVec;

use super::record::Record;
use crate::sql::text::clean;
use crate::sql::usage::{About, HOUR};

/// The most tags of a row that are kept.
const TAGS: usize = 32;
/// How many are remembered.
const MOST: usize = 4096;

/// What some rows of one hour have in common. Names that are not there are empty: they are part of the keys of sums.
#[derive(Debug)]
pub(super) struct Subject {
    /// Since 1970.
    hour: i64,
    /// Key, team, user, organisation.
    pub(super) owner: [Arc<str>; 4],
    /// Model asked for, model served, provider.
    pub(super) served: [Arc<str>; 3],
    pub(super) deployment: Arc<str>,
    pub(super) tags: Vec<Arc<str>>,
    pub(super) bookings: Vec<BudgetWindow>,
    /// As members of a row's text, with a comma behind each; tags apart.
    pub(super) members: String,
    /// As a member with a comma before it, where there are any.
    pub(super) tags_member: String,
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        (self.hour, &self.members, &self.tags_member) == (other.hour, &other.members, &other.tags_member)
    }
}

impl Eq for Subject {}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.hour, &self.members, &self.tags_member).hash(state);
    }
}

/// The hour of a moment in microseconds since 1970.
fn hour(time_us: i64) -> i64 {
    time_us.div_euclid(HOUR)
}

impl Subject {
    /// That of a row.
    pub(super) fn of(row: &UsageRow) -> Self {
        let UsageRow { time, who, tags, served, bookings, .. } = row;
        let RowOwner { key, user, team, organisation } = who;
        let RowServed { model_asked, model, provider, deployment } = served;
        let name = |name: &Option<Arc<str>>| name.as_ref().map_or_else(Arc::default, clean);
        let key = key.map_or_else(Arc::default, |key| key.to_string().into());
        Self {
            hour: hour(time.as_microsecond()),
            owner: [key, name(team), name(user), name(organisation)],
            served: [clean(model_asked), clean(model), clean(provider)],
            deployment: clean(deployment),
            tags: tags.iter().take(TAGS).map(clean).collect(),
            bookings: bookings.to_vec(),
            members: String::new(),
            tags_member: String::new(),
        }
        .in_words()
    }

    /// That of a row that was read.
    pub(super) fn read(row: &Record) -> Self {
        let Record { key, user, team, organisation, model_asked, model, provider, deployment, .. } = row;
        Self {
            hour: hour(row.time_us),
            owner: [key, team, user, organisation].map(Arc::clone),
            served: [model_asked, model, provider].map(Arc::clone),
            deployment: Arc::clone(deployment),
            tags: row.detail.tags.clone(),
            bookings: row.bookings.clone(),
            members: String::new(),
            tags_member: String::new(),
        }
        .in_words()
    }

    fn in_words(mut self) -> Self {
        let [key, team, user, organisation] = &self.owner;
        let [asked, model, provider] = &self.served;
        let mut members = String::new();
        for (name, value) in [("key", key), ("team", team), ("user", user), ("organisation", organisation)] {
            if !value.is_empty() {
                push(&mut members, name, value);
            }
        }
        for (name, value) in [
            ("model_asked", asked),
            ("model", model),
            ("provider", provider),
            ("deployment", &self.deployment),
        ] {
            push(&mut members, name, value);
        }
        if !self.bookings.is_empty() {
            push(&mut members, "bookings", &self.bookings);
        }
        if !self.tags.is_empty() {
            self.tags_member.push(',');
            push(&mut self.tags_member, "tags", &self.tags);
            self.tags_member.pop();
        }
        self.members = members;
        self
    }

    /// What sums go by.
    pub(super) fn about(&self) -> About<'_> {
        let Self { hour, owner, served, deployment, tags, .. } = self;
        About { hour: *hour, owner, served, deployment, tags }
    }

    /// By what its rows are found, beside their requests and times; nobody has an empty name.
    pub(super) fn names(&self) -> [(&'static str, &str); 7] {
        let [key, team, user, organisation] = &self.owner;
        let [asked, _, provider] = &self.served;
        [
            ("key", key),
            ("user", user),
            ("team", team),
            ("organisation", organisation),
            ("model", asked),
            ("provider", provider),
            ("deployment", &self.deployment),
        ]
    }
}

/// Adds a member and a comma.
fn push(to: &mut String, name: &str, value: &(impl Serialize + ?Sized)) {
    // Nothing of it is unwritable.
    let value = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    to.extend(["\"", name, "\":", &value, ","]);
}

/// What rows that were written lately have in common.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    latest: Option<Known>,
    known: HashMap<u64, Known>,
    state: RandomState,
}

/// A subject with what it was made of.
#[derive(Debug, Clone)]
struct Known {
    who: RowOwner,
    tags: SmallVec<[Arc<str>; 2]>,
    served: RowServed,
    bookings: SmallVec<[BudgetWindow; 4]>,
    subject: Arc<Subject>,
}

impl Known {
    fn new(row: &UsageRow) -> Self {
        let UsageRow { who, tags, served, bookings, .. } = row;
        Self {
            who: who.clone(),
            tags: tags.clone(),
            served: served.clone(),
            bookings: bookings.clone(),
            subject: Arc::new(Subject::of(row)),
        }
    }

    /// Most of it is told by comparing pointers.
    fn is_of(&self, row: &UsageRow) -> bool {
        self.subject.hour == hour(row.time.as_microsecond())
            && self.served == row.served
            && self.who == row.who
            && self.bookings == row.bookings
            && self.tags == row.tags
    }
}

impl Subjects {
    /// The subject of a row.
    pub(super) fn find(&mut self, row: &UsageRow) -> &Arc<Subject> {
        let latest = self.latest.take().filter(|known| known.is_of(row));
        let known = latest.unwrap_or_else(|| self.look_up(row));
        &self.latest.insert(known).subject
    }

    fn look_up(&mut self, row: &UsageRow) -> Known {
        let UsageRow { time, who, tags, served, bookings, .. } = row;
        let RowOwner { key, user, team, organisation } = who;
        let RowServed { model_asked, model, provider, deployment } = served;
        let what = (key, user, team, organisation, model_asked, model, provider, deployment);
        let place = self.state.hash_one((hour(time.as_microsecond()), what, &**tags, &**bookings));
        if let Some(known) = self.known.get(&place).filter(|known| known.is_of(row)) {
            return known.clone();
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let known = Known::new(row);
        self.known.insert(place, known.clone());
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::rows::line::tests::row;

    #[test]
    fn rows_alike_share_one_and_others_do_not() {
        let mut subjects = Subjects::default();
        let first = Arc::clone(subjects.find(&row("a", 1)));
        assert!(Arc::ptr_eq(&first, subjects.find(&row("b", 2))));
        let mut others = vec![row("c", 1); 6];
        others[0].time += jiff::SignedDuration::from_hours(1);
        others[1].who.team = Some("other".into());
        others[2].tags.push("green".into());
        others[3].served.model = "gpt-5".into();
        others[4].bookings.clear();
        others[5].who.key = None;
        for (nth, other) in others.iter().enumerate() {
            let found = Arc::clone(subjects.find(other));
            assert!(*found != *first, "{nth}");
            assert!(*found == Subject::of(other), "{nth}");
        }
        assert!(Arc::ptr_eq(&first, subjects.find(&row("a", 1))), "it is remembered");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut subjects = Subjects::default();
        for nth in 0..=2 * MOST {
            let mut row = row("a", 1);
            row.served.deployment = nth.to_string().into();
            assert_eq!(*subjects.find(&row).deployment, *nth.to_string());
        }
        assert!(subjects.known.len() <= MOST);
    }
}
