//! Writing a container's log file.
//!
//! One record a line: `<RFC 3339 with nanoseconds, UTC> <stdout|stderr> <F|P> <bytes>`, where P
//! marks a piece that no line end followed. The stamp is the moment of the piece's end; stamps
//! rise strictly, so that a reader can go on from one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::dir::ContainerDir;
use super::plan::LogPlan;

/// The longest piece that is stored as one record, in bytes.
const PIECE: usize = 16384;

/// How many files that were put aside on request are kept: a reader that follows them must not
/// miss one because the next order came quickly.
pub const KEPT: u32 = 4;

/// Which of the two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Output {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Cuts the bytes of one output into records.
#[derive(Debug)]
struct Cutter {
    output: Output,
    pending: Vec<u8>,
}

impl Cutter {
    fn new(output: Output) -> Self {
        Self {
            output,
            pending: Vec::new(),
        }
    }

    /// Takes `bytes` and appends the records that are complete with them to `into`.
    fn take(&mut self, mut bytes: &[u8], clock: &mut RisingClock, into: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let room = PIECE - self.pending.len();
            let window = bytes.get(..=room).unwrap_or(bytes);
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                let (line, rest) = bytes.split_at(end);
                self.pending.extend_from_slice(line);
                if self.pending.last() == Some(&b'\r') {
                    self.pending.pop();
                }
                self.write(true, clock, into);
                bytes = rest.get(1..).unwrap_or_default();
            } else if window.len() > room {
                // One byte more than a piece holds, and it is no line end.
                let (piece, rest) = bytes.split_at(room);
                self.pending.extend_from_slice(piece);
                self.write(false, clock, into);
                bytes = rest;
            } else {
                self.pending.extend_from_slice(bytes);
                return;
            }
        }
    }

    /// What is left when the output has ended.
    fn finish(&mut self, clock: &mut RisingClock, into: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            self.write(false, clock, into);
        }
    }

    fn write(&mut self, complete: bool, clock: &mut RisingClock, into: &mut Vec<u8>) {
        let tag = if complete { "F" } else { "P" };
        let head = format!("{:.9} {} {tag} ", clock.next(), self.output.name());
        into.extend_from_slice(head.as_bytes());
        into.append(&mut self.pending);
        into.push(b'\n');
    }
}

/// A clock that never gives the same moment twice.
#[derive(Debug, Default)]
struct RisingClock {
    last: Timestamp,
}

impl RisingClock {
    fn next(&mut self) -> Timestamp {
        let after = self.last + Duration::from_nanos(1);
        self.last = Timestamp::now().max(after);
        self.last
    }
}

/// The writer of one container's log.
#[derive(Debug)]
pub struct LogWriter {
    dir: ContainerDir,
    file: File,
    size: u64,
    plan: LogPlan,
    looked: Instant,
    clock: RisingClock,
    stdout: Cutter,
    stderr: Cutter,
}

impl LogWriter {
    /// Opens the log of the container in `dir`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(dir: &ContainerDir, plan: LogPlan) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.log())?;
        let size = file.metadata()?.len();
        Ok(Self {
            dir: dir.clone(),
            file,
            size,
            plan,
            looked: Instant::now(),
            clock: RisingClock::default(),
            stdout: Cutter::new(Output::Stdout),
            stderr: Cutter::new(Output::Stderr),
        })
    }

    /// Takes what the container has just written to `output`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn take(&mut self, output: Output, bytes: &[u8]) -> io::Result<()> {
        let mut records = Vec::with_capacity(bytes.len() + 64);
        let cutter = match output {
            Output::Stdout => &mut self.stdout,
            Output::Stderr => &mut self.stderr,
        };
        cutter.take(bytes, &mut self.clock, &mut records);
        self.write(&records)
    }

    /// Writes what no line end has followed. Nothing may be taken afterwards.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        let mut records = Vec::new();
        self.stdout.finish(&mut self.clock, &mut records);
        self.stderr.finish(&mut self.clock, &mut records);
        self.write(&records)?;
        self.file.sync_data()
    }

    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.file.write_all(records)?;
        self.size += records.len() as u64;
        self.put_aside_if_due()
    }

    /// In how long a log that has grown too large is to be put aside, written to or not; none if
    /// this one has not.
    pub fn due(&self) -> Option<Duration> {
        let between = Duration::from_millis(self.plan.check_millis);
        (self.size >= self.plan.max_bytes).then(|| between.saturating_sub(self.looked.elapsed()))
    }

    /// Begins a new file if this one has grown too large and it is time for a look.
    ///
    /// # Errors
    /// When the files cannot be renamed or made.
    pub fn put_aside_if_due(&mut self) -> io::Result<()> {
        if self.due().is_none_or(|left| !left.is_zero()) {
            return Ok(());
        }
        self.looked = Instant::now();
        self.put_aside()?;
        // These files are large. Readers have had the time between two looks to get on.
        for number in 2..=KEPT {
            ignore_absence(fs::remove_file(self.dir.old_log(number)))?;
        }
        Ok(())
    }

    /// Begins a new file, whatever the size of this one.
    ///
    /// # Errors
    /// When the files cannot be renamed or made.
    pub fn put_aside(&mut self) -> io::Result<()> {
        for number in (1..KEPT).rev() {
            let (from, to) = (self.dir.old_log(number), self.dir.old_log(number + 1));
            ignore_absence(fs::rename(from, to))?;
        }
        fs::rename(self.dir.log(), self.dir.old_log(1))?;
        self.file = File::create(self.dir.log())?;
        self.size = 0;
        Ok(())
    }
}

fn ignore_absence(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(chunks: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
        let mut clock = RisingClock::default();
        let mut cutter = Cutter::new(Output::Stdout);
        let mut bytes = Vec::new();
        for chunk in chunks {
            cutter.take(chunk, &mut clock, &mut bytes);
        }
        cutter.finish(&mut clock, &mut bytes);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| {
                let line = line.strip_suffix(b"\n").unwrap();
                let mut parts = line.splitn(4, |byte| *byte == b' ').skip(1);
                assert_eq!(parts.next().unwrap(), b"stdout");
                let tag = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
                (tag, parts.next().unwrap().to_vec())
            })
            .collect()
    }

    fn tags(chunks: &[&[u8]]) -> Vec<(String, usize)> {
        let all = records(chunks).into_iter();
        all.map(|(tag, bytes)| (tag, bytes.len())).collect()
    }

    #[test]
    fn lines_are_cut_where_they_end_whatever_the_reads_were() {
        let whole = records(&[b"a\nb\n\nlast"]);
        let single: Vec<&[u8]> = vec![b"a", b"\n", b"b", b"\n", b"\n", b"l", b"ast"];
        assert_eq!(whole, records(&single));
        let expected = [("F", "a"), ("F", "b"), ("F", ""), ("P", "last")];
        let expected = expected.map(|(tag, text)| (tag.to_owned(), text.as_bytes().to_vec()));
        assert_eq!(whole, expected);
    }

    #[test]
    fn a_carriage_return_is_dropped_only_before_the_line_end() {
        assert_eq!(
            records(&[b"p\rq\r\nz\n"]),
            [
                ("F".to_owned(), b"p\rq".to_vec()),
                ("F".to_owned(), b"z".to_vec())
            ]
        );
    }

    #[test]
    fn long_lines_are_stored_in_pieces_of_16384_bytes() {
        let f = |n: usize| ("F".to_owned(), n);
        let p = |n: usize| ("P".to_owned(), n);
        let line = |n: usize| [vec![b'x'; n], vec![b'\n']].concat();
        assert_eq!(tags(&[&line(16384)]), [f(16384)]);
        assert_eq!(tags(&[&line(16385)]), [p(16384), f(1)]);
        assert_eq!(tags(&[&line(40000)]), [p(16384), p(16384), f(7232)]);
        assert_eq!(tags(&[&[b'd'; 20000]]), [p(16384), p(3616)]);
        assert_eq!(tags(&[&[b'd'; 16384], b"\n"]), [f(16384)]);
        assert_eq!(tags(&[&[b'd'; 16384], b"e\n"]), [p(16384), f(1)]);
    }

    #[test]
    fn stamps_rise_strictly() {
        let mut clock = RisingClock::default();
        let stamps: Vec<_> = (0..1000).map(|_| clock.next()).collect();
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_log_that_is_too_large_waits_for_the_next_look_whether_it_is_written_to_or_not() {
        let temp = tempfile::tempdir().unwrap();
        let dir = ContainerDir::new(temp.path());
        let plan = LogPlan {
            max_bytes: 100,
            check_millis: 3_600_000,
        };
        let mut log = LogWriter::open(&dir, plan).unwrap();
        log.take(Output::Stdout, b"small\n").unwrap();
        assert_eq!(log.due(), None);
        log.take(Output::Stdout, &[b'a'; 90]).unwrap();
        log.take(Output::Stdout, b"\n").unwrap();
        assert!(log.due().unwrap() > Duration::from_secs(3000));
        log.put_aside_if_due().unwrap();
        assert!(!dir.old_log(1).exists());
        log.plan.check_millis = 0;
        assert_eq!(log.due(), Some(Duration::ZERO));
        log.put_aside_if_due().unwrap();
        assert!(dir.old_log(1).exists());
        assert_eq!(fs::read(dir.log()).unwrap(), b"");
        assert_eq!(log.due(), None);
    }

    #[test]
    fn a_log_that_has_grown_too_large_is_put_aside_between_records() {
        let temp = tempfile::tempdir().unwrap();
        let dir = ContainerDir::new(temp.path());
        let plan = LogPlan {
            max_bytes: 100,
            check_millis: 0,
        };
        let mut log = LogWriter::open(&dir, plan).unwrap();
        log.take(Output::Stdout, &[b'a'; 90]).unwrap();
        log.take(Output::Stdout, b"\nrest").unwrap();
        log.finish().unwrap();
        let aside = fs::read(dir.old_log(1)).unwrap();
        assert!(aside.ends_with(b"a\n"));
        assert!(fs::read(dir.log()).unwrap().ends_with(b"P rest\n"));
    }
}
