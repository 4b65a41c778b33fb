//! What can go wrong with a request, told by the server's own reason and code.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// A request that did not give what was asked for.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The API server answered, and the answer is no.
    #[error("{request} was refused: {refusal}")]
    Refused {
        /// What was asked, in words: `create pod jobs/load-x1`.
        request: String,
        /// The server's answer.
        refusal: Box<Refusal>,
    },
    /// No answer in time.
    #[error("{request} got no answer within {after:?}")]
    TimedOut {
        /// What was asked, in words.
        request: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection failed before or during the answer.
    #[error("{request} failed on the way")]
    Transport {
        /// What was asked, in words.
        request: String,
        /// What the connection says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The credentials could not be obtained: a token file or a login program failed.
    #[error("{request} could not be signed: {problem}")]
    Credentials {
        /// What was asked, in words.
        request: String,
        /// What is wrong with the login. Never what the login program printed: it prints tokens.
        problem: String,
    },
    /// The answer is not what the API promises: a proxy's page, or a newer version's object.
    #[error("{request} got an answer that cannot be read")]
    Unreadable {
        /// What was asked, in words.
        request: String,
        /// Where the reading stopped.
        #[source]
        source: serde_json::Error,
    },
    /// The request could not be put together: a name or an object that HTTP or JSON cannot carry.
    #[error("{request} cannot be sent: {problem}")]
    Unsendable {
        /// What was asked, in words.
        request: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ApiError {
    /// Whether the same request may succeed later without anybody changing anything.
    ///
    /// True for a failed connection, a missing answer, one that is no JSON (a proxy's page), 401
    /// (credentials expire and are read again), 408, 410, 429 and every 5xx.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => {
                matches!(refusal.code, 401 | 408 | 410 | 429 | 500..=599)
            }
            Self::TimedOut { .. } | Self::Transport { .. } | Self::Credentials { .. } => true,
            // What is no JSON at all comes from a proxy; what is, and does not fit, stays so.
            Self::Unreadable { source, .. } => !source.is_data(),
            Self::Unsendable { .. } => false,
        }
    }

    /// How long the server asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }

    /// The server's answer, if there was one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            Self::TimedOut { .. }
            | Self::Transport { .. }
            | Self::Credentials { .. }
            | Self::Unreadable { .. }
            | Self::Unsendable { .. } => None,
        }
    }

    /// Whether the server was never heard: a person should look at the network or the address.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Transport { .. })
    }

    /// Whether the pod is not there. A missing namespace is not a missing pod.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.has(404, "NotFound") && !self.is_namespace_missing()
    }

    /// Whether the namespace is not there.
    #[must_use]
    pub fn is_namespace_missing(&self) -> bool {
        self.has(404, "NotFound")
            && self
                .refusal()
                .is_some_and(|refusal| refusal.kind.as_deref() == Some("namespaces"))
    }

    /// Whether an object of this name exists already (409, but not every 409).
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| refusal.reason == "AlreadyExists")
    }

    /// Whether a precondition (uid, version) did not hold.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| refusal.reason == "Conflict")
    }

    /// Whether the object itself is wrong: 422, or 400 for a wrong type or an unknown field.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| matches!(refusal.code, 400 | 422))
    }

    /// Whether these credentials may not do this.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.has(403, "Forbidden")
    }

    /// Whether the credentials are not accepted (any more).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.has(401, "Unauthorized")
    }

    /// Whether a version that was named is too old to continue from.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.has(410, "Expired") || self.has(410, "Gone")
    }

    fn has(&self, code: u16, reason: &str) -> bool {
        self.refusal().is_some_and(|refusal| {
            refusal.reason == reason || (refusal.reason.is_empty() && refusal.code == code)
        })
    }
}

/// The API server's answer to a request that it did not carry out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// The HTTP status code, or the one inside a watch's error event.
    pub code: u16,
    /// The machine-readable reason (`AlreadyExists`, `Conflict`, ...); empty when none was given.
    pub reason: String,
    /// The server's sentence.
    pub message: String,
    /// The kind of object that the answer is about, as the server spells it.
    pub kind: Option<String>,
    /// What is wrong with which field.
    pub causes: Vec<Cause>,
    /// How long the server asked to be left alone.
    pub retry_after: Option<Duration>,
}

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Cause {
    /// The machine-readable reason.
    pub reason: String,
    /// The server's sentence, without the field's name.
    pub message: String,
    /// The field, as a path.
    pub field: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(
                f,
                "{}",
                if self.reason.is_empty() {
                    "no reason given"
                } else {
                    &self.reason
                }
            )?;
        } else {
            f.write_str(self.message.trim_end())?;
        }
        write!(f, " (HTTP {})", self.code)
    }
}

impl Refusal {
    /// Reads the body of an answer with an error code. What is not a Status of the API (a
    /// proxy's page, a node's plain text) is kept as text.
    pub(super) fn from_answer(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let mut refusal = Self::from_status(body).unwrap_or_else(|| Self {
            message: String::from_utf8_lossy(&body[..body.len().min(2000)])
                .trim()
                .to_owned(),
            ..Self::default()
        });
        refusal.code = code;
        refusal.retry_after = retry_after.or(refusal.retry_after);
        refusal
    }

    /// Reads a Status object, as a watch sends it inside an error event.
    pub(crate) fn from_status(body: &[u8]) -> Option<Self> {
        let status: RawStatus = serde_json::from_slice(body).ok()?;
        if status.kind.as_deref() != Some("Status") {
            return None;
        }
        let details = status.details.unwrap_or_default();
        Some(Self {
            code: status.code.unwrap_or_default(),
            reason: status.reason.unwrap_or_default(),
            message: status.message.unwrap_or_default(),
            kind: details.kind,
            causes: details.causes.unwrap_or_default(),
            retry_after: details
                .retry_after_seconds
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        })
    }
}

#[derive(Deserialize)]
struct RawStatus {
    kind: Option<String>,
    code: Option<u16>,
    reason: Option<String>,
    message: Option<String>,
    details: Option<RawDetails>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDetails {
    kind: Option<String>,
    causes: Option<Vec<Cause>>,
    retry_after_seconds: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, body: &str) -> ApiError {
        ApiError::Refused {
            request: "create pod a/b".into(),
            refusal: Box::new(Refusal::from_answer(code, None, body.as_bytes())),
        }
    }

    fn status(code: u16, reason: &str, kind: &str) -> ApiError {
        refused(
            code,
            &serde_json::json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "words that nobody compares", "reason": reason,
                "details": {"kind": kind}, "code": code,
            })
            .to_string(),
        )
    }

    #[test]
    fn the_reason_decides_what_a_409_means() {
        assert!(status(409, "AlreadyExists", "pods").is_already_exists());
        assert!(!status(409, "AlreadyExists", "pods").is_conflict());
        assert!(status(409, "Conflict", "Pod").is_conflict());
        assert!(!status(409, "Conflict", "Pod").is_already_exists());
    }

    #[test]
    fn a_missing_namespace_is_not_a_missing_pod() {
        assert!(status(404, "NotFound", "pods").is_not_found());
        let error = status(404, "NotFound", "namespaces");
        assert!(!error.is_not_found());
        assert!(error.is_namespace_missing());
    }

    #[test]
    fn what_can_pass_by_itself_is_retryable() {
        for code in [401, 408, 410, 429, 500, 502, 503, 504] {
            assert!(refused(code, "").retryable(), "{code}");
        }
        for code in [400, 403, 404, 405, 409, 415, 422] {
            assert!(!refused(code, "").retryable(), "{code}");
        }
    }

    #[test]
    fn a_proxys_page_passes_and_an_object_that_does_not_fit_does_not() {
        let unreadable = |body: &str| ApiError::Unreadable {
            request: "get pod a/b".into(),
            source: serde_json::from_str::<RawDetails>(body).err().unwrap(),
        };
        assert!(unreadable("<html>").retryable());
        assert!(unreadable("{\"kind\": ").retryable());
        assert!(!unreadable("{\"kind\": 7}").retryable());
    }

    #[test]
    fn an_answer_that_is_no_status_keeps_its_text_and_code() {
        let error = refused(502, "<html>bad gateway</html>\n");
        let refusal = error.refusal().unwrap();
        assert_eq!(refusal.code, 502);
        assert_eq!(refusal.message, "<html>bad gateway</html>");
        assert_eq!(refusal.reason, "");
    }

    #[test]
    fn the_wait_that_the_server_asks_for_is_kept() {
        let body = r#"{"kind":"Status","code":429,"reason":"TooManyRequests","details":{"retryAfterSeconds":3}}"#;
        assert_eq!(
            refused(429, body).retry_after(),
            Some(Duration::from_secs(3))
        );
    }
}
