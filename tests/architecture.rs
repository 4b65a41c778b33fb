//! Holds the imports between the rooms to the table in ARCHITECTURE.md.
//!
//! The table is read from the document itself, so that the two cannot drift.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may import, as ARCHITECTURE.md says.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text
        .split("<!-- imports: checked by tests/architecture.rs -->")
        .nth(1)
        .expect("ARCHITECTURE.md has the table of imports");
    let mut rooms = BTreeMap::new();
    for line in table.lines().skip_while(|line| !line.starts_with('|')) {
        let Some(cells) = line.strip_prefix('|') else {
            break;
        };
        let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
        if cells[0] == "room" || cells[0].starts_with("---") {
            continue;
        }
        rooms.insert(
            names(cells[0]).remove(0),
            names(cells[1]).into_iter().collect(),
        );
    }
    assert!(rooms.len() > 10, "the table was not found: {rooms:?}");
    rooms
}

/// The words in backquotes.
fn names(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The room of a file: the first part of its path below src, but for the parts of `cli` and of
/// `pod` that have rules of their own.
fn room_of(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The rooms that a file names as `crate::room`.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut rooms = BTreeSet::new();
    for line in code {
        for part in line.split("crate::").skip(1) {
            if let Some(grouped) = part.strip_prefix('{') {
                panic!("import one room a line, so that this test can read it: {grouped}");
            }
            let room: String = part
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            rooms.insert(room);
        }
    }
    rooms
}

#[test]
fn every_import_is_allowed_by_the_table() {
    let allowed = allowed();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 50);
    let mut faults = Vec::new();
    for file in files {
        let room = room_of(&file);
        if room == "lib" || room == "main" {
            continue;
        }
        let Some(may) = allowed.get(&room) else {
            faults.push(format!("the room {room} is not in the table"));
            continue;
        };
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            if import != room && !may.contains(&import) {
                let file = file.strip_prefix(root()).unwrap().display();
                faults.push(format!("{file}: {room} may not import {import}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_store_speaks_sql() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for file in files {
        if room_of(&file) == "store" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("sqlx::"), "{} uses sqlx", file.display());
    }
}

#[test]
fn the_pure_rooms_do_no_input_or_output() {
    let mut files = Vec::new();
    for room in ["src/task", "src/pod/spec", "src/pod/observe"] {
        sources(&root().join(room), &mut files);
    }
    assert!(files.len() > 20);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for forbidden in [
            "tokio::",
            "std::fs",
            "std::net::Tcp",
            "std::net::Udp",
            "std::process",
            "Utc::now",
        ] {
            assert!(
                !text.contains(forbidden),
                "{} names {forbidden}",
                file.display()
            );
        }
    }
}
