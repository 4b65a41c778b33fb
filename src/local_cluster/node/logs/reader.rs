//! Reading one run's log from its file, and on from there.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::choice::status_of;
use super::format::Record;
use super::made_up::MadeUpLog;
use super::rotation;
use super::{LogOptions, LogStream};
use crate::local_cluster::node::shim::dir::ContainerDir;
use crate::local_cluster::objects::{ObjectKey, Objects, Resource};

/// As much as is read and sent at a time, in bytes.
const CHUNK: usize = 64 * 1024;
/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(50);
/// How long the end of a followed log waits until the API shows the end of its container.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);
/// The length of `2026-11-24T08:53:24`.
const SECOND: usize = 19;

/// Knows whether the API shows that a run has ended.
pub struct RunEnd {
    objects: Objects,
    key: Option<ObjectKey>,
    container: String,
    id: String,
}

impl RunEnd {
    pub fn new(objects: Objects, pod: &Value, container: &str, id: &str) -> Self {
        Self {
            objects,
            key: ObjectKey::of(Resource::Pod, pod),
            container: container.to_owned(),
            id: id.to_owned(),
        }
    }

    fn is_shown(&self) -> bool {
        let pod = self.key.as_ref().and_then(|key| self.objects.get(key));
        pod.is_none_or(|pod| {
            let status = status_of(&pod, &self.container);
            let runs = status["state"].get("running").is_some();
            !runs || status["containerID"] != self.id.as_str()
        })
    }
}

/// Where records come from.
enum Source {
    /// The files of a container.
    Dir(ContainerDir),
    /// A story.
    MadeUp(MadeUpLog),
}

/// Reads a log piece by piece.
pub struct Reader {
    source: Source,
    end: RunEnd,
    options: LogOptions,
    /// Lines before this second are left out.
    since: Option<String>,
    file: Option<File>,
    /// What was read and is not a whole record yet.
    torn: BytesMut,
    /// The last piece was not the end of its line.
    mid_line: bool,
    left: Option<u64>,
    over: bool,
}

impl Reader {
    /// Reads the log of the container in `dir`.
    pub fn new(dir: ContainerDir, end: RunEnd, options: &LogOptions) -> Self {
        Self::of(Source::Dir(dir), end, options)
    }

    /// Reads a log that is made up.
    pub fn made_up(mut log: MadeUpLog, end: RunEnd, options: &LogOptions) -> Self {
        if let Some(lines) = options.tail_lines {
            log.skip_to_tail(lines);
        }
        Self::of(Source::MadeUp(log), end, options)
    }

    fn of(source: Source, end: RunEnd, options: &LogOptions) -> Self {
        let seconds = options.since_seconds.map(|seconds| {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            let back = Timestamp::now().checked_sub(SignedDuration::from_secs(seconds));
            back.unwrap_or(Timestamp::MIN)
        });
        let since = options.since_time.or(seconds);
        Self {
            source,
            end,
            since: since.map(|since| since.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
            file: None,
            torn: BytesMut::new(),
            mid_line: false,
            left: options.limit_bytes,
            over: false,
            options: options.clone(),
        }
    }

    pub fn into_stream(self) -> LogStream {
        stream::try_unfold(self, |mut reader| async move {
            let chunk = reader.next().await?;
            Ok(chunk.map(|chunk| (chunk, reader)))
        })
        .boxed()
    }

    /// The next bytes to send; none at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.file.is_none() && !self.over {
            self.open().await?;
        }
        loop {
            if self.over || self.left == Some(0) {
                return Ok(None);
            }
            // Asked before reading: what is read afterwards is then all that there will be.
            let ended = self.has_ended().await?;
            if let Some(text) = self.read().await? {
                if !text.is_empty() {
                    return Ok(Some(text));
                }
                continue;
            }
            if self.follow_aside().await? {
                continue;
            }
            if !self.options.follow {
                self.over = true;
            } else if ended {
                self.await_status().await;
                self.over = true;
            } else {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    async fn open(&mut self) -> io::Result<()> {
        let Source::Dir(dir) = &self.source else {
            return Ok(());
        };
        let mut file = match File::open(dir.log()).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.over = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let Some(lines) = self.options.tail_lines {
            let start = tail_start(&mut file, lines).await?;
            file.seek(SeekFrom::Start(start)).await?;
        }
        self.file = Some(file);
        Ok(())
    }

    /// What comes of the next bytes of the file; none at its end.
    async fn read(&mut self) -> io::Result<Option<Bytes>> {
        let size = match (&mut self.source, &mut self.file) {
            (Source::MadeUp(log), _) => {
                let records = log.read();
                self.torn.extend_from_slice(&records);
                records.len()
            }
            (Source::Dir(_), Some(file)) => {
                self.torn.reserve(CHUNK);
                file.read_buf(&mut self.torn).await?
            }
            (Source::Dir(_), None) => return Ok(None),
        };
        let last = self.torn.iter().rposition(|byte| *byte == b'\n');
        let Some(last) = last else {
            return Ok((size > 0).then(Bytes::new));
        };
        let records = self.torn.split_to(last + 1);
        let mut text = BytesMut::with_capacity(records.len());
        for line in records.split_inclusive(|byte| *byte == b'\n') {
            if let Some(record) = Record::parse(line) {
                self.show(&record, &mut text);
            }
        }
        if let Some(left) = &mut self.left {
            let allowed = usize::try_from(*left).unwrap_or(usize::MAX);
            text.truncate(allowed);
            *left -= text.len() as u64;
        }
        Ok(Some(text.freeze()))
    }

    fn show(&mut self, record: &Record<'_>, text: &mut BytesMut) {
        let second = record.stamp.get(..SECOND).unwrap_or_default();
        if self
            .since
            .as_ref()
            .is_some_and(|since| second < since.as_bytes())
        {
            return;
        }
        if self.options.timestamps && !self.mid_line {
            text.extend_from_slice(record.stamp);
            text.extend_from_slice(b" ");
        }
        text.extend_from_slice(record.bytes);
        if record.complete {
            text.extend_from_slice(b"\n");
        }
        self.mid_line = !record.complete;
    }

    /// Goes over to the next file, if a stream that is followed has come to the end of one that was
    /// put aside.
    async fn follow_aside(&mut self) -> io::Result<bool> {
        let (Source::Dir(dir), true, Some(file)) = (&self.source, self.options.follow, &self.file)
        else {
            return Ok(false);
        };
        let own = file.metadata().await?.ino();
        let Some(next) = rotation::after(dir, own).await? else {
            return Ok(false);
        };
        // Something may have been written between our last read and the change.
        let old = self.file.replace(next);
        if let Some(mut old) = old {
            let mut rest = Vec::new();
            old.read_to_end(&mut rest).await?;
            self.torn.extend_from_slice(&rest);
        }
        Ok(true)
    }

    async fn has_ended(&self) -> io::Result<bool> {
        if !self.options.follow {
            return Ok(true);
        }
        let Source::Dir(dir) = &self.source else {
            return Ok(self.end.is_shown());
        };
        let dir = dir.clone();
        let look = move || Ok(dir.exit()?.is_some() || !dir.shim_alive()?);
        tokio::task::spawn_blocking(look)
            .await
            .map_err(io::Error::other)?
    }

    /// Whoever reads to the end asks for the container's state next, and must not find it running.
    async fn await_status(&self) {
        let shown = async {
            while !self.end.is_shown() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(STATUS_PATIENCE, shown).await;
    }
}

/// Where the last `lines` records of the file begin.
async fn tail_start(file: &mut File, lines: u64) -> io::Result<u64> {
    let size = file.metadata().await?.len();
    if lines == 0 {
        return Ok(size);
    }
    let mut ends: VecDeque<u64> = VecDeque::new();
    let mut position = size;
    let mut buffer = vec![0; CHUNK];
    while position > 0 {
        let length = position.min(CHUNK as u64);
        position -= length;
        file.seek(SeekFrom::Start(position)).await?;
        let window = usize::try_from(length).unwrap_or(CHUNK);
        let Some(window) = buffer.get_mut(..window) else {
            break;
        };
        file.read_exact(window).await?;
        for (offset, byte) in window.iter().enumerate().rev() {
            if *byte == b'\n' {
                ends.push_back(position + offset as u64 + 1);
                // One more end than lines: the end of the record before them is where they begin.
                if ends.len() as u64 > lines {
                    return Ok(ends.pop_back().unwrap_or(0));
                }
            }
        }
    }
    Ok(0)
}
