//! Reading rows: the newest first, by whom and what they are about.

use std::time::Duration;

use jiff::Timestamp;
use llm_governance::report::{Page, PageAsk, RowFilter, RowView};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::record::Detail;
use crate::sql::backend::within;
use crate::sql::error::SqlError;
use crate::sql::money::join;
use crate::sql::statement::Statement;
use crate::sql::store::SqlStore;

const SELECT: &str = "SELECT request, attempt, time_us, node, key_id, team, user_id, organisation, model_asked, model, \
     provider, deployment, cost_m, cost_p, basis, incomplete, overrun, latency_us, first_token_us, status, error, \
     cache, quality, detail FROM usage_row WHERE 1 = 1";

impl SqlStore {
    /// A page of rows, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not of this list.
    pub async fn rows(&self, filter: &RowFilter, ask: &PageAsk) -> Result<Page<RowView>, SqlError> {
        let mut sql = Statement::new(SELECT);
        narrow(&mut sql, filter)?;
        if let Some((time, request, attempt)) = ask.place::<(i64, String, i64)>("rows")? {
            sql.push(" AND time_us <= ").bind(time)?;
            sql.push(" AND (time_us < ").bind(time)?;
            sql.push(" OR (request, attempt) > (").bind(request)?.push(", ").bind(attempt)?.push("))");
        }
        sql.push(" ORDER BY time_us DESC, request, attempt LIMIT ").bind(crate::sql::statement::rows(ask))?;
        let rows = self.fetch(sql).await?;
        let rows = rows.iter().map(view).collect::<Result<_, _>>()?;
        Ok(ask.page("rows", rows, |row: &RowView| {
            (row.time.as_microsecond(), row.request.clone(), i64::from(row.attempt))
        }))
    }

    /// Notes what feedback says of a request's answer, from 0 to 1. False: there is no such request (yet).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn rate(&self, request: &str, quality: f64) -> Result<bool, SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            let done = sqlx::query("UPDATE usage_row SET quality = $1 WHERE request = $2")
                .bind(quality.clamp(0.0, 1.0))
                .bind(request)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }
}

fn narrow(sql: &mut Statement, filter: &RowFilter) -> Result<(), SqlError> {
    let RowFilter { from, to, request, key, team, user, organisation, model, provider, deployment, failed } =
        filter;
    if let Some(from) = from {
        sql.push(" AND time_us >= ").bind(from.as_microsecond())?;
    }
    if let Some(to) = to {
        sql.push(" AND time_us < ").bind(to.as_microsecond())?;
    }
    let key = key.map(|key| key.to_string());
    for (column, value) in [
        ("request", request),
        ("key_id", &key),
        ("team", team),
        ("user_id", user),
        ("organisation", organisation),
        ("model_asked", model),
        ("provider", provider),
        ("deployment", deployment),
    ] {
        if let Some(value) = value {
            sql.push(" AND ").push(column).push(" = ").bind(&**value)?;
        }
    }
    if *failed {
        sql.push(" AND error IS NOT NULL");
    }
    Ok(())
}

fn view(row: &AnyRow) -> Result<RowView, SqlError> {
    let number = |column: &str| row.try_get::<i64, _>(column);
    let micros = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    let detail: String = row.try_get("detail")?;
    let detail: Detail =
        serde_json::from_str(&detail).map_err(|error| SqlError::unreadable("row")(error.into()))?;
    Ok(RowView {
        request: row.try_get("request")?,
        attempt: u32::try_from(number("attempt")?).unwrap_or(u32::MAX),
        time: Timestamp::from_microsecond(number("time_us")?).unwrap_or_default(),
        node: row.try_get("node")?,
        key: row.try_get("key_id")?,
        team: row.try_get("team")?,
        user: row.try_get("user_id")?,
        organisation: row.try_get("organisation")?,
        tags: detail.tags.iter().map(|tag| tag.to_string()).collect(),
        model_asked: row.try_get("model_asked")?,
        model: row.try_get("model")?,
        provider: row.try_get("provider")?,
        deployment: row.try_get("deployment")?,
        usage: detail.usage.0,
        items: detail
            .items
            .into_iter()
            .map(|(class, count, amount)| (class.into_owned(), count, amount))
            .collect(),
        cost: join(number("cost_m")?, number("cost_p")?),
        basis: row.try_get("basis")?,
        cost_incomplete: number("incomplete")? != 0,
        overrun: number("overrun")? != 0,
        booked: detail.booked,
        latency: micros(number("latency_us")?),
        first_token: row.try_get::<Option<i64>, _>("first_token_us")?.map(micros),
        status: u16::try_from(number("status")?).unwrap_or(u16::MAX),
        error: row.try_get("error")?,
        cache: row.try_get("cache")?,
        quality: row.try_get("quality")?,
    })
}
