use std::collections::VecDeque;
use std::path::Path;

use base64::Engine;
use proptest::prelude::*;
use serde_json::Value;

use super::filter::Passed;
use super::*;
use crate::task::log::LogCursor;

const SECOND: i64 = 1_000_000_000;

fn fixture(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn golden(function: &str) -> Vec<(Value, Value)> {
    let cases: Vec<(Value, Value)> = fixture("golden/helpers.json")
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["function"] == function)
        .flat_map(|entry| entry["cases"].as_array().unwrap().clone())
        .map(|case| (case["in"].clone(), case["out"].clone()))
        .collect();
    assert!(!cases.is_empty(), "{function}");
    cases
}

#[test]
fn lines_are_taken_apart_as_the_reference_does() {
    for (input, output) in golden("parse_log_line") {
        let seen = parse_log_line(input.as_str().unwrap());
        assert_eq!(Some(seen.message), output["message"].as_str(), "{input}");
        let expected = output["timestamp"]
            .as_str()
            .map(|text| chrono::DateTime::parse_from_rfc3339(text).unwrap());
        assert_eq!(seen.timestamp, expected, "{input}");
        assert_eq!(
            seen.timestamp.map(|time| time.offset().to_string()),
            expected.map(|time| time.offset().to_string()),
            "{input}"
        );
    }
}

#[test]
fn levels_and_groups_are_seen_as_the_reference_does() {
    for (input, output) in golden("_parse_log_level") {
        let level = level_of(input.as_str().unwrap());
        assert_eq!(Some(level.as_str()), output["name"].as_str(), "{input}");
        assert_eq!(
            Some(u64::from(level.number())),
            output["level"].as_u64(),
            "{input}"
        );
    }
    for (input, output) in golden("is_log_group_marker") {
        let seen = is_log_group_marker(input.as_str().unwrap());
        assert_eq!(Some(seen), output.as_bool(), "{input}");
    }
}

/// The lines of a body, and what stands behind the last newline.
fn split(
    body: &[u8],
    pieces_of: usize,
) -> Result<(Vec<StampedLine>, Option<StampedLine>), NotALog> {
    let mut splitter = LineSplitter::new(1 << 20);
    let mut lines = Vec::new();
    for piece in body.chunks(pieces_of) {
        splitter.push(piece, |line| lines.push(line))?;
    }
    Ok((lines, splitter.finish()?))
}

#[test]
fn recorded_logs_are_split_without_losing_a_byte() {
    let mut read = 0;
    for record in fixture("recordings/logs.json").as_array().unwrap() {
        let response = &record["response"];
        let stamped = matches!(
            record["query"]["timestamps"].as_str(),
            Some("true" | "1" | "yes")
        );
        if response["status"] != 200 || !stamped || record["query"].get("limitBytes").is_some() {
            continue;
        }
        let body = match &response["body"] {
            Value::String(text) => text.clone().into_bytes(),
            Value::Object(encoded) => base64::engine::general_purpose::STANDARD
                .decode(encoded["base64"].as_str().unwrap())
                .unwrap(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => continue,
        };
        let (lines, tail) = split(&body, 7).unwrap_or_else(|words| panic!("{words:?}: {record}"));
        assert_eq!(
            split(&body, body.len().max(1)).unwrap(),
            (lines.clone(), tail.clone())
        );
        let mut rebuilt = Vec::new();
        for line in &lines {
            rebuilt.extend(stamp_text(line.stamp_ns).into_bytes());
            rebuilt.push(b' ');
            rebuilt.extend(&line.text);
            rebuilt.push(b'\n');
        }
        if let Some(tail) = &tail {
            rebuilt.extend(stamp_text(tail.stamp_ns).into_bytes());
            rebuilt.push(b' ');
            rebuilt.extend(&tail.text);
        }
        assert_eq!(rebuilt, body, "{}", record["about"]);
        read += 1;
    }
    assert!(read >= 20, "only {read} recorded logs were read");
}

fn stamp_text(stamp_ns: i64) -> String {
    chrono::DateTime::from_timestamp_nanos(stamp_ns)
        .to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
}

#[test]
fn a_text_instead_of_a_log_is_never_a_line() {
    let words = "unable to retrieve container logs for containerd://0123";
    for pieces_of in [1, 10, 100] {
        let refused = split(words.as_bytes(), pieces_of).unwrap_err();
        assert_eq!(refused.text, words, "in pieces of {pieces_of}");
    }
    // Behind lines, it ends the log and is still no line.
    let body = format!("{} one\n{words}", stamp_text(SECOND));
    let mut splitter = LineSplitter::new(100);
    let mut lines = Vec::new();
    splitter
        .push(body.as_bytes(), |line| lines.push(line))
        .unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(splitter.finish().unwrap_err().text, words);
    // And a long one is not waited for to its end.
    let page = "<html>".repeat(1000);
    let outcome: Result<(), NotALog> = page
        .as_bytes()
        .chunks(100)
        .try_for_each(|piece| splitter.push(piece, |line| panic!("{line:?}")));
    assert!(outcome.unwrap_err().text.starts_with("<html>"));
}

#[test]
fn a_line_longer_than_the_limit_comes_in_pieces_cut_at_the_same_places() {
    let stamp = stamp_text(SECOND);
    let body = format!("{stamp} abcdefghij\n{stamp} abcd\n{stamp} abcdefgh\n{stamp} \n");
    for pieces_of in 1..body.len() {
        let mut splitter = LineSplitter::new(4);
        let mut texts = Vec::new();
        for piece in body.as_bytes().chunks(pieces_of) {
            splitter
                .push(piece, |line| {
                    texts.push(String::from_utf8(line.text.to_vec()).unwrap())
                })
                .unwrap();
        }
        assert_eq!(
            texts,
            ["abcd", "efgh", "ij", "abcd", "abcd", "efgh", ""],
            "{pieces_of}"
        );
    }
}

/// Lines are parts of what came: the second lies in memory where it lay in the piece.
#[test]
fn lines_are_cut_out_of_what_came_and_not_copied() {
    let stamp = stamp_text(SECOND);
    let body: String = (0..1000)
        .map(|number| format!("{stamp} line {number:04}\n"))
        .collect();
    let mut splitter = LineSplitter::new(1 << 20);
    let mut places = Vec::new();
    let mut kept = Vec::new();
    splitter
        .push(body.as_bytes(), |line| {
            places.push(line.text.as_ptr().addr());
            kept.push(line.text);
        })
        .unwrap();
    assert_eq!(kept[999], "line 0999");
    let step = stamp.len() + " line 0000\n".len();
    assert_eq!(places.len(), 1000);
    assert!(places.windows(2).all(|pair| pair[1] - pair[0] == step));
}

/// One read, as the reader does it: split, filter, advance.
fn read(
    body: &[u8],
    cursor: &mut LogCursor,
    longest_line: usize,
    pieces_of: usize,
    end: End,
) -> Vec<Result<Vec<u8>, ()>> {
    let mut splitter = LineSplitter::new(longest_line);
    let mut filter = CursorFilter::new(cursor);
    let mut out = VecDeque::new();
    for piece in body.chunks(pieces_of) {
        splitter
            .push(piece, |line| filter.push(line, &mut out))
            .unwrap();
    }
    match end {
        End::Broken => {}
        End::Clean => filter.finish(false, &mut out),
        End::Ended => {
            if let Some(tail) = splitter.finish().unwrap() {
                filter.push(tail, &mut out);
            }
            filter.finish(true, &mut out);
        }
    }
    out.into_iter()
        .map(|passed| match passed {
            Passed::Gap => Err(()),
            Passed::Line(line) => {
                advance(cursor, line.stamp_ns);
                Ok(line.text.to_vec())
            }
        })
        .collect()
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// The connection broke.
    Broken,
    /// The body ended while the container runs.
    Clean,
    /// The container has ended.
    Ended,
}

#[derive(Debug, Clone)]
struct Written {
    stamp_ns: i64,
    text: Vec<u8>,
}

/// What the API server sends: whole seconds decide.
fn served(file: &[Written], cursor: &LogCursor, last_without_newline: bool) -> Vec<u8> {
    let since = since_time(cursor.stamp_ns)
        .and_then(|text| parse_stamp(text.as_bytes()))
        .unwrap_or(0);
    let mut body = Vec::new();
    for (index, line) in file.iter().enumerate() {
        if line.stamp_ns < since {
            continue;
        }
        body.extend(stamp_text(line.stamp_ns).into_bytes());
        body.push(b' ');
        body.extend(&line.text);
        if index + 1 < file.len() || !last_without_newline {
            body.push(b'\n');
        }
    }
    body
}

fn a_file() -> impl Strategy<Value = Vec<Written>> {
    let step = prop_oneof![
        3 => Just(0_i64),
        3 => 1_i64..2000,
        2 => Just(300_000_000_i64),
        1 => Just(2 * SECOND),
    ];
    let byte = any::<u8>().prop_filter("no newline inside a line", |byte| *byte != b'\n');
    let text = prop::collection::vec(byte, 0..12);
    (prop::collection::vec((step, text, any::<bool>()), 1..40)).prop_map(|steps| {
        let mut stamp_ns = 1_795_510_404 * SECOND + 900_000_000;
        let mut lines: Vec<Written> = Vec::new();
        let mut swaps = Vec::new();
        for (step, text, swap) in steps {
            stamp_ns += step;
            swaps.push(swap);
            lines.push(Written { stamp_ns, text });
        }
        // Two streams of one container are stamped side by side: neighbours of different stamps,
        // microseconds apart, may stand in the wrong order.
        for index in 1..lines.len() {
            let apart = lines[index].stamp_ns - lines[index - 1].stamp_ns;
            let alone =
                |stamp: i64| lines.iter().filter(|line| line.stamp_ns == stamp).count() == 1;
            if swaps[index]
                && (1..2000).contains(&apart)
                && alone(lines[index].stamp_ns)
                && alone(lines[index - 1].stamp_ns)
            {
                lines.swap(index - 1, index);
            }
        }
        lines
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the bytes come in pieces, however reads are cut off, overlap and are repeated, each
    /// line comes out once, in order, and no gap is claimed.
    #[test]
    fn each_line_is_read_once_in_order(
        file in a_file(),
        reads in prop::collection::vec((0..=40_usize, 1..50_usize, any::<bool>(), any::<prop::sample::Index>()), 0..8),
        last_without_newline in any::<bool>(),
        longest_line in prop_oneof![Just(3_usize), Just(1 << 20)],
        pieces_of in 1..60_usize,
    ) {
        // An empty last line without a newline is no line.
        let last_without_newline = last_without_newline && !file.last().unwrap().text.is_empty();
        let mut cursor = LogCursor::default();
        let mut seen = Vec::new();
        let mut written = 0;
        for (more, pieces_of, broken, cut) in reads {
            written = (written + more).min(file.len());
            // Of the file so far the last line is not served: it may be unfinished.
            let mut body = served(&file[..written], &cursor, false);
            if broken && !body.is_empty() {
                body.truncate(cut.index(body.len()));
            }
            let end = if broken { End::Broken } else { End::Clean };
            seen.extend(read(&body, &mut cursor, longest_line, pieces_of, end));
        }
        let body = served(&file, &cursor, last_without_newline);
        seen.extend(read(&body, &mut cursor, longest_line, pieces_of, End::Ended));

        let expected: Vec<Result<Vec<u8>, ()>> = file
            .iter()
            .flat_map(|line| {
                let mut pieces: Vec<Vec<u8>> =
                    line.text.chunks(longest_line).map(<[u8]>::to_vec).collect();
                if pieces.is_empty() {
                    pieces.push(Vec::new());
                }
                pieces
            })
            .map(Ok)
            .collect();
        prop_assert_eq!(seen, expected);
    }

    /// When the node has rotated the log away from under the cursor, the gap is marked, once, and
    /// what is left comes out once.
    #[test]
    fn a_rotated_log_is_marked(file in a_file(), taken in any::<prop::sample::Index>()) {
        let mut cursor = LogCursor::default();
        let taken = taken.index(file.len());
        let body = served(&file[..=taken], &cursor, false);
        prop_assert_eq!(read(&body, &mut cursor, 1 << 20, 1000, End::Clean).len(), taken + 1);

        let later: Vec<Written> = (1..4)
            .map(|second| Written {
                stamp_ns: file[taken].stamp_ns + second * 3 * SECOND,
                text: vec![b'n'],
            })
            .collect();
        let body = served(&later, &cursor, false);
        let seen = read(&body, &mut cursor, 1 << 20, 1000, End::Clean);
        prop_assert_eq!(seen, vec![Err(()), Ok(vec![b'n']), Ok(vec![b'n']), Ok(vec![b'n'])]);

        let body = served(&later, &cursor, false);
        prop_assert_eq!(read(&body, &mut cursor, 1 << 20, 1000, End::Ended), vec![]);
    }
}

#[test]
fn a_log_that_is_empty_although_it_was_read_before_has_a_gap_once_its_container_has_ended() {
    let mut cursor = LogCursor::default();
    let file = [Written {
        stamp_ns: 5 * SECOND,
        text: b"one".to_vec(),
    }];
    assert_eq!(
        read(
            &served(&file, &cursor, false),
            &mut cursor,
            100,
            100,
            End::Clean
        ),
        [Ok(b"one".to_vec())]
    );
    assert_eq!(read(b"", &mut cursor, 100, 100, End::Clean), []);
    assert_eq!(read(b"", &mut cursor, 100, 100, End::Ended), [Err(())]);
}
