//! Books in memory: the latest rows and actions, for gateways without a store.
//!
//! Bounded, so that a gateway that runs for a year does not grow: the oldest rows and actions go first. What each
//! owner has spent in all is kept beside the rows and does not go.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use llm_types::PicoUsd;
use parking_lot::Mutex;

use super::{
    AuditEntry, AuditFilter, Booked, Page, PageAsk, Released, Report, ReportAsk, ReportRow, Reports,
    RowFacts, RowFilter, RowView, Sums,
};
use crate::budget::BudgetId;
use crate::error::Error;
use crate::row::UsageRow;
use crate::scope::Scope;

/// How many rows are kept.
const ROWS: usize = 10_000;
/// How many actions are kept.
const ACTIONS: usize = 10_000;
/// How many owners' totals are kept; further ones are not counted.
const TOTALS: usize = 1_000_000;

/// Rows and actions of this process.
#[derive(Debug)]
pub struct MemoryReports {
    rows: Mutex<Rows>,
    audit: Mutex<Numbered<AuditEntry>>,
    most: usize,
}

#[derive(Debug, Default)]
struct Rows {
    latest: Numbered<Arc<UsageRow>>,
    totals: HashMap<Scope, PicoUsd>,
}

/// The latest of a sequence that is counted from 1.
#[derive(Debug)]
struct Numbered<T> {
    last: u64,
    items: VecDeque<(u64, T)>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { last: 0, items: VecDeque::new() }
    }
}

impl<T> Numbered<T> {
    fn push(&mut self, most: usize, make: impl FnOnce(u64) -> T) {
        while self.items.len() >= most.max(1) {
            self.items.pop_front();
        }
        self.last += 1;
        self.items.push_back((self.last, make(self.last)));
    }
}

impl Default for MemoryReports {
    fn default() -> Self {
        Self::keeping(ROWS)
    }
}

impl MemoryReports {
    /// Books of so many rows.
    #[must_use]
    pub fn keeping(rows: usize) -> Self {
        Self { rows: Mutex::default(), audit: Mutex::default(), most: rows }
    }

    fn latest(&self) -> Vec<(u64, Arc<UsageRow>)> {
        self.rows.lock().latest.items.iter().cloned().collect()
    }
}

#[async_trait]
impl Reports for MemoryReports {
    fn append(&self, row: UsageRow) {
        let row = Arc::new(row);
        let mut rows = self.rows.lock();
        for scope in owners(&row) {
            let room = rows.totals.len() < TOTALS;
            match rows.totals.get_mut(&scope) {
                Some(total) => *total = total.saturating_add(row.cost),
                None if room => {
                    rows.totals.insert(scope, row.cost);
                }
                None => {}
            }
        }
        rows.latest.push(self.most, |_| row);
    }

    async fn note(&self, entry: AuditEntry) -> Result<(), Error> {
        self.audit.lock().push(ACTIONS, |number| AuditEntry { number, ..entry });
        Ok(())
    }

    fn is_durable(&self) -> bool {
        false
    }

    async fn usage(&self, ask: &ReportAsk) -> Result<Report, Error> {
        let ReportAsk { from, to, .. } = ask;
        let rows = self.latest();
        // What came before the oldest row that is kept is gone.
        let oldest = rows.first().filter(|(number, _)| *number > 1).map(|(_, row)| row.time);
        let mut sums: BTreeMap<Vec<String>, Sums> = BTreeMap::new();
        for (_, row) in rows {
            let key = row.who.key.map(|id| id.to_string()).unwrap_or_default();
            let facts = facts(&row, &key);
            if !facts.fit(ask) {
                continue;
            }
            let sum = Sums::of(&row);
            for group in facts.lines(ask) {
                let of = sums.entry(group).or_default();
                *of = of.and(&sum);
            }
        }
        let rows = sums.into_iter().map(|(group, sums)| ReportRow { group, sums }).collect();
        let from = oldest.map_or(*from, |oldest| oldest.clamp(*from, *to));
        Ok(Report { from, to: *to, rows })
    }

    async fn rows(&self, filter: &RowFilter, ask: &PageAsk) -> Result<Page<RowView>, Error> {
        let before = ask.place::<u64>("rows")?.unwrap_or(u64::MAX);
        let mut latest = self.latest();
        latest.reverse();
        let fit = latest.into_iter().filter(|(number, row)| *number < before && fits(row, filter));
        let rows: Vec<_> = fit.take(ask.limit() + 1).collect();
        let page = ask.page("rows", rows, |(number, _)| *number);
        Ok(Page { items: page.items.iter().map(|(_, row)| RowView::from(&**row)).collect(), next: page.next })
    }

    async fn spent(&self, scope: &Scope) -> Result<PicoUsd, Error> {
        Ok(self.rows.lock().totals.get(scope).copied().unwrap_or_default())
    }

    async fn booked(&self, _scopes: &[Scope], _at: Timestamp) -> Result<Option<Vec<Booked>>, Error> {
        Ok(None)
    }

    async fn release_unknown(&self, _: &BudgetId, _: Timestamp, _: &str) -> Result<Released, Error> {
        // What this process knows is all there is.
        Ok(Released::default())
    }

    async fn rate(&self, request: &str, quality: f64) -> Result<bool, Error> {
        let mut rows = self.rows.lock();
        let of = rows.latest.items.iter_mut().filter(|(_, row)| *row.request == *request);
        Ok(of.map(|(_, row)| Arc::make_mut(row).quality = Some(quality.clamp(0.0, 1.0))).count() > 0)
    }

    async fn audit(&self, filter: &AuditFilter, ask: &PageAsk) -> Result<Page<AuditEntry>, Error> {
        let before = ask.place::<u64>("audit")?.unwrap_or(u64::MAX);
        let audit = self.audit.lock();
        let entries = audit.items.iter().rev().map(|(_, entry)| entry);
        let fit = entries.filter(|entry| entry.number < before && filter.fits(entry));
        let entries: Vec<_> = fit.take(ask.limit() + 1).cloned().collect();
        drop(audit);
        Ok(ask.page("audit", entries, |entry| entry.number))
    }
}

fn facts<'a>(row: &'a UsageRow, key: &'a str) -> RowFacts<'a> {
    let UsageRow { time, who, served, tags, .. } = row;
    fn name(name: &Option<Arc<str>>) -> &str {
        name.as_deref().unwrap_or_default()
    }
    RowFacts {
        time: *time,
        model_asked: &served.model_asked,
        model: &served.model,
        provider: &served.provider,
        deployment: &served.deployment,
        key,
        team: name(&who.team),
        user: name(&who.user),
        organisation: name(&who.organisation),
        tags: tags.iter().map(|tag| &**tag).collect(),
    }
}

/// Everybody whose spend a row is.
fn owners(row: &UsageRow) -> impl Iterator<Item = Scope> {
    let UsageRow { who, tags, served, .. } = row;
    let named = [
        who.key.map(Scope::Key),
        who.team.clone().map(Scope::Team),
        who.user.clone().map(Scope::User),
        who.organisation.clone().map(Scope::Organisation),
        Some(Scope::Model(Arc::clone(&served.model_asked))),
        Some(Scope::Provider(Arc::clone(&served.provider))),
        Some(Scope::Global),
    ];
    named.into_iter().flatten().chain(tags.iter().cloned().map(Scope::Tag))
}

fn fits(row: &UsageRow, filter: &RowFilter) -> bool {
    let RowFilter { from, to, request, key, team, user, organisation, model, provider, deployment, failed } =
        filter;
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let name = |name: &Option<Arc<str>>| name.clone().unwrap_or_default();
    let during = |from: &Option<Timestamp>, to: &Option<Timestamp>| {
        from.is_none_or(|from| from <= row.time) && to.is_none_or(|to| row.time < to)
    };
    during(from, to)
        && is(request, &row.request)
        && key.is_none_or(|key| row.who.key == Some(key))
        && is(team, &name(&row.who.team))
        && is(user, &name(&row.who.user))
        && is(organisation, &name(&row.who.organisation))
        && is(model, &row.served.model_asked)
        && is(provider, &row.served.provider)
        && is(deployment, &row.served.deployment)
        && (!failed || row.error.is_some())
}
