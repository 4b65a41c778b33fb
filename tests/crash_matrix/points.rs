//! The list of points against the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use adjourn::failpoint::NAMES;

/// Each name of the list is in the source, and each name in the source is in the list.
pub fn the_list_holds_every_point_of_the_source() {
    let mut found = BTreeSet::new();
    search(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    let listed: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(listed.len(), NAMES.len(), "a name is in the list twice");
    assert_eq!(found, listed, "src/failpoint.rs has the list");
}

fn search(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("reach!(\"").skip(1) {
            found.insert(part.split('"').next().unwrap().to_owned());
        }
    }
}
