//! Moments as the API writes them.

/// The current moment with whole seconds, as in `2026-11-24T08:46:48Z`.
#[must_use]
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// The current moment with microseconds, as in `2026-11-24T08:53:58.620453Z`.
#[must_use]
pub fn now_micros() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string()
}
