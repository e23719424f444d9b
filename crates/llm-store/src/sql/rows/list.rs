//! Reading rows: the newest first, by whom and what they are about.
//!
//! Packs are read from the one with the newest row on, a few at a time, until a page is full and no other pack can have
//! a row of its place.

use std::time::Duration;

use jiff::Timestamp;
use llm_governance::report::{Page, PageAsk, RowFilter, RowView};
use llm_types::ErrorKind;
use serde_json::value::RawValue;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::record::Record;
use crate::sql::backend::within;
use crate::sql::error::SqlError;
use crate::sql::statement::Statement;
use crate::sql::store::SqlStore;

/// Packs that are read at once.
pub(super) const PACKS: i64 = 8;

/// Where a row is in the list: the newest first.
pub(super) type At = (std::cmp::Reverse<i64>, String, u32);

/// A pack that was read.
pub(super) struct Pack {
    pub(super) node: String,
    pub(super) seq: i64,
    last_us: i64,
    pub(super) text: String,
}

impl Pack {
    pub(super) fn read(row: &AnyRow) -> Result<Self, SqlError> {
        Ok(Self {
            node: row.try_get("node")?,
            seq: row.try_get("seq")?,
            last_us: row.try_get("last_us")?,
            text: super::pack::text(&row.try_get::<Vec<u8>, _>("body")?)?,
        })
    }
}

/// The rows of a pack.
pub(super) fn rows(text: &str) -> Result<Vec<(&RawValue, Record)>, SqlError> {
    let unreadable = |error: serde_json::Error| SqlError::unreadable("row")(error.into());
    let texts: Vec<&RawValue> = serde_json::from_str(text).map_err(unreadable)?;
    let read = |text: &'_ RawValue| serde_json::from_str(text.get()).map_err(unreadable);
    texts.into_iter().map(|text| Ok((text, read(text)?))).collect()
}

impl SqlStore {
    /// A page of rows, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not of this list.
    pub async fn rows(&self, filter: &RowFilter, ask: &PageAsk) -> Result<Page<RowView>, SqlError> {
        let place = ask.place::<(i64, String, i64)>("rows")?;
        let begin: Option<At> = place.map(|(time, request, attempt)| {
            (std::cmp::Reverse(time), request, u32::try_from(attempt).unwrap_or(u32::MAX))
        });
        let wanted = Wanted::new(filter, begin);
        let mut found: Vec<(At, RowView)> = Vec::new();
        let mut before: Option<Pack> = None;
        loop {
            let packs = self.fetch(wanted.packs(before.as_ref())?).await?;
            let all = super::insert::count(packs.len()) < PACKS;
            for row in &packs {
                let pack = Pack::read(row)?;
                found.extend(wanted.of(&pack)?);
                before = Some(pack);
            }
            found.sort_by(|(one, _), (other, _)| one.cmp(other));
            // A pack that was not read yet has no newer row than the last one that was.
            let newest = before.as_ref().map_or(i64::MIN, |pack| pack.last_us);
            let settled = found.partition_point(|((time, ..), _)| time.0 > newest);
            if all || settled > ask.limit() {
                break;
            }
        }
        let mut views: Vec<_> = found.into_iter().map(|(_, view)| view).take(ask.limit() + 1).collect();
        self.judge(&mut views).await?;
        Ok(ask.page("rows", views, |row: &RowView| {
            (row.time.as_microsecond(), row.request.clone(), i64::from(row.attempt))
        }))
    }

    /// Adds what feedback said.
    async fn judge(&self, views: &mut [RowView]) -> Result<(), SqlError> {
        if views.is_empty() {
            return Ok(());
        }
        let mut sql = Statement::new("SELECT request, quality FROM usage_quality WHERE request IN ");
        sql.list(&*views, |row, view| row.bind(&*view.request).map(drop))?;
        for row in self.fetch(sql).await? {
            let (request, quality): (String, f64) = (row.try_get("request")?, row.try_get("quality")?);
            views
                .iter_mut()
                .filter(|view| view.request == request)
                .for_each(|view| view.quality = Some(quality));
        }
        Ok(())
    }

    /// Notes what feedback says of a request's answer, from 0 to 1. False: there is no such request (yet).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn rate(&self, request: &str, quality: f64) -> Result<bool, SqlError> {
        let filter = RowFilter { request: Some(request.to_owned()), ..RowFilter::default() };
        let Some(row) = self.rows(&filter, &PageAsk::first(1)).await?.items.into_iter().next() else {
            return Ok(false);
        };
        within(async {
            let mut transaction = self.db.begin().await?;
            sqlx::query(
                "INSERT INTO usage_quality (request, quality, last_us) VALUES ($1, $2, $3) \
                 ON CONFLICT (request) DO UPDATE SET quality = excluded.quality, last_us = excluded.last_us",
            )
            .bind(request)
            .bind(quality.clamp(0.0, 1.0))
            .bind(row.time.as_microsecond())
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }
}

/// Which rows are looked for, and by what their packs are found.
pub(super) struct Wanted<'a> {
    filter: &'a RowFilter,
    names: Vec<(&'static str, String)>,
    /// Behind this row.
    begin: Option<At>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(filter: &'a RowFilter, begin: Option<At>) -> Self {
        let RowFilter { key, team, user, organisation, model, provider, deployment, .. } = filter;
        let key = key.map(|key| key.to_string());
        let names = [
            ("key", &key),
            ("user", user),
            ("team", team),
            ("organisation", organisation),
            ("deployment", deployment),
            ("model", model),
            ("provider", provider),
        ];
        let names = names.into_iter().filter_map(|(kind, name)| Some((kind, name.clone()?))).collect();
        Self { filter, names, begin }
    }

    /// The next packs, by the time of their newest row.
    pub(super) fn packs(&self, before: Option<&Pack>) -> Result<Statement, SqlError> {
        let Self { filter, names, begin } = self;
        // The name that fewest rows have comes first.
        let (from, rest) = match names.first().filter(|(_, name)| !name.is_empty()) {
            Some(_) => ("usage_name n JOIN usage_pack p ON p.node = n.node AND p.seq = n.seq", "n"),
            None => ("usage_pack p", "p"),
        };
        let mut sql = Statement::new("SELECT p.node, p.seq, p.last_us, p.body FROM ");
        sql.push(from).push(" WHERE 1 = 1");
        if let Some((kind, name)) = names.first().filter(|(_, name)| !name.is_empty()) {
            sql.push(" AND n.name = ").bind(format!("{kind}:{name}"))?;
        }
        if let Some(request) = &filter.request {
            sql.push(" AND p.first_request <= ").bind(&**request)?;
            sql.push(" AND p.last_request >= ").bind(&**request)?;
        }
        if let Some(from) = filter.from {
            sql.push(&format!(" AND {rest}.last_us >= ")).bind(from.as_microsecond())?;
        }
        if let Some(to) = filter.to {
            sql.push(" AND p.first_us < ").bind(to.as_microsecond())?;
        }
        if let Some((time, ..)) = begin {
            sql.push(" AND p.first_us <= ").bind(time.0)?;
        }
        if filter.failed {
            sql.push(" AND p.failed_count > 0");
        }
        if let Some(Pack { node, seq, last_us, .. }) = before {
            sql.push(&format!(" AND ({rest}.last_us, {rest}.node, {rest}.seq) < (")).bind(*last_us)?;
            sql.push(", ").bind(&**node)?.push(", ").bind(*seq)?.push(")");
        }
        sql.push(&format!(" ORDER BY {rest}.last_us DESC, {rest}.node DESC, {rest}.seq DESC LIMIT "));
        sql.bind(PACKS)?;
        Ok(sql)
    }

    /// What is looked for in a pack.
    fn of(&self, pack: &Pack) -> Result<Vec<(At, RowView)>, SqlError> {
        let wanted = rows(&pack.text)?.into_iter().filter_map(|(_, row)| {
            let at = (std::cmp::Reverse(row.time_us), row.request.to_string(), row.attempt);
            (self.takes(&row) && self.begin.as_ref().is_none_or(|begin| at > *begin))
                .then(|| (at, view(row, &pack.node)))
        });
        Ok(wanted.collect())
    }

    fn takes(&self, row: &Record) -> bool {
        let RowFilter { from, to, request, failed, .. } = self.filter;
        let named = row.names();
        from.is_none_or(|from| row.time_us >= from.as_microsecond())
            && to.is_none_or(|to| row.time_us < to.as_microsecond())
            && request.as_ref().is_none_or(|request| **request == *row.request)
            && (!failed || row.error.is_some())
            && self.names.iter().all(|(kind, name)| named.contains(&(*kind, &**name)))
    }
}

fn view(row: Record, node: &str) -> RowView {
    let micros = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    let basis = super::record::basis_name(row.basis).to_owned();
    let error = |kind: ErrorKind| match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    };
    RowView {
        request: row.request.to_string(),
        attempt: row.attempt,
        time: Timestamp::from_microsecond(row.time_us).unwrap_or_default(),
        node: node.to_owned(),
        key: row.key.to_string(),
        team: row.team.to_string(),
        user: row.user.to_string(),
        organisation: row.organisation.to_string(),
        tags: row.detail.tags.iter().map(|tag| tag.to_string()).collect(),
        model_asked: row.model_asked.to_string(),
        model: row.model.to_string(),
        provider: row.provider.to_string(),
        deployment: row.deployment.to_string(),
        usage: row.detail.usage.0,
        items: row.detail.items.into_iter().collect(),
        cost: row.cost,
        basis,
        cost_incomplete: row.incomplete,
        overrun: row.overrun,
        booked: row.bookings.iter().map(|window| window.to_string()).collect(),
        latency: micros(row.latency_us),
        first_token: row.first_token_us.map(micros),
        status: row.status,
        error: row.error.map(error),
        cache: row.cache.name().to_owned(),
        quality: row.quality,
    }
}
