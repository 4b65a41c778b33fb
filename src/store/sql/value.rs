//! What is bound to a statement.

use std::sync::Arc;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Error};

/// One value: the three kinds that both engines have in common.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number; moments are, and so are yes (1) and no (0).
    Number(Option<i64>),
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

impl Value {
    /// The absence of a value of the same kind.
    pub(in crate::store) fn absent(&self) -> Self {
        match self {
            Self::Number(_) => Self::Number(None),
            Self::Text(_) => Self::Text(None),
            Self::Bytes(_) => Self::Bytes(None),
        }
    }

    pub(super) fn add_to_sqlite(self, arguments: &mut SqliteArguments) -> Result<(), Error> {
        match self {
            Self::Number(number) => arguments.add(number),
            Self::Text(text) => arguments.add(text),
            Self::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(Error::Encode)
    }

    pub(super) fn add_to_postgres(self, arguments: &mut PgArguments) -> Result<(), Error> {
        match self {
            Self::Number(number) => arguments.add(number),
            // PostgreSQL has no text with a NUL in it. Lines that have one are stored as bytes; in
            // what else there may be, a mark takes its place.
            Self::Text(Some(text)) if text.contains('\0') => {
                arguments.add(text.replace('\0', "\u{fffd}"))
            }
            Self::Text(text) => arguments.add(text),
            Self::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(Error::Encode)
    }
}

macro_rules! from {
    ($kind:ident from $($type:ty, $value:ident => $into:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Self::$kind($into)
            }
        }
    )*};
}

from! { Number from
    i64, number => Some(number);
    Option<i64>, number => number;
    i32, number => Some(number.into());
    Option<i32>, number => number.map(i64::from);
    u32, number => Some(number.into());
    bool, yes => Some(yes.into());
}

from! { Text from
    String, text => Some(text);
    Option<String>, text => text;
    &String, text => Some(text.clone());
    &Option<String>, text => text.clone();
    &str, text => Some(text.to_owned());
    Option<&str>, text => text.map(str::to_owned);
    Arc<str>, text => Some(text.to_string());
}

from! { Bytes from
    Vec<u8>, bytes => Some(bytes);
    Option<&[u8]>, bytes => bytes.map(<[u8]>::to_vec);
}
