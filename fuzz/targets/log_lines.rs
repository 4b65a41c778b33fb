//! Any bytes as a log: however they are cut, the same lines come out, and every byte of them.
#![no_main]

use adjourn::pod::log_line::show_lines;
use adjourn::pod::logs::{LineSplitter, StampedLine, parse_log_line};
use libfuzzer_sys::fuzz_target;

const LONGEST: usize = 64;

fn split(bytes: &[u8], piece: usize) -> (Vec<StampedLine>, Option<String>) {
    let mut splitter = LineSplitter::new(LONGEST);
    let mut lines = Vec::new();
    for piece in bytes.chunks(piece) {
        if let Err(not) = splitter.push(piece, |line| lines.push(line)) {
            return (lines, Some(not.text));
        }
    }
    match splitter.finish() {
        Ok(last) => {
            lines.extend(last);
            (lines, None)
        }
        Err(not) => (lines, Some(not.text)),
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let (whole, said) = split(bytes, bytes.len().max(1));
    let (cut, also_said) = split(bytes, usize::from(piece).max(1));
    assert_eq!(whole, cut, "pieces make no difference");
    assert_eq!(said.is_some(), also_said.is_some());
    assert!(whole.iter().all(|line| line.text.len() <= LONGEST));
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let _ = parse_log_line(line);
    }
    let _ = show_lines(text.lines(), chrono::DateTime::UNIX_EPOCH, "base", piece % 2 == 0);
});
