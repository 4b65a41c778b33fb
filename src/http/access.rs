//! Who may ask for what.

use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use subtle::ConstantTimeEq;

use super::problem::{Problem, ProblemKind};
use super::token_file::{Token, TokenError, TokenFile, hash};

/// How soon a token that was made or revoked counts.
const LOOK: Duration = Duration::from_millis(500);

/// The tokens that count, read again when their file changes.
pub struct Access {
    file: TokenFile,
    /// Whether nobody else can reach the API: then it is open as long as there is no token.
    loopback: bool,
    known: Mutex<Known>,
}

struct Known {
    tokens: Vec<Token>,
    changed: Option<(u64, SystemTime)>,
    looked: Instant,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody on this machine, where no tokens are needed.
    Local,
    /// Whoever has the token of that name.
    Token { name: String, read_only: bool },
}

impl Access {
    /// The access that the tokens in `file` give.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn new(file: TokenFile, loopback: bool) -> Result<Self, TokenError> {
        let known = Known {
            changed: changed(&file),
            tokens: file.read()?,
            looked: Instant::now(),
        };
        Ok(Self {
            file,
            loopback,
            known: Mutex::new(known),
        })
    }

    /// Whether there is a token.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.with_tokens(|tokens| !tokens.is_empty())
    }

    /// Who asks with this `Authorization` header.
    pub(super) fn caller(&self, authorization: Option<&str>) -> Result<Caller, Problem> {
        let open = self.loopback;
        self.with_tokens(|tokens| {
            if open && tokens.is_empty() {
                return Ok(Caller::Local);
            }
            let refused = |detail: &str| Problem::new(ProblemKind::Unauthorized, detail);
            let Some(authorization) = authorization else {
                return Err(refused(
                    "a token is needed: send the header Authorization: Bearer TOKEN; `adjourn token create NAME` makes one",
                ));
            };
            let Some(secret) = bearer(authorization) else {
                return Err(refused(
                    "the header Authorization must be: Bearer TOKEN",
                ));
            };
            let hashed = hash(secret);
            // Every token is compared, and each in the same time.
            let found = tokens.iter().fold(None, |found, token| {
                if bool::from(token.sha256.as_bytes().ct_eq(hashed.as_bytes())) {
                    Some(token)
                } else {
                    found
                }
            });
            found
                .map(|token| Caller::Token {
                    name: token.name.clone(),
                    read_only: token.read_only,
                })
                .ok_or_else(|| refused("the token is none that is known here"))
        })
    }

    fn with_tokens<T>(&self, ask: impl FnOnce(&[Token]) -> T) -> T {
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        if known.looked.elapsed() >= LOOK {
            known.looked = Instant::now();
            let changed = changed(&self.file);
            if changed != known.changed {
                match self.file.read() {
                    Ok(tokens) => {
                        known.tokens = tokens;
                        known.changed = changed;
                    }
                    // Those that were known stay; it is looked at again.
                    Err(error) => tracing::warn!("{error}"),
                }
            }
        }
        ask(&known.tokens)
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, secret) = authorization.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}

/// What is another after each change of the file: it is replaced, never written over.
fn changed(file: &TokenFile) -> Option<(u64, SystemTime)> {
    let metadata = std::fs::metadata(file.path()).ok()?;
    Some((metadata.ino(), metadata.modified().ok()?))
}
