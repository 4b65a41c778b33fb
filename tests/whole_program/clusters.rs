//! One engine and several clusters.

use serde_json::json;

use crate::support::{Cluster, Diary, Home, script, with};

#[test]
fn tasks_run_on_the_clusters_that_they_name() {
    let home = Home::new();
    let other = Cluster::another();
    let settings = format!(
        "[connections.other]\nkube_config_path = {:?}\n",
        other.kubeconfig()
    );
    let settings = home.write("adjourn.toml", settings);
    let diaries = [home.diary(), Diary::open(&other, &home.dag)];
    let tasks = json!([
        script(&home.dag, "here", "echo here"),
        with(
            script(&home.dag, "there", "echo there"),
            json!({"kubernetes_conn_id": "other", "logging_interval": 1}),
        ),
    ]);
    home.run(&["run", "--config", &settings, &home.task(&tasks)])
        .expect(0);
    for (id, line) in [("1", "here\n"), ("2", "there\n")] {
        assert_eq!(home.describe(id)["state"], "success");
        assert_eq!(home.log(id), line.as_bytes());
    }
    for (diary, task) in diaries.iter().zip(["here", "there"]) {
        let pods = diary.closed();
        assert_eq!(pods.len(), 1, "{pods:?}");
        assert!(pods[0].name.starts_with(task), "{pods:?}");
    }
}

#[test]
fn a_cluster_that_cannot_be_reached_holds_up_its_own_tasks_alone() {
    let home = Home::new();
    let other = Cluster::another();
    let kubeconfig = home.write("other.yaml", std::fs::read(other.kubeconfig()).unwrap());
    let settings = format!("[connections.other]\nkube_config_path = {kubeconfig:?}\n");
    home.write("config.toml", settings);
    let home = home.set("ADJOURN_CONFIG", "config.toml");
    let there = with(
        script(&home.dag, "there", "sleep 1; echo there"),
        json!({"kubernetes_conn_id": "other"}),
    );
    let daemon = home.serve();
    let there = home.submit(&there);
    home.until_state(&there, "deferred");
    drop(other);
    let here = home.submit(&script(&home.dag, "here", "echo here"));
    home.run(&["wait", &here]).expect(0);
    assert_eq!(home.describe(&there)["state"], "deferred");
    // Its pod cannot be deleted now, but its end need not wait for that.
    home.run(&["cancel", "--no-wait", &there]).expect(0);
    home.until_state(&there, "cancelled");
    daemon.kill();
}
