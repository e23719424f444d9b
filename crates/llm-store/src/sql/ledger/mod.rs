//! Budgets leased to nodes: the rules of [`llm_governance::lease`] in SQL.
//!
//! Each step is one transaction that takes the lock of its window first. Of a lease only `amount` and `used` are kept:
//!
//! ```text
//! committed = Σ used + Σ max(amount − used, 0)      the first sum is kept with the window
//! unknown   = max(amount − used, 0)                 of a lease that has expired
//! ```

mod view;
mod window;

use std::time::Duration;

use async_trait::async_trait;
use llm_governance::lease::{Slice, SliceAsk, slice};
use llm_governance::{BudgetId, BudgetWindow, Error, Ledger, Scope, Terms};
use llm_types::PicoUsd;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

pub use view::{LeaseView, WindowView};
pub(super) use window::{Booking, book, lock_known};

use super::backend::within;
use super::error::SqlError;
use super::money::{join, split};
use super::store::SqlStore;

#[async_trait]
impl Ledger for SqlStore {
    async fn acquire(&self, ask: &SliceAsk) -> Result<Slice, Error> {
        Ok(self.db.soon(self.lease(ask)).await?)
    }

    async fn hand_back(&self, node: &str, window: &BudgetWindow, keep: PicoUsd) -> Result<(), Error> {
        Ok(self.db.soon(self.take_back(node, window, keep)).await?)
    }
}

/// A lease as it stands in its table.
#[derive(Debug, Clone, Copy)]
struct Lease {
    amount: PicoUsd,
    used: PicoUsd,
}

impl Lease {
    fn read(row: &AnyRow) -> Result<Self, SqlError> {
        let amount = join(row.try_get("amount_m")?, row.try_get("amount_p")?);
        Ok(Self { amount, used: join(row.try_get("used_m")?, row.try_get("used_p")?) })
    }

    /// What may yet be spent of it, or was and is not known.
    fn open(&self) -> PicoUsd {
        self.amount.saturating_sub(self.used).max(PicoUsd::ZERO)
    }
}

impl SqlStore {
    async fn lease(&self, ask: &SliceAsk) -> Result<Slice, SqlError> {
        let mut transaction = self.db.begin().await?;
        let on = &mut *transaction;
        let SliceAsk { node, window, end, limit, fixed, held, missing, least: _, time } = ask;
        let now = self.db.now(on).await?;
        let own = if *fixed { None } else { own_limit(on, &window.budget).await? };
        let limit = own.unwrap_or(*limit);
        let spent = window::lock(on, window, *end, limit).await?;
        let mut own = Lease { amount: PicoUsd::ZERO, used: PicoUsd::ZERO };
        let (mut open, mut unknown) = (PicoUsd::ZERO, PicoUsd::ZERO);
        // `amount_m >= used_m` holds for every lease that has something left; it is few of them.
        let leases = sqlx::query(
            "SELECT node, amount_m, amount_p, used_m, used_p, until_ms FROM lease \
             WHERE budget = $1 AND start_ms = $2 AND (node = $3 OR amount_m >= used_m)",
        )
        .bind(window.budget.to_string())
        .bind(window.start.as_millisecond())
        .bind(&**node)
        .fetch_all(&mut *on)
        .await?;
        for row in &leases {
            let mut lease = Lease::read(row)?;
            let is_own = row.try_get::<String, _>("node")? == **node;
            if is_own {
                lease.amount = lease.amount.min((*held).max(lease.used));
                own = lease;
            }
            open = open.saturating_add(lease.open());
            if is_own {
                continue;
            }
            if row.try_get::<Option<i64>, _>("until_ms")?.is_none() {
                unknown = unknown.saturating_add(lease.open());
            }
        }
        let left = limit.saturating_sub(spent.saturating_add(open));
        let granted = slice(left, &SliceAsk { limit, ..ask.clone() });
        let amount = own.amount.saturating_add(granted);
        let (amount_m, amount_p) = split(amount)?;
        sqlx::query(
            "INSERT INTO lease (budget, start_ms, node, amount_m, amount_p, used_m, used_p, until_ms, touched_ms) \
             VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7) \
             ON CONFLICT (budget, start_ms, node) DO UPDATE SET amount_m = excluded.amount_m, \
             amount_p = excluded.amount_p, until_ms = excluded.until_ms, touched_ms = excluded.touched_ms",
        )
        .bind(window.budget.to_string())
        .bind(window.start.as_millisecond())
        .bind(&**node)
        .bind(amount_m)
        .bind(amount_p)
        .bind(now.saturating_add(millis(*time)))
        .bind(now)
        .execute(on)
        .await?;
        transaction.commit().await?;
        let left = left.saturating_sub(granted).max(PicoUsd::ZERO);
        let elsewhere = spent.saturating_sub(own.used);
        Ok(Slice { amount, dry: granted < *missing, left, elsewhere, unknown })
    }

    async fn take_back(&self, node: &str, window: &BudgetWindow, keep: PicoUsd) -> Result<(), SqlError> {
        let mut transaction = self.db.begin().await?;
        let on = &mut *transaction;
        window::lock_known(on, window).await?;
        let lease = sqlx::query(
            "SELECT amount_m, amount_p, used_m, used_p FROM lease \
             WHERE budget = $1 AND start_ms = $2 AND node = $3",
        )
        .bind(window.budget.to_string())
        .bind(window.start.as_millisecond())
        .bind(node)
        .fetch_optional(&mut *on)
        .await?;
        if let Some(lease) = lease.as_ref().map(Lease::read).transpose()? {
            let now = self.db.now(on).await?;
            let amount = lease.amount.min(keep).max(lease.used);
            shrink(on, (node, window), amount, now).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Charges leases as unknown whose end is over for `grace`: the longest that a request takes, and some for
    /// clocks. Says how many had something left.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn expire(&self, grace: Duration) -> Result<u64, SqlError> {
        within(async {
            let mut on = self.db.reader().await?;
            let over = self.db.now(&mut on).await?.saturating_sub(millis(grace));
            let due = sqlx::query_as::<_, (String, i64, String)>(
                "SELECT budget, start_ms, node FROM lease WHERE until_ms <= $1 LIMIT 10000",
            )
            .bind(over)
            .fetch_all(&mut *on)
            .await?;
            drop(on);
            let mut open = 0;
            for lease in due {
                open += u64::from(self.end_lease(lease, over).await?);
            }
            Ok(open)
        })
        .await
    }

    /// One lease for itself: whoever books holds several.
    async fn end_lease(
        &self,
        (budget, start, node): (String, i64, String),
        over: i64,
    ) -> Result<bool, SqlError> {
        let mut transaction = self.db.begin().await?;
        let lease = sqlx::query(
            "UPDATE lease SET until_ms = NULL \
             WHERE budget = $1 AND start_ms = $2 AND node = $3 AND until_ms <= $4 \
             RETURNING amount_m, amount_p, used_m, used_p",
        )
        .bind(budget)
        .bind(start)
        .bind(node)
        .bind(over)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let lease = lease.as_ref().map(Lease::read).transpose()?;
        Ok(lease.is_some_and(|lease| !lease.open().is_zero()))
    }

    /// Gives the unknown spend of a window back to its budget, as an administrator may who knows that it was none;
    /// says how much. It is in the audit log.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release_unknown(&self, window: &BudgetWindow, by: &str) -> Result<PicoUsd, SqlError> {
        within(self.release(window, by)).await
    }

    async fn release(&self, window: &BudgetWindow, by: &str) -> Result<PicoUsd, SqlError> {
        let mut transaction = self.db.begin().await?;
        let on = &mut *transaction;
        let revision = super::key::next_revision(on).await?;
        window::lock_known(on, window).await?;
        let leases = sqlx::query(
            "SELECT node, amount_m, amount_p, used_m, used_p FROM lease \
             WHERE budget = $1 AND start_ms = $2 AND until_ms IS NULL AND amount_m >= used_m",
        )
        .bind(window.budget.to_string())
        .bind(window.start.as_millisecond())
        .fetch_all(&mut *on)
        .await?;
        let now = self.db.now(on).await?;
        let mut released = PicoUsd::ZERO;
        for row in &leases {
            let lease = Lease::read(row)?;
            if !lease.open().is_zero() {
                released = released.saturating_add(lease.open());
                let node: String = row.try_get("node")?;
                shrink(on, (&node, window), lease.used, now).await?;
            }
        }
        if released.is_zero() {
            return Ok(released);
        }
        let (object, start) = (window.budget.to_string(), window.start);
        let before = Some(format!("{{\"start\":\"{start}\",\"unknown_usd\":\"{released}\"}}"));
        let entry = super::key::Entry {
            action: "release_unknown",
            object: &object,
            before,
            after: None,
            refused: None,
        };
        entry.write(on, (revision, now), by).await?;
        transaction.commit().await?;
        Ok(released)
    }
}

/// Makes money of one lease that of another, which is new; `(now, until)` in ms. A lease that has less left, because
/// it was released, gives what it has.
pub(super) async fn hand_over(
    on: &mut AnyConnection,
    window: &BudgetWindow,
    (from, to, money): (&str, &str, PicoUsd),
    (now, until): (i64, i64),
) -> Result<(), SqlError> {
    window::lock_known(on, window).await?;
    let lease = sqlx::query(
        "SELECT amount_m, amount_p, used_m, used_p FROM lease WHERE budget = $1 AND start_ms = $2 AND node = $3",
    )
    .bind(window.budget.to_string())
    .bind(window.start.as_millisecond())
    .bind(from)
    .fetch_optional(&mut *on)
    .await?;
    if let Some(lease) = lease.as_ref().map(Lease::read).transpose()? {
        let amount = lease.amount.saturating_sub(money).max(lease.used.min(lease.amount));
        shrink(on, (from, window), amount, now).await?;
    }
    let (amount_m, amount_p) = split(money)?;
    sqlx::query(
        "INSERT INTO lease (budget, start_ms, node, amount_m, amount_p, used_m, used_p, until_ms, touched_ms) \
         VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7)",
    )
    .bind(window.budget.to_string())
    .bind(window.start.as_millisecond())
    .bind(to)
    .bind(amount_m)
    .bind(amount_p)
    .bind(until)
    .bind(now)
    .execute(on)
    .await?;
    Ok(())
}

/// Makes a lease smaller.
async fn shrink(
    on: &mut AnyConnection,
    (node, window): (&str, &BudgetWindow),
    amount: PicoUsd,
    now: i64,
) -> Result<(), SqlError> {
    let (amount_m, amount_p) = split(amount)?;
    sqlx::query(
        "UPDATE lease SET amount_m = $1, amount_p = $2, touched_ms = $3 \
         WHERE budget = $4 AND start_ms = $5 AND node = $6",
    )
    .bind(amount_m)
    .bind(amount_p)
    .bind(now)
    .bind(window.budget.to_string())
    .bind(window.start.as_millisecond())
    .bind(node)
    .execute(on)
    .await?;
    Ok(())
}

/// The limit that the store itself knows: a node may not have heard yet that it is another.
async fn own_limit(on: &mut AnyConnection, budget: &BudgetId) -> Result<Option<PicoUsd>, SqlError> {
    #[derive(serde::Deserialize)]
    struct Owner {
        terms: Terms,
    }
    let sql = match &budget.scope {
        Scope::Key(_) => "SELECT body FROM virtual_key WHERE id = $1",
        _ => "SELECT body FROM owner_group WHERE scope = $1",
    };
    let id = match &budget.scope {
        Scope::Key(id) => id.to_string(),
        scope => scope.to_string(),
    };
    let body: Option<String> = sqlx::query_scalar(sql).bind(id).fetch_optional(on).await?;
    let Some(body) = body else { return Ok(None) };
    let Owner { terms } =
        serde_json::from_str(&body).map_err(|error| SqlError::unreadable("budget")(error.into()))?;
    let same = terms.budgets.iter().find(|own| own.window == budget.window && own.mode == budget.mode);
    Ok(same.map(|own| own.limit))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
