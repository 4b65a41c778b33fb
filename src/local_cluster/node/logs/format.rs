//! One record of a container's log file, as the shim writes it.

/// A line, or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The moment of its end, RFC 3339 with nanoseconds, in UTC.
    pub stamp: &'a [u8],
    /// Whether a line end follows.
    pub complete: bool,
    /// Its bytes, without the line end.
    pub bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads one line of the file, line end included; none if it is cut off or no record.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let stamp = parts.next()?;
        let _output = parts.next()?;
        let complete = match parts.next()? {
            b"F" => true,
            b"P" => false,
            _ => return None,
        };
        Some(Self {
            stamp,
            complete,
            bytes: parts.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_and_a_torn_one_is_not() {
        let record = Record::parse(b"2026-11-24T08:53:24.077773817Z stdout P a b\n").unwrap();
        assert_eq!(record.stamp, b"2026-11-24T08:53:24.077773817Z");
        assert!(!record.complete);
        assert_eq!(record.bytes, b"a b");
        assert_eq!(
            Record::parse(b"2026-11-24T08:53:24.0Z stdout F \n")
                .unwrap()
                .bytes,
            b""
        );
        assert_eq!(Record::parse(b"2026-11-24T08:53:24.0Z stdout F torn"), None);
    }
}
