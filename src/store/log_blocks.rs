//! How lines lie in the database: many in a block, as JSON that plain SQL can take apart.
//!
//! A line is a text of 19 digits, its stamp in nanoseconds, and what the container wrote. A line
//! that JSON cannot carry (bytes that are not UTF-8, a NUL, which ends a text in SQL) has a block
//! to itself and its bytes beside it.

use std::sync::Arc;

use bytes::Bytes;

use super::error::JobError;
use super::logs::LogRow;
use super::many_rows::Script;
use super::rows::TaskRow;
use super::sql::Row;
use crate::task::log::{LineKind, LogLine};

/// How many bytes of lines a block holds, the one that reaches it included. A reader that begins
/// in the middle of a block reads the whole.
const BLOCK_BYTES: usize = 64 << 10;

const STAMP_DIGITS: usize = 19;

const KINDS: [(LineKind, &str); 3] = [
    (LineKind::Output, "output"),
    (LineKind::Gap, "gap"),
    (LineKind::Event, "event"),
];

/// Lines of one container and kind, ready to be written.
#[derive(Debug)]
struct Block {
    count: i64,
    container: Arc<str>,
    kind: LineKind,
    lines: Vec<u8>,
    raw: Option<Bytes>,
}

impl Block {
    fn begin(line: &LogLine) -> Self {
        Self {
            count: 0,
            container: Arc::clone(&line.container),
            kind: line.kind,
            lines: vec![b'['],
            raw: None,
        }
    }

    fn takes(&self, line: &LogLine) -> bool {
        self.raw.is_none()
            && self.lines.len() < BLOCK_BYTES
            && self.kind == line.kind
            && self.container == line.container
    }

    fn push(&mut self, stamp_ns: i64, text: &str) -> serde_json::Result<()> {
        if self.count > 0 {
            self.lines.push(b',');
        }
        self.count += 1;
        let digits = format!("\"{:0width$}", stamp_ns.max(0), width = STAMP_DIGITS);
        let (last, others) = digits.as_bytes().split_last().unwrap_or((&b'"', &[]));
        self.lines.extend_from_slice(others);
        let quote = self.lines.len();
        serde_json::to_writer(&mut self.lines, text)?;
        // The stamp and the line are one text: the line's own quotation mark makes room for the
        // last digit.
        self.lines[quote] = *last;
        Ok(())
    }
}

fn plain(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.as_bytes().contains(&0))
}

fn pack(lines: &[LogLine]) -> serde_json::Result<Vec<Block>> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in lines {
        let text = plain(&line.text);
        let fits = text.is_some() && blocks.last().is_some_and(|block| block.takes(line));
        if !fits {
            blocks.push(Block::begin(line));
        }
        if let Some(block) = blocks.last_mut() {
            block.push(line.stamp_ns, text.unwrap_or_default())?;
            if text.is_none() {
                block.raw = Some(line.text.clone());
            }
        }
    }
    Ok(blocks)
}

/// Writes lines behind those that the task's log has.
pub(super) async fn insert(
    script: &mut Script<'_>,
    row: &TaskRow,
    lines: &[LogLine],
) -> Result<(), JobError> {
    let insert = "INSERT INTO log_blocks
                      (task, first_seq, last_seq, try_number, container, kind, lines, raw)
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let mut last_seq = row.log_seq;
    for mut block in pack(lines).map_err(|error| sqlx::Error::Encode(error.into()))? {
        block.lines.push(b']');
        let json =
            String::from_utf8(block.lines).map_err(|error| sqlx::Error::Encode(error.into()))?;
        script
            .one(insert, |to| {
                to.add(row.id.0)?;
                to.add(last_seq + 1)?;
                to.add(last_seq + block.count)?;
                to.add(row.try_number)?;
                to.add(block.container)?;
                to.add(word(block.kind))?;
                to.add(json)?;
                to.add(block.raw.as_deref())
            })
            .await?;
        last_seq += block.count;
    }
    Ok(())
}

/// The lines of a block behind number `after`.
pub(super) fn unpack(row: &Row, after: i64) -> Result<Vec<LogRow>, sqlx::Error> {
    let first: i64 = row.try_get("first_seq")?;
    let try_number: u32 = row.try_get("try_number")?;
    let container: Arc<str> = row.try_get::<&str>("container")?.into();
    let kind: &str = row.try_get("kind")?;
    let kind = KINDS
        .iter()
        .find(|(_, word)| *word == kind)
        .map_or(LineKind::Output, |(kind, _)| *kind);
    let raw: Option<Vec<u8>> = row.try_get("raw")?;
    let raw = raw.map(Bytes::from);
    let lines: Vec<String> =
        serde_json::from_str(row.try_get("lines")?).map_err(|error| damaged(&error.to_string()))?;
    (first..)
        .zip(lines)
        .filter(|(seq, _)| *seq > after)
        .map(|(seq, line)| {
            let stamp = line
                .get(..STAMP_DIGITS)
                .and_then(|digits| digits.parse().ok());
            let stamp_ns = stamp.ok_or_else(|| damaged("a line without its stamp"))?;
            let text = raw
                .clone()
                .unwrap_or_else(|| Bytes::from(line).slice(STAMP_DIGITS..));
            Ok(LogRow {
                seq,
                try_number,
                line: LogLine {
                    container: Arc::clone(&container),
                    stamp_ns,
                    text,
                    kind,
                },
            })
        })
        .collect()
}

fn damaged(what: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: "lines".to_owned(),
        source: what.to_owned().into(),
    }
}

fn word(kind: LineKind) -> &'static str {
    KINDS
        .iter()
        .find(|(one, _)| *one == kind)
        .map_or("output", |(_, word)| word)
}
