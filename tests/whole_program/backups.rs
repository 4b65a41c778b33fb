//! Backups of a database that is being worked on, and what comes of the tasks in them.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Home, script, with};

#[test]
fn a_backup_made_while_a_daemon_works_is_restored_and_its_tasks_go_on() {
    let home = Home::new();
    let serve = home.serve();
    let waits = "trap 'go=1' USR1; echo begun; until [ \"$go\" ]; do sleep 0.1; done; echo done";
    let task = with(
        script(&home.dag, "waits", waits),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let id = home.submit(&task);
    home.until_state(&id, "deferred");
    home.until_lines(&id, 1);
    home.run(&["backup", "copy.db"]).expect(0);

    // Over the head of a daemon nothing is put back.
    let refused = home.run(&["restore", "copy.db"]).expect(2);
    assert!(refused.stderr.contains("stop adjourn serve"), "{refused:?}");
    let later = home.submit(&script(&home.dag, "later", "exit 0"));
    home.run(&["wait", &later]).expect(0);
    serve.signal(Signal::SIGTERM);
    serve.finish().expect(0);

    home.run(&["restore", "copy.db"]).expect(0);
    assert_eq!(home.run(&["get", "-o", "name"]).expect(0).text(), "1\n");
    let _serve = home.serve();
    let pods = home.cluster().pods(&home.dag);
    let held = pods.iter().find(|pod| {
        let labels = pod.metadata.labels.as_ref();
        labels.is_some_and(|labels| labels.get("task_id").is_some_and(|id| id == "waits"))
    });
    let name = held.unwrap().metadata.name.clone().unwrap();
    home.cluster().run_in(&name, &["kill", "-USR1", "1"]);
    home.run(&["wait", &id]).expect(0);
    assert_eq!(home.log(&id), b"begun\ndone\n");
    let pods = home.describe(&id)["pods"].as_array().unwrap().len();
    assert_eq!(pods, 1, "the pod was taken up again");
}

#[test]
fn a_killed_daemon_is_in_no_restores_way() {
    let home = Home::new();
    let serve = home.serve();
    home.submit(&script(&home.dag, "a", "exit 0"));
    home.run(&["backup", "copy.db"]).expect(0);
    serve.kill();
    home.run(&["restore", "copy.db"]).expect(0);
    // The one that worked when the backup was made does not work on what was restored.
    let _serve = home.serve();
    home.run(&["wait", "1"]).expect(0);
}
