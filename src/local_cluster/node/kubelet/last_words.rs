//! What a container leaves behind as the message of its end.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};

use serde_json::Value;

use crate::local_cluster::node::logs::Record;
use crate::local_cluster::node::shim::dir::ContainerDir;

/// The most that is taken from the file, in bytes.
const MOST: usize = 4096;
/// The most that is taken from the log, in bytes and lines.
const MOST_LOG: usize = 2048;
const MOST_LINES: usize = 80;

/// The message of the run in `dir`, which ended with `exit_code`.
#[must_use]
pub fn of(dir: &ContainerDir, container: &Value, exit_code: i32) -> Option<String> {
    let written = head(dir).unwrap_or_default();
    let falls_back = container["terminationMessagePolicy"] == "FallbackToLogsOnError";
    let bytes = if written.is_empty() && falls_back && exit_code != 0 {
        tail(dir).unwrap_or_default()
    } else {
        written
    };
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn head(dir: &ContainerDir) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(dir.termination_log())?;
    file.take(MOST as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last lines of the log.
fn tail(dir: &ContainerDir) -> io::Result<Vec<u8>> {
    let mut file = File::open(dir.log())?;
    let size = file.metadata()?.len();
    // Stamps and tags take less than the same room again, if lines are not very short.
    let window = (MOST_LINES * 64 + MOST_LOG) as u64;
    file.seek(SeekFrom::Start(size.saturating_sub(window)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let skipped = usize::from(size > window);
    let records: Vec<_> = lines.skip(skipped).filter_map(Record::parse).collect();
    let from = records.len().saturating_sub(MOST_LINES);
    let mut text = Vec::new();
    for record in records.get(from..).unwrap_or_default() {
        text.extend_from_slice(record.bytes);
        if record.complete {
            text.push(b'\n');
        }
    }
    let from = text.len().saturating_sub(MOST_LOG);
    Ok(text.split_off(from))
}

/// Makes the file that a container writes its last words to.
///
/// # Errors
/// When it cannot be made.
pub fn make_room(dir: &ContainerDir) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(dir.path())?;
    File::create(dir.termination_log())?;
    // The container's user need not be the one who owns it.
    fs::set_permissions(dir.termination_log(), fs::Permissions::from_mode(0o666))
}
