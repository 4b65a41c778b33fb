//! From bytes to stamped lines, without losing a byte.

use bytes::{Buf, Bytes, BytesMut};

use super::stamp::{LONGEST_STAMP, parse_stamp};

/// A line as the kubelet sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedLine {
    /// Nanoseconds since the Unix epoch.
    pub stamp_ns: i64,
    /// The line without stamp and newline: a part of what came, shared and not copied.
    pub text: Bytes,
}

/// How many bytes of such a text are kept.
const SHOWN: usize = 2000;

/// A text that came instead of a log, or stuck to its end: the node's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotALog {
    /// The text, cut after 2000 bytes.
    pub text: String,
}

/// Cuts a stream of bytes into lines, whatever pieces the bytes come in.
///
/// A line longer than the limit comes in pieces that carry the same stamp, always cut at the
/// same places, so that memory is bounded and a cursor can stand between two of them.
#[derive(Debug)]
pub struct LineSplitter {
    longest_line: usize,
    buffer: BytesMut,
    /// The stamp of the line whose text stands in the buffer, once it has been read.
    stamp: Option<i64>,
    /// How much of the buffer has been searched for a newline.
    searched: usize,
    /// What came instead of a line; nothing behind it is a line.
    words: Option<Vec<u8>>,
}

impl LineSplitter {
    /// Lines longer than `longest_line` bytes come in pieces.
    #[must_use]
    pub fn new(longest_line: usize) -> Self {
        Self {
            longest_line: longest_line.max(1),
            buffer: BytesMut::new(),
            stamp: None,
            searched: 0,
            words: None,
        }
    }

    /// Takes the next bytes and hands out the lines that they complete.
    ///
    /// # Errors
    ///
    /// When a line does not begin with a stamp and enough of it has come to show. What comes
    /// less of is told by [`LineSplitter::finish`]. Nothing behind it is taken.
    pub fn push(&mut self, bytes: &[u8], mut take: impl FnMut(StampedLine)) -> Result<(), NotALog> {
        if let Some(words) = &mut self.words {
            words.extend_from_slice(&bytes[..bytes.len().min(SHOWN)]);
            return if words.len() >= SHOWN {
                Err(not_a_log(words))
            } else {
                Ok(())
            };
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            let rest = &self.buffer[..];
            let stamp = match self.stamp {
                Some(stamp) => stamp,
                None => match split_stamp(rest) {
                    Head::Stamp(stamp, length) => {
                        self.stamp = Some(stamp);
                        self.searched = 0;
                        self.buffer.advance(length);
                        continue;
                    }
                    Head::Incomplete => break,
                    Head::NoStamp => {
                        self.words = Some(rest[..rest.len().min(SHOWN)].to_vec());
                        self.buffer = BytesMut::new();
                        return Ok(());
                    }
                },
            };
            let newline = rest[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| at + self.searched);
            let (length, ends) = match newline {
                Some(at) if at <= self.longest_line => (at, true),
                _ if rest.len() > self.longest_line => (self.longest_line, false),
                _ => {
                    self.searched = rest.len();
                    break;
                }
            };
            take(StampedLine {
                stamp_ns: stamp,
                text: self.buffer.split_to(length).freeze(),
            });
            if ends {
                self.buffer.advance(1);
                self.stamp = None;
            }
            self.searched = 0;
        }
        Ok(())
    }

    /// Takes the end of the stream: what stands behind the last newline.
    ///
    /// # Errors
    ///
    /// When that is no stamped line.
    pub fn finish(&mut self) -> Result<Option<StampedLine>, NotALog> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        self.searched = 0;
        if let Some(words) = self.words.take() {
            return Err(not_a_log(&words));
        }
        match self.stamp.take() {
            Some(stamp_ns) if !rest.is_empty() => Ok(Some(StampedLine {
                stamp_ns,
                text: rest,
            })),
            Some(_) => Ok(None),
            None if rest.is_empty() => Ok(None),
            None => Err(not_a_log(&rest)),
        }
    }
}

enum Head {
    /// A stamp and the space behind it, that many bytes long.
    Stamp(i64, usize),
    /// Too few bytes to tell.
    Incomplete,
    NoStamp,
}

fn split_stamp(line: &[u8]) -> Head {
    let head = &line[..line.len().min(LONGEST_STAMP + 1)];
    let end = head.iter().position(|byte| matches!(byte, b' ' | b'\n'));
    match end {
        Some(at) if head[at] == b' ' => match parse_stamp(&head[..at]) {
            Some(stamp) => Head::Stamp(stamp, at + 1),
            None => Head::NoStamp,
        },
        Some(_) => Head::NoStamp,
        None if head.len() > LONGEST_STAMP => Head::NoStamp,
        None => Head::Incomplete,
    }
}

fn not_a_log(text: &[u8]) -> NotALog {
    NotALog {
        text: String::from_utf8_lossy(&text[..text.len().min(SHOWN)])
            .trim()
            .to_owned(),
    }
}
