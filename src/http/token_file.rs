//! The tokens that open the API: a file with their hashes, never with themselves.
//!
//! A token is 256 bits of randomness, so that its plain SHA-256 tells nobody anything: what makes
//! hashes of passwords slow is not needed.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// What every token begins with, so that it is known for what it is wherever it turns up.
const PREFIX: &str = "adjourn_";

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it is called.
    pub name: String,
    /// Whether it may only look.
    #[serde(default)]
    pub read_only: bool,
    /// The SHA-256 of the token, in hexadecimal digits.
    pub sha256: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why the tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("cannot use the token file {}: {source}; check its permissions, or name another in [http] tokens_file", path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is no list of tokens.
    #[error("the token file {} cannot be understood: {detail}; mend it, or remove it and make new tokens", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The name is taken.
    #[error("there is a token {0} already; give another name, or revoke that one first")]
    NameTaken(String),
    /// The name cannot be used.
    #[error(
        "{0:?} cannot be the name of a token: use letters, digits, dashes, dots and underscores, up to 64"
    )]
    BadName(String),
    /// There is no such token.
    #[error("there is no token {0}; `adjourn token list` shows those there are")]
    NotFound(String),
}

/// The file that holds the tokens.
#[derive(Debug, Clone)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// The tokens in the file at `path`, which need not be there.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The tokens; none when there is no file.
    ///
    /// # Errors
    /// [`TokenError::Place`] and [`TokenError::Damaged`].
    pub fn read(&self) -> Result<Vec<Token>, TokenError> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.place(source)),
        };
        serde_json::from_str(&text).map_err(|error| TokenError::Damaged {
            path: self.0.clone(),
            detail: error.to_string(),
        })
    }

    /// Makes a token; the answer is the only time that it can be seen.
    ///
    /// # Errors
    /// [`TokenError::NameTaken`], [`TokenError::BadName`], and what the file says.
    pub fn create(
        &self,
        name: &str,
        read_only: bool,
        now: Timestamp,
    ) -> Result<String, TokenError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(TokenError::BadName(name.to_owned()));
        }
        let _lock = self.lock()?;
        let mut tokens = self.read()?;
        if tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::NameTaken(name.to_owned()));
        }
        let random: [u8; 32] = rand::random();
        let secret = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random));
        tokens.push(Token {
            name: name.to_owned(),
            read_only,
            sha256: hash(&secret),
            created_at: now,
        });
        self.write(&tokens)?;
        Ok(secret)
    }

    /// Removes a token.
    ///
    /// # Errors
    /// [`TokenError::NotFound`], and what the file says.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let _lock = self.lock()?;
        let mut tokens = self.read()?;
        let before = tokens.len();
        tokens.retain(|token| token.name != name);
        if tokens.len() == before {
            return Err(TokenError::NotFound(name.to_owned()));
        }
        self.write(&tokens)
    }

    /// Two that change the file at once do it one after the other.
    fn lock(&self) -> Result<std::fs::File, TokenError> {
        let told = |source| self.place(source);
        if let Some(directory) = self.0.parent() {
            std::fs::create_dir_all(directory).map_err(told)?;
        }
        let mut name = self.0.as_os_str().to_owned();
        name.push(".lock");
        let file = private().truncate(false).open(name).map_err(told)?;
        file.lock().map_err(told)?;
        Ok(file)
    }

    /// Whole or not at all: a daemon may read it at any moment.
    fn write(&self, tokens: &[Token]) -> Result<(), TokenError> {
        let told = |source| self.place(source);
        let mut fresh = self.0.as_os_str().to_owned();
        fresh.push(".new");
        let text = serde_json::to_string_pretty(tokens).map_err(|error| TokenError::Damaged {
            path: self.0.clone(),
            detail: error.to_string(),
        })?;
        let mut file = private().truncate(true).open(&fresh).map_err(told)?;
        file.write_all(text.as_bytes()).map_err(told)?;
        file.write_all(b"\n").map_err(told)?;
        file.sync_all().map_err(told)?;
        std::fs::rename(&fresh, &self.0).map_err(told)
    }

    fn place(&self, source: std::io::Error) -> TokenError {
        TokenError::Place {
            path: self.0.clone(),
            source,
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}

/// The SHA-256 of a token, in hexadecimal digits.
pub(super) fn hash(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
