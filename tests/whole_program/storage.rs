//! The disk under the database, and others who hold the database.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::support::{Home, script, with};

const LINES: &str = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.4; done";

fn lines() -> String {
    (1..=8).map(|number| format!("line {number}\n")).collect()
}

/// A small disk of its own under a directory.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs"])
            .arg(at)
            .output()
            .unwrap();
        assert!(
            mounted.status.success(),
            "this test mounts a small tmpfs: run the tests as root, or all of them under `unshare --map-root-user --mount`: {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Self { at: at.to_owned() }
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut ballast = std::fs::File::create(self.at.join("ballast")).unwrap();
        let block = [0_u8; 4096];
        while ballast.write_all(&block).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let ended = Command::new("umount").arg("-l").arg(&self.at).status();
        if !ended.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.at.display());
        }
    }
}

#[test]
fn a_full_disk_is_told_and_once_there_is_room_the_task_goes_on() {
    let home = Home::new().set("ADJOURN_WORKER_LEASE_SECONDS", "2");
    let diary = home.diary();
    let disk = SmallDisk::mount(&home.state());
    let task = with(
        script(&home.dag, "cramped", LINES),
        json!({"logging_interval": 0.4, "poll_interval": 1}),
    );
    let id = home.submit(&task);
    let serve = home.serve();
    home.until_lines(&id, 2);
    disk.fill();
    serve.until_err("words about the disk", |said| {
        said.contains("is full; make room")
    });
    diary.until_phase("Succeeded");
    disk.make_room();
    home.run(&["wait", &id]).expect(0);
    let told = home.describe(&id);
    assert_eq!(told["try_number"], 1, "{told}");
    assert_eq!(home.log(&id), lines().as_bytes());
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    let report = home.run(&["doctor", "-o", "json"]).expect(0).json();
    assert_eq!(report["findings"], json!([]), "{report}");
    serve.kill();
    drop(home);
    drop(disk);
}

#[test]
fn a_database_that_another_process_holds_is_waited_for() {
    let home = Home::new();
    let diary = home.diary();
    let task = with(
        script(&home.dag, "patient", LINES),
        json!({"logging_interval": 0.4, "poll_interval": 1}),
    );
    let id = home.submit(&task);
    let serve = home.serve();
    home.until_lines(&id, 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(home.database());
        let mut holder = options.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut holder)
            .await
            .unwrap();
        // Held until the pod has ended; readers are in nobody's way.
        diary.until_phase("Succeeded");
        assert_eq!(home.describe(&id)["is_final"], false);
        sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
        holder.close().await.unwrap();
    });
    home.run(&["wait", &id]).expect(0);
    assert_eq!(home.describe(&id)["try_number"], 1);
    assert_eq!(home.log(&id), lines().as_bytes());
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    drop(serve);
}
