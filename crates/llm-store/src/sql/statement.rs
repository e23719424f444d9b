//! A statement with its values, for many rows at once; values are bound in the order of their places.
//!
//! SQLite gets `?`: to bind a place with a name it looks through the names of all, which takes most of the time of a
//! batch. PostgreSQL knows numbers only.

use llm_governance::report::PageAsk;
use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow};
use sqlx::{Any, AnyConnection, Arguments as _, AssertSqlSafe, Encode, Type};

use super::error::SqlError;

/// A place in the text; none of our own words has the letter.
const PLACE: char = '?';

/// A statement under construction. Its text is made of our own words and numbered places only.
#[derive(Default)]
pub(super) struct Statement {
    sql: String,
    args: AnyArguments,
}

impl Statement {
    /// Begins with this text.
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), args: AnyArguments::default() }
    }

    /// Adds text.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a place and its value.
    pub(super) fn bind<'t, T: Encode<'t, Any> + Type<Any>>(
        &mut self,
        value: T,
    ) -> Result<&mut Self, SqlError> {
        self.args.add(value).map_err(sqlx::Error::Encode)?;
        self.sql.push(PLACE);
        Ok(self)
    }

    /// Adds `(?,?,…),(…)`: a row of values for each item, as `row` binds them.
    pub(super) fn values<T>(
        &mut self,
        items: &[T],
        mut row: impl FnMut(&mut Row<'_>, &T) -> Result<(), SqlError>,
    ) -> Result<&mut Self, SqlError> {
        for (nth, item) in items.iter().enumerate() {
            self.push(if nth == 0 { "(" } else { ",(" });
            row(&mut Row { statement: self, first: true }, item)?;
            self.push(")");
        }
        Ok(self)
    }

    /// Adds `(?,?,…)`: one value for each item.
    pub(super) fn list<T>(
        &mut self,
        items: &[T],
        mut value: impl FnMut(&mut Row<'_>, &T) -> Result<(), SqlError>,
    ) -> Result<&mut Self, SqlError> {
        self.push("(");
        let mut row = Row { statement: self, first: true };
        items.iter().try_for_each(|item| value(&mut row, item))?;
        Ok(self.push(")"))
    }

    /// Runs it.
    pub(super) async fn execute(self, on: &mut AnyConnection) -> Result<AnyQueryResult, SqlError> {
        let sql = text(self.sql, on);
        Ok(sqlx::query_with(AssertSqlSafe(sql), self.args).execute(on).await?)
    }

    /// Runs it and takes all rows.
    pub(super) async fn fetch_all(self, on: &mut AnyConnection) -> Result<Vec<AnyRow>, SqlError> {
        let sql = text(self.sql, on);
        Ok(sqlx::query_with(AssertSqlSafe(sql), self.args).fetch_all(on).await?)
    }
}

/// How many rows are read for a page: one more than are asked for tells whether there are more.
pub(super) fn rows(ask: &PageAsk) -> i64 {
    i64::try_from(ask.limit()).unwrap_or(i64::MAX - 1) + 1
}

/// The text as this database takes it.
fn text(sql: String, on: &AnyConnection) -> String {
    if on.backend_name() == "SQLite" { sql } else { numbered(&sql) }
}

/// With `$1`, `$2`, … for places; by hand, for there are thousands in a batch of rows.
fn numbered(sql: &str) -> String {
    let mut numbered = String::with_capacity(sql.len() * 3);
    let mut parts = sql.split(PLACE);
    numbered.push_str(parts.next().unwrap_or_default());
    for (part, number) in parts.zip(1_usize..) {
        numbered.push('$');
        digits(&mut numbered, number);
        numbered.push_str(part);
    }
    numbered
}

fn digits(to: &mut String, number: usize) {
    if number >= 10 {
        digits(to, number / 10);
    }
    to.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or_default()));
}

/// One row of values.
pub(super) struct Row<'a> {
    statement: &'a mut Statement,
    first: bool,
}

impl Row<'_> {
    /// The next value.
    pub(super) fn bind<'t, T: Encode<'t, Any> + Type<Any>>(
        &mut self,
        value: T,
    ) -> Result<&mut Self, SqlError> {
        if !std::mem::take(&mut self.first) {
            self.statement.push(",");
        }
        self.statement.bind(value)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_in_the_order_of_the_values() {
        let mut statement = Statement::new("INSERT INTO t VALUES ");
        let numbers: Vec<i64> = (0..60).collect();
        let bound = statement.values(&numbers, |row, number| row.bind(*number)?.bind("x").map(drop));
        let sql = bound.unwrap().push(" RETURNING 1").sql.clone();
        assert!(sql.starts_with("INSERT INTO t VALUES (?,?),(?,?),"), "{sql}");
        let sql = numbered(&sql);
        assert!(sql.starts_with("INSERT INTO t VALUES ($1,$2),($3,$4),"), "{sql}");
        assert!(sql.contains("($9,$10),($11,$12)") && sql.ends_with("($119,$120) RETURNING 1"), "{sql}");
        assert_eq!(statement.args.len(), 120);
    }
}
