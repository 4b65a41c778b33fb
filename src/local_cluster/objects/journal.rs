//! The file that the objects live in between two runs of the cluster.
//!
//! One JSON record a line: a header with the version at which the file begins, then every change.
//! A record is written before its change is answered; a record that a crash cut in half was
//! never answered and is dropped when the file is read. When the file has grown far beyond the
//! objects it holds, it is rewritten and put in place by a rename.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Object, Resource};

const FORMAT: u32 = 1;
/// Below this size the file is left alone.
const COMPACTION_FLOOR: u64 = 32 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    version: u64,
}

#[derive(Serialize)]
struct Removal<'a> {
    v: u64,
    r: &'a str,
    del: (&'a str, &'a str),
}

#[derive(Deserialize)]
struct RecordIn {
    v: u64,
    r: String,
    put: Option<Value>,
    del: Option<(String, String)>,
}

/// One change as it is read back.
pub(super) struct Record {
    pub version: u64,
    pub resource: Resource,
    pub change: Change,
}

pub(super) enum Change {
    Put(Value),
    Delete { namespace: String, name: String },
}

pub(super) struct Journal {
    path: PathBuf,
    file: File,
    begin: u64,
    length: u64,
    /// The length at which the file is rewritten.
    threshold: u64,
}

impl Journal {
    /// Opens the journal in `dir` and hands every record to `replay`, with the version at which
    /// the file begins.
    pub fn open(dir: &Path, mut replay: impl FnMut(u64, Record)) -> io::Result<Self> {
        let path = dir.join("objects.journal");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        let mut good = 0_u64;
        let mut begin = 0;
        if reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let header: Header = serde_json::from_slice(&line)?;
            if header.format != FORMAT {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "{} has format {}, this program reads format {FORMAT}",
                        path.display(),
                        header.format
                    ),
                ));
            }
            begin = header.version;
            good += line.len() as u64;
            loop {
                line.clear();
                let length = reader.read_until(b'\n', &mut line)? as u64;
                let Some(record) = line.strip_suffix(b"\n").and_then(parse) else {
                    break;
                };
                good += length;
                replay(begin, record);
            }
            file.set_len(good)?;
        } else {
            good = write_header(&mut file, 0)?;
        }
        file.seek(SeekFrom::Start(good))?;
        Ok(Self {
            path,
            file,
            begin,
            length: good,
            threshold: COMPACTION_FLOOR.max(good.saturating_mul(2)),
        })
    }

    /// The version at which the file began when it was opened.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// Appends that `object` is now the state of its key.
    pub fn put(&mut self, version: u64, resource: Resource, object: &Object) -> io::Result<()> {
        let mut line = Vec::with_capacity(object.json().len() + 64);
        write_put(&mut line, version, resource, object)?;
        self.append(&line)
    }

    /// Appends that an object is gone.
    pub fn delete(
        &mut self,
        version: u64,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Removal {
            v: version,
            r: resource.plural(),
            del: (namespace, name),
        })?;
        line.push(b'\n');
        self.append(&line)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(line) {
            // Half a record in the middle would hide everything after it.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Whether the file should be rewritten.
    pub fn wants_compaction(&self) -> bool {
        self.length > self.threshold
    }

    /// Rewrites the file so that it holds `objects` as they are at `version` and nothing else.
    pub fn compact<'a>(
        &mut self,
        version: u64,
        objects: impl Iterator<Item = (Resource, &'a Object)>,
    ) -> io::Result<()> {
        let next = self.path.with_extension("journal.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&next)?;
        write_header(&mut file, version)?;
        let mut writer = BufWriter::new(file);
        for (resource, object) in objects {
            // A record up to the file's own version is part of a state: its own says no more.
            write_put(&mut writer, version, resource, object)?;
        }
        let mut file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&next, &self.path)?;
        self.length = file.stream_position()?;
        self.threshold = COMPACTION_FLOOR.max(self.length.saturating_mul(2));
        self.file = file;
        Ok(())
    }

    /// Rewrites the file as soon as it is longer than this.
    #[cfg(test)]
    pub fn compact_at(&mut self, threshold: u64) {
        self.threshold = threshold;
    }

    /// Puts off the next attempt to rewrite the file, after one has failed.
    pub fn postpone_compaction(&mut self) {
        self.threshold = self.threshold.saturating_mul(2);
    }
}

/// Writes the line that says that `object` is now the state of its key.
fn write_put(
    out: &mut impl Write,
    version: u64,
    resource: Resource,
    object: &Object,
) -> io::Result<()> {
    let plural = resource.plural();
    write!(out, "{{\"v\":{version},\"r\":\"{plural}\",\"put\":")?;
    out.write_all(object.json())?;
    out.write_all(b"}\n")
}

fn parse(line: &[u8]) -> Option<Record> {
    let record: RecordIn = serde_json::from_slice(line).ok()?;
    Some(Record {
        version: record.v,
        resource: Resource::from_plural(&record.r)?,
        change: match (record.put, record.del) {
            (Some(object), None) => Change::Put(object),
            (None, Some((namespace, name))) => Change::Delete { namespace, name },
            (Some(_), Some(_)) | (None, None) => return None,
        },
    })
}

fn write_header(file: &mut File, version: u64) -> io::Result<u64> {
    let mut line = serde_json::to_vec(&Header {
        format: FORMAT,
        version,
    })?;
    line.push(b'\n');
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&line)?;
    Ok(line.len() as u64)
}
