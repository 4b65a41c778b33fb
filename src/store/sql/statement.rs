//! One statement with its values.

use std::borrow::Cow;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::Error;

use super::connection::Via;
use super::row::{Answer, Column, Row};
use super::value::Value;

/// A statement.
pub struct Query {
    pub(super) text: Cow<'static, str>,
    pub(super) values: Vec<Value>,
}

/// A statement in SQLite's words.
pub(in crate::store) fn query(text: impl Into<Cow<'static, str>>) -> Query {
    Query {
        text: text.into(),
        values: Vec::new(),
    }
}

impl Query {
    /// Gives the next placeholder its value.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Gives the next placeholders their values.
    pub(in crate::store) fn bind_all(mut self, values: Vec<Value>) -> Self {
        if self.values.is_empty() {
            self.values = values;
        } else {
            self.values.extend(values);
        }
        self
    }

    /// Runs it; answers how many rows it changed.
    pub(in crate::store) async fn execute<'c>(self, via: impl Into<Via<'c>>) -> Result<u64, Error> {
        via.into().execute(self).await
    }

    pub(in crate::store) async fn fetch_all<'c>(
        self,
        via: impl Into<Via<'c>>,
    ) -> Result<Vec<Row>, Error> {
        via.into().fetch_all(self).await
    }

    pub(in crate::store) async fn fetch_optional<'c>(
        self,
        via: impl Into<Via<'c>>,
    ) -> Result<Option<Row>, Error> {
        via.into().fetch_optional(self).await
    }

    /// Its rows as they come.
    pub(in crate::store) fn fetch<'c>(
        self,
        via: impl Into<Via<'c>>,
    ) -> BoxStream<'c, Result<Row, Error>> {
        via.into().fetch(self)
    }
}

/// A statement whose rows are read as `T`.
pub struct QueryAs<T> {
    query: Query,
    read: fn(&Row) -> Result<T, Error>,
}

/// A statement whose rows have as many columns as `T` has parts.
pub(in crate::store) fn query_as<T: Answer>(text: impl Into<Cow<'static, str>>) -> QueryAs<T> {
    QueryAs {
        query: query(text),
        read: T::read,
    }
}

/// A statement whose answer is one column.
pub(in crate::store) fn query_scalar<T>(text: impl Into<Cow<'static, str>>) -> QueryAs<T>
where
    T: for<'r> Column<'r>,
{
    QueryAs {
        query: query(text),
        read: |row| T::read(row, 0),
    }
}

impl<T> QueryAs<T> {
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.query = self.query.bind(value);
        self
    }

    pub(in crate::store) async fn fetch_all<'c>(
        self,
        via: impl Into<Via<'c>>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.query.fetch_all(via).await?;
        rows.iter().map(self.read).collect()
    }

    pub(in crate::store) async fn fetch_optional<'c>(
        self,
        via: impl Into<Via<'c>>,
    ) -> Result<Option<T>, Error> {
        let row = self.query.fetch_optional(via).await?;
        row.as_ref().map(self.read).transpose()
    }

    pub(in crate::store) async fn fetch_one<'c>(self, via: impl Into<Via<'c>>) -> Result<T, Error> {
        self.fetch_optional(via).await?.ok_or(Error::RowNotFound)
    }

    pub(in crate::store) fn fetch<'c>(
        self,
        via: impl Into<Via<'c>>,
    ) -> BoxStream<'c, Result<T, Error>>
    where
        T: Send + 'c,
    {
        let rows = self.query.fetch(via);
        rows.and_then(move |row| std::future::ready((self.read)(&row)))
            .boxed()
    }
}
