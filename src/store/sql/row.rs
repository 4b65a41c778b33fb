//! A row of either engine, and what is read from it.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Error, Row as _, TypeInfo, ValueRef};

/// A row.
pub enum Row {
    /// SQLite's.
    Sqlite(SqliteRow),
    /// PostgreSQL's.
    Postgres(PgRow),
}

impl Row {
    /// The value of the column of that name.
    pub(in crate::store) fn try_get<'r, T: Column<'r>>(&'r self, column: &str) -> Result<T, Error> {
        let place = match self {
            Self::Sqlite(row) => column.index(row)?,
            Self::Postgres(row) => column.index(row)?,
        };
        T::read(self, place)
    }
}

/// What a column may be read as.
pub trait Column<'r>: Sized {
    /// Reads it from its place in a row.
    fn read(row: &'r Row, place: usize) -> Result<Self, Error>;
}

macro_rules! as_stored {
    ($($type:ty),*) => {$(
        impl<'r> Column<'r> for $type {
            fn read(row: &'r Row, place: usize) -> Result<Self, Error> {
                match row {
                    Row::Sqlite(row) => row.try_get(place),
                    Row::Postgres(row) => row.try_get(place),
                }
            }
        }
    )*};
}

as_stored!(i64, String, &'r str, Vec<u8>);

macro_rules! as_number {
    ($($type:ty),*) => {$(
        impl<'r> Column<'r> for $type {
            fn read(row: &'r Row, place: usize) -> Result<Self, Error> {
                match row {
                    Row::Sqlite(row) => row.try_get(place),
                    Row::Postgres(row) => {
                        let number: i64 = row.try_get(place)?;
                        Self::try_from(number).map_err(|source| Error::ColumnDecode {
                            index: place.to_string(),
                            source: source.into(),
                        })
                    }
                }
            }
        }
    )*};
}

as_number!(u32, i32);

impl<'r> Column<'r> for bool {
    fn read(row: &'r Row, place: usize) -> Result<Self, Error> {
        match row {
            Row::Sqlite(row) => row.try_get(place),
            // What is computed is a truth value there, what is stored is the same number as in
            // SQLite.
            Row::Postgres(row) => {
                if row.try_get_raw(place)?.type_info().name() == "BOOL" {
                    return row.try_get(place);
                }
                row.try_get::<i64, _>(place).map(|number| number != 0)
            }
        }
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn read(row: &'r Row, place: usize) -> Result<Self, Error> {
        let absent = match row {
            Row::Sqlite(row) => row.try_get_raw(place)?.is_null(),
            Row::Postgres(row) => row.try_get_raw(place)?.is_null(),
        };
        if absent {
            return Ok(None);
        }
        T::read(row, place).map(Some)
    }
}

/// What a whole row may be read as.
pub trait Answer: Sized {
    /// Reads it.
    fn read(row: &Row) -> Result<Self, Error>;
}

macro_rules! answer {
    ($($type:ident $place:literal),*) => {
        impl<$($type: for<'r> Column<'r>),*> Answer for ($($type,)*) {
            fn read(row: &Row) -> Result<Self, Error> {
                Ok(($($type::read(row, $place)?,)*))
            }
        }
    };
}

answer!(A 0);
answer!(A 0, B 1);
answer!(A 0, B 1, C 2);
