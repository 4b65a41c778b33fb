//! Writing: answers to stdout, everything else to stderr.

use std::io::{self, Write};

use serde::Serialize;
use tokio::io::AsyncWriteExt;

use super::args::Format;
use super::error::CliError;
use super::live;

/// Where answers, or a task's lines, go. Writes through tokio, so that a reader who does not
/// read holds up neither signals nor anything else.
pub(super) enum Output {
    /// Standard output.
    Out(tokio::io::Stdout),
    /// Standard error, for lines that must leave stdout to something else.
    Err(tokio::io::Stderr),
}

impl Output {
    pub(super) fn stdout() -> Self {
        Self::Out(tokio::io::stdout())
    }

    pub(super) fn stderr() -> Self {
        Self::Err(tokio::io::stderr())
    }

    /// Writes `bytes` and sees them off.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        live::aside();
        let written = match self {
            Self::Out(out) => write_all(out, bytes).await,
            Self::Err(err) => write_all(err, bytes).await,
        };
        written.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                CliError::ReaderGone
            } else {
                CliError::Output(error)
            }
        })
    }
}

async fn write_all(to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Writes an answer to stdout.
pub(super) async fn answer(text: &str) -> Result<(), CliError> {
    Output::stdout().write(text.as_bytes()).await
}

/// Tells a person something on stderr. A stderr that is closed changes nothing.
pub(super) fn say(line: impl AsRef<str>) {
    live::aside();
    let _ = writeln!(io::stderr(), "{}", line.as_ref());
}

/// Prints one thing in a format for machines; `false` when the format is for people.
pub(super) async fn print_one<T: Serialize>(format: Format, thing: &T) -> Result<bool, CliError> {
    let text = match format {
        Format::Json => json(thing, true)?,
        Format::Jsonl => json(thing, false)?,
        Format::Yaml => yaml(thing)?,
        Format::Table | Format::Wide | Format::Name => return Ok(false),
    };
    answer(&text).await?;
    Ok(true)
}

/// Prints a list in a format for machines; `false` when the format is for people.
pub(super) async fn print_list<T: Serialize>(
    format: Format,
    things: &[T],
) -> Result<bool, CliError> {
    if format != Format::Jsonl {
        return print_one(format, &things).await;
    }
    let mut text = String::new();
    for thing in things {
        text.push_str(&json(thing, false)?);
    }
    answer(&text).await?;
    Ok(true)
}

fn json<T: Serialize>(thing: &T, pretty: bool) -> Result<String, CliError> {
    let text = if pretty {
        serde_json::to_string_pretty(thing)
    } else {
        serde_json::to_string(thing)
    };
    text.map(|text| text + "\n")
        .map_err(|error| CliError::Failed(format!("the answer is no JSON: {error}")))
}

pub(super) fn yaml<T: Serialize>(thing: &T) -> Result<String, CliError> {
    // By way of JSON, so that both formats name everything alike.
    let value = serde_json::to_value(thing)
        .map_err(|error| CliError::Failed(format!("the answer is no JSON: {error}")))?;
    let mut text = serde_saphyr::to_string(&value)
        .map_err(|error| CliError::Failed(format!("the answer is no YAML: {error}")))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
