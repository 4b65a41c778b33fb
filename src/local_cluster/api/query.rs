//! The options that a request carries in its query.

use std::collections::HashMap;

use serde_json::Value;

use super::refusal::{Cause, Refusal};

/// The parameters of a request's query; a parameter that is not known is ignored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    /// Reads the text after the question mark. Of a repeated parameter the first counts.
    pub fn parse(text: &str) -> Self {
        let mut all = HashMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.entry(decode(name)).or_insert_with(|| decode(value));
        }
        Self(all)
    }

    /// Every value of a parameter that may be repeated, in order.
    pub fn all_of(text: &str, wanted: &str) -> Vec<String> {
        text.split('&')
            .filter_map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name) == wanted).then(|| decode(value))
            })
            .collect()
    }

    /// A parameter's text; one that is empty counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Whether a parameter is there, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A yes or no: everything but `0`, `false` and absence is a yes.
    pub fn flag(&self, name: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|text| !matches!(text.as_str(), "0" | "false"))
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.text(name).map(parse_number).transpose()
    }

    /// Whether the write is only to be tried out.
    pub fn dry_run(&self, kind: &str) -> Result<bool, Refusal> {
        match self.text("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(Refusal::invalid_options(
                kind,
                Cause::not_supported("dryRun", other, &["All"]),
            )),
        }
    }

    /// What is to be done about fields that nobody knows.
    pub fn field_validation(&self, kind: &str) -> Result<FieldValidation, Refusal> {
        match self.text("fieldValidation") {
            None | Some("Warn") => Ok(FieldValidation::Warn),
            Some("Ignore") => Ok(FieldValidation::Ignore),
            Some("Strict") => Ok(FieldValidation::Strict),
            Some(other) => Err(Refusal::invalid_options(
                kind,
                Cause::not_supported("fieldValidation", other, &["", "Ignore", "Strict", "Warn"]),
            )),
        }
    }
}

/// What is to be done about fields that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// Drop them silently.
    Ignore,
    /// Drop them and say so in a header.
    Warn,
    /// Refuse the object.
    Strict,
}

/// How a list or a watch is to be answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListOptions {
    pub label_selector: Option<String>,
    pub field_selector: Option<String>,
    pub limit: Option<usize>,
    pub continue_token: Option<String>,
    pub resource_version: Option<String>,
    pub version_match: VersionMatch,
    pub watch: bool,
    pub timeout_seconds: Option<u64>,
    pub bookmarks: bool,
    pub initial_events: bool,
}

/// How the resource version of a list is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum VersionMatch {
    #[default]
    Unset,
    Exact,
    NotOlderThan,
}

impl ListOptions {
    /// Reads them from a query.
    pub fn parse(query: &Query) -> Result<Self, Refusal> {
        let refuse = |field: &str, detail: &str| {
            Err(Refusal::invalid_options(
                "ListOptions",
                Cause::forbidden(field, detail),
            ))
        };
        let watch = query.flag("watch");
        let initial_events = query.flag("sendInitialEvents");
        let resource_version = query.text("resourceVersion").map(str::to_owned);
        let version_match = match query.text("resourceVersionMatch") {
            None => VersionMatch::Unset,
            Some("Exact") => VersionMatch::Exact,
            Some("NotOlderThan") => VersionMatch::NotOlderThan,
            Some(other) => {
                return Err(Refusal::invalid_options(
                    "ListOptions",
                    Cause::not_supported(
                        "resourceVersionMatch",
                        other,
                        &["Exact", "NotOlderThan", ""],
                    ),
                ));
            }
        };
        if watch && query.has("sendInitialEvents") {
            if version_match != VersionMatch::NotOlderThan {
                return refuse(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                );
            }
        } else if version_match != VersionMatch::Unset {
            if watch {
                return refuse(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                );
            }
            if resource_version.is_none() {
                return refuse(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                );
            }
            if version_match == VersionMatch::Exact && resource_version.as_deref() == Some("0") {
                return refuse(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                );
            }
        }
        Ok(Self {
            label_selector: query.text("labelSelector").map(str::to_owned),
            field_selector: query.text("fieldSelector").map(str::to_owned),
            limit: query
                .number("limit")?
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| *limit > 0),
            continue_token: query.text("continue").map(str::to_owned),
            resource_version,
            version_match,
            watch,
            timeout_seconds: query
                .number("timeoutSeconds")?
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0),
            bookmarks: query.flag("allowWatchBookmarks"),
            initial_events,
        })
    }
}

/// How an object is to be deleted: from the query, and from the body where it says more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DeleteOptions {
    /// Seconds; none is the object's own.
    pub grace_period: Option<i64>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads them. The body counts where both say something.
    pub fn parse(query: &Query, body: Option<&Value>) -> Result<Self, Refusal> {
        let body = body.unwrap_or(&Value::Null);
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let propagation = text(&body["propagationPolicy"])
            .or_else(|| query.text("propagationPolicy").map(str::to_owned));
        if let Some(policy) = propagation
            && !matches!(policy.as_str(), "Foreground" | "Background" | "Orphan")
        {
            return Err(Refusal::invalid_options(
                "DeleteOptions",
                Cause::not_supported(
                    "propagationPolicy",
                    &policy,
                    &["Foreground", "Background", "Orphan", "nil"],
                ),
            ));
        }
        let dry_run = match body["dryRun"].as_array() {
            Some(list) => list.iter().any(|one| one == "All"),
            None => query.dry_run("DeleteOptions")?,
        };
        Ok(Self {
            grace_period: match body["gracePeriodSeconds"].as_i64() {
                Some(seconds) => Some(seconds),
                None => query.number("gracePeriodSeconds")?,
            },
            uid: text(&body["preconditions"]["uid"]),
            resource_version: text(&body["preconditions"]["resourceVersion"]),
            dry_run,
        })
    }
}

/// Reads a whole number as the API writes its complaint about one.
pub(crate) fn parse_number(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| {
        Refusal::bad_request(format!(
            "strconv.ParseInt: parsing {text:?}: invalid syntax"
        ))
    })
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped, byte) {
            (Some(byte), _) => {
                plain.push(byte);
                at += 3;
            }
            (None, b'+') => {
                plain.push(b' ');
                at += 1;
            }
            (None, byte) => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
