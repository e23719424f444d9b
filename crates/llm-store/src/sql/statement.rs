//! A statement with its values: numbered places for many rows at once, values bound in order.

use std::fmt::Write as _;

use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow};
use sqlx::{Any, AnyConnection, Arguments as _, AssertSqlSafe, Encode, Type};

use super::error::SqlError;

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
        // Writing to a String cannot fail.
        let _ = write!(self.sql, "${}", self.args.len());
        Ok(self)
    }

    /// Adds `($1, $2, …), (…)`: a row of values for each item, as `row` binds them.
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

    /// Runs it.
    pub(super) async fn execute(self, on: &mut AnyConnection) -> Result<AnyQueryResult, SqlError> {
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), self.args).execute(on).await?)
    }

    /// Runs it and takes all rows.
    pub(super) async fn fetch_all(self, on: &mut AnyConnection) -> Result<Vec<AnyRow>, SqlError> {
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), self.args).fetch_all(on).await?)
    }
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
