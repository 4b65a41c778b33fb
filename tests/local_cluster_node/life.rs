//! The life of a pod from its creation to its final phase.

use std::time::Duration;

use adjourn::local_cluster::node::LogOptions;
use serde_json::json;

use crate::bench::{Bench, brief, log, never};

#[tokio::test]
async fn a_pod_runs_to_success_in_the_recorded_order() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "success",
        never(&["sh", "-c", "echo hello; sleep 0.3; echo bye"]),
    );
    let seen = events.until_phase("success", "Succeeded").await;
    let story: Vec<String> = seen.iter().map(brief).collect();
    assert_eq!(
        story,
        [
            "Pending",
            "Pending scheduled",
            "Pending scheduled base=ContainerCreating",
            "Pending scheduled stands base=ContainerCreating",
            "Running scheduled stands ready base=running",
            "Running scheduled stands base=Completed",
            "Succeeded scheduled base=Completed",
        ]
    );
    let log = bench.log_file("success", "base", 1);
    let texts: Vec<&str> = log
        .lines()
        .map(|line| &line[line.find(" F ").unwrap() + 3..])
        .collect();
    assert_eq!(texts, ["hello", "bye"]);
    bench.stop().await;
}

#[tokio::test]
async fn exit_codes_reach_the_status() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    for (name, script, code, reason) in [
        ("three", "exit 3", 3, "Error"),
        ("killed", "kill -9 $(sh -c 'echo $PPID')", 137, "Error"),
        ("not-found", "exec no-such-program", 127, "Error"),
    ] {
        bench.create(
            name,
            never(&["sh", "-c", &format!("trap : USR1; ({script}) || exit $?")]),
        );
        let pod = events.until_phase(name, "Failed").await.pop().unwrap();
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(ended["exitCode"], code, "{name}: {ended}");
        assert_eq!(ended["reason"], reason, "{name}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn thirty_pods_at_once_all_succeed() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let names: Vec<String> = (0..30).map(|number| format!("many-{number}")).collect();
    for name in &names {
        bench.create(name, never(&["sh", "-c", "sleep 1"]));
    }
    let all = async {
        for name in &names {
            bench.await_phase(name, "Succeeded", &mut events).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all)
        .await
        .unwrap();
    bench.stop().await;
}

#[tokio::test]
async fn init_containers_run_in_order_before_the_others() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let mount = json!([{"name": "v", "mountPath": "/data"}]);
    let init = |name: &str, script: &str| json!({"name": name, "image": "busybox", "command": ["sh", "-c", script], "volumeMounts": mount});
    bench.create(
        "inits",
        json!({
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "v", "emptyDir": {}}],
            "initContainers": [
                init("first", "sleep 0.2; echo 1 > /data/list"),
                {"name": "side", "image": "busybox", "restartPolicy": "Always", "volumeMounts": mount,
                    "command": ["sh", "-c", "trap 'exit 0' TERM; echo side >> /data/list; while true; do sleep 0.05; done"]},
                init("second", "until grep -q side /data/list; do sleep 0.02; done; echo 2 >> /data/list"),
            ],
            "containers": [init("base", "cat /data/list; sleep 0.2")],
        }),
    );
    let seen = events.until_phase("inits", "Succeeded").await;
    assert_eq!(
        log(&bench, "inits", LogOptions::default()).await.unwrap(),
        "1\nside\n2\n"
    );
    let story: Vec<String> = seen.iter().map(brief).collect();
    assert!(story.contains(&"Running scheduled stands ready first=Completed side=running second=Completed base=running".to_owned()), "{story:#?}");
    assert_eq!(
        story.last().unwrap(),
        "Succeeded scheduled first=Completed side=Completed second=Completed base=Completed"
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_container_that_may_is_started_again() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let script = "echo run >> /data/runs; test $(wc -l < /data/runs) -ge 2";
    bench.create(
        "again",
        json!({
            "restartPolicy": "OnFailure",
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{"name": "base", "image": "busybox", "command": ["sh", "-c", script],
                "volumeMounts": [{"name": "v", "mountPath": "/data"}]}],
        }),
    );
    let pod = events
        .until_phase("again", "Succeeded")
        .await
        .pop()
        .unwrap();
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 1);
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    assert_eq!(status["state"]["terminated"]["exitCode"], 0);
    assert_ne!(
        status["lastState"]["terminated"]["containerID"],
        status["containerID"]
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_a_start_error() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create("bad", never(&["/no/such/binary"]));
    let seen = events.until_phase("bad", "Failed").await;
    assert!(seen.iter().all(|pod| pod["status"]["phase"] != "Running"));
    let ended = &seen.last().unwrap()["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 128);
    assert_eq!(ended["reason"], "StartError");
    assert_eq!(ended["startedAt"], "1970-01-01T00:00:00Z");
    assert_eq!(
        ended["message"],
        "exec: \"/no/such/binary\": no such file or directory"
    );
    assert_eq!(log(&bench, "bad", LogOptions::default()).await.unwrap(), "");
    bench.stop().await;
}

#[tokio::test]
async fn last_words_are_the_message() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "words",
        never(&[
            "sh",
            "-c",
            "echo log; echo the message > /dev/termination-log; exit 1",
        ]),
    );
    let mut spec = never(&[
        "sh",
        "-c",
        "for i in $(seq 1 100); do echo \"line $i of the log\"; done; exit 1",
    ]);
    spec["containers"][0]["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    let pod = events.until_phase("words", "Failed").await.pop().unwrap();
    let message = |pod: &serde_json::Value| {
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"].clone()
    };
    assert_eq!(message(&pod), "the message\n");
    bench.create("fallback", spec);
    let pod = events
        .until_phase("fallback", "Failed")
        .await
        .pop()
        .unwrap();
    let text = message(&pod).as_str().unwrap().to_owned();
    assert!(text.starts_with("line 21 of the log\n") && text.ends_with("line 100 of the log\n"));
    assert_eq!(text.len(), 1521);
    bench.stop().await;
}

#[tokio::test]
async fn a_container_that_takes_too_much_memory_is_ended() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let mut spec = never(&["sh", "-c", "echo start; tail /dev/zero & wait $!; sleep 30"]);
    spec["containers"][0]["resources"] = json!({"limits": {"memory": "24Mi"}});
    bench.create("greedy", spec);
    let pod = events.until_phase("greedy", "Failed").await.pop().unwrap();
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["reason"], "OOMKilled");
    assert_eq!(ended["exitCode"], 137);
    bench.stop().await;
}

/// What starts a container is this program at first, and larger than many a limit.
#[tokio::test]
async fn a_limit_on_memory_counts_for_the_command_and_not_for_what_starts_it() {
    let bench = Bench::start().await;
    let mut spec = never(&["sh", "-c", "echo start"]);
    spec["containers"][0]["resources"] = json!({"limits": {"memory": "6Mi"}});
    // So many at once that starting takes longer than the time between two looks at the memory.
    let names: Vec<String> = (0..40).map(|number| format!("small-{number}")).collect();
    let mut events = bench.watch();
    for name in &names {
        bench.create(name, spec.clone());
    }
    for name in &names {
        bench.await_phase(name, "Succeeded", &mut events).await;
        let log = log(&bench, name, LogOptions::default()).await.unwrap();
        assert_eq!(log, "start\n", "{name}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn another_user_is_not_had_and_that_is_said() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let mut spec = never(&["true"]);
    spec["securityContext"] = json!({"runAsUser": 1234});
    bench.create("user", spec);
    events.until_phase("user", "Succeeded").await;
    let said = bench.said("user");
    assert!(
        said.iter()
            .any(|(reason, text)| reason == "RunAsUserIgnored" && text.contains("1234"))
    );
    bench.stop().await;
}
