//! The local cluster's node, driven through its object store: real processes, real shims.

mod node_bench;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use adjourn::local_cluster::node::{ExecEnd, ExecRequest, LogOptions, Node};
use adjourn::local_cluster::objects::EventKind;
use node_bench::{Bench, brief, log, never};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
async fn containers_share_an_empty_dir_and_leave_the_host_alone() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let mount = json!([{"name": "shared", "mountPath": "/airflow/xcom"}]);
    let writer = "echo '{\"a\": 1}' > /airflow/xcom/return.json; touch /adjourn-test-file; rm -rf /etc/passwd; true";
    let reader = "until test -s /airflow/xcom/return.json; do sleep 0.02; done; cat /airflow/xcom/return.json";
    bench.create(
        "xcom",
        json!({
            "restartPolicy": "Never",
            "volumes": [{"name": "shared", "emptyDir": {}}],
            "containers": [
                {"name": "base", "image": "busybox", "command": ["sh", "-c", writer], "volumeMounts": mount},
                {"name": "airflow-xcom-sidecar", "image": "busybox", "command": ["sh", "-c", reader], "volumeMounts": mount},
            ],
        }),
    );
    let pod = events.until_phase("xcom", "Succeeded").await.pop().unwrap();
    let statuses = pod["status"]["containerStatuses"].as_array().unwrap();
    let names: Vec<_> = statuses
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["airflow-xcom-sidecar", "base"]);
    assert!(
        bench
            .log_file("xcom", "airflow-xcom-sidecar", 1)
            .contains(" F {\"a\": 1}\n")
    );
    assert!(Path::new("/etc/passwd").exists());
    assert!(!Path::new("/adjourn-test-file").exists());
    bench.stop().await;
}

/// A shell that says `up` and then waits in small steps, so that traps are served.
fn waits(trap: &str) -> serde_json::Value {
    let script = format!("trap '{trap}' TERM; echo up; while true; do sleep 0.05; done");
    never(&["sh", "-c", &script])
}

#[tokio::test]
async fn a_deleted_pod_gets_its_signal_and_is_told_of_in_the_recorded_order() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create("graceful", waits("echo leaving; exit 143"));
    events.until_phase("graceful", "Running").await;
    bench.delete("graceful", 5);
    let seen = events
        .until("graceful", |kind, _| kind == EventKind::Deleted)
        .await;
    let told: Vec<_> = seen
        .iter()
        .map(|pod| {
            let grace = &pod["metadata"]["deletionGracePeriodSeconds"];
            let observed = &pod["status"]["observedGeneration"];
            format!("{} grace={grace} observed={observed}", brief(pod))
        })
        .collect();
    assert_eq!(
        told,
        [
            "Running scheduled stands ready base=running grace=5 observed=1",
            "Running scheduled stands ready base=running grace=5 observed=2",
            "Failed scheduled base=Error grace=5 observed=2",
            "Failed scheduled base=Error grace=0 observed=2",
            "Failed scheduled base=Error grace=0 observed=2",
        ]
    );
    let ended = &seen[2]["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 143);
    assert!(
        bench
            .said("graceful")
            .iter()
            .any(|(reason, _)| reason == "Killing")
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_pod_that_does_not_listen_is_killed_after_its_grace() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create("deaf", waits(""));
    events.until_phase("deaf", "Running").await;
    let asked = Instant::now();
    bench.delete("deaf", 1);
    let pod = events.until_phase("deaf", "Failed").await.pop().unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(1));
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 137);
    bench.stop().await;
}

#[tokio::test]
async fn logs_are_served_as_recorded() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "lines",
        never(&["sh", "-c", "printf 'x\\n\\n  y\\r\\nlast'"]),
    );
    events.until_phase("lines", "Succeeded").await;
    let plain = LogOptions::default();
    assert_eq!(
        log(&bench, "lines", plain.clone()).await.unwrap(),
        "x\n\n  y\nlast"
    );
    let stamped = LogOptions {
        timestamps: true,
        ..plain.clone()
    };
    let text = log(&bench, "lines", stamped.clone()).await.unwrap();
    let stamps: Vec<&str> = text
        .split('\n')
        .map(|line| line.split_once(' ').unwrap().0)
        .collect();
    assert_eq!(stamps.len(), 4);
    assert!(
        stamps
            .iter()
            .all(|stamp| stamp.len() == 30 && stamp.ends_with('Z')),
        "{text}"
    );
    assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{text}");
    assert_eq!(text.split('\n').nth(1).unwrap().len(), 31);
    for (options, expected) in [
        (
            LogOptions {
                tail_lines: Some(1),
                ..plain.clone()
            },
            "last",
        ),
        (
            LogOptions {
                tail_lines: Some(2),
                ..plain.clone()
            },
            "  y\nlast",
        ),
        (
            LogOptions {
                tail_lines: Some(0),
                ..plain.clone()
            },
            "",
        ),
        (
            LogOptions {
                tail_lines: Some(99),
                ..plain.clone()
            },
            "x\n\n  y\nlast",
        ),
        (
            LogOptions {
                limit_bytes: Some(4),
                ..plain.clone()
            },
            "x\n\n ",
        ),
        (
            LogOptions {
                since_seconds: Some(1000),
                ..plain.clone()
            },
            "x\n\n  y\nlast",
        ),
        (
            LogOptions {
                since_time: Some("2099-01-01T00:00:00Z".parse().unwrap()),
                ..plain.clone()
            },
            "",
        ),
        (
            LogOptions {
                since_time: Some(format!("{}.999Z", &stamps[0][..19]).parse().unwrap()),
                ..plain.clone()
            },
            "x\n\n  y\nlast",
        ),
        (
            LogOptions {
                follow: true,
                ..plain.clone()
            },
            "x\n\n  y\nlast",
        ),
    ] {
        assert_eq!(
            log(&bench, "lines", options.clone()).await.unwrap(),
            expected,
            "{options:?}"
        );
    }
    let previous = log(
        &bench,
        "lines",
        LogOptions {
            previous: true,
            ..plain
        },
    )
    .await
    .unwrap_err();
    assert_eq!(
        previous.message,
        "previous terminated container \"base\" in pod \"lines\" not found"
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_followed_log_ends_with_the_container_whose_end_is_then_shown() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "followed",
        never(&[
            "sh",
            "-c",
            "for i in 1 2 3; do echo line $i; sleep 0.2; done",
        ]),
    );
    events.until_phase("followed", "Running").await;
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let text = log(&bench, "followed", follow).await.unwrap();
    assert_eq!(text, "line 1\nline 2\nline 3\n");
    let state = &bench.get("followed")["status"]["containerStatuses"][0]["state"];
    assert_eq!(state["terminated"]["exitCode"], 0, "{state}");
    bench.stop().await;
}

#[tokio::test]
async fn a_container_outlives_its_node_and_is_taken_up_by_the_next() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "long",
        never(&["sh", "-c", "echo one; sleep 2; echo two; exit 5"]),
    );
    bench.create("short", never(&["sh", "-c", "sleep 0.5; exit 6"]));
    let running = events.until_phase("long", "Running").await.pop().unwrap();
    let mut events = bench.watch();
    events.until_phase("short", "Running").await;
    let Bench {
        objects,
        node,
        config,
        state,
    } = bench;
    drop(node);
    // Long enough for one of them to end while nobody looks.
    let is_ended = |path: &PathBuf| path.ends_with("exit.json");
    while !walk(&config.state_dir).iter().any(is_ended) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let node = Node::start(objects.clone(), config.clone()).await.unwrap();
    let bench = Bench {
        objects,
        node,
        config,
        state,
    };
    let mut events = bench.watch();
    let short = events.until_phase("short", "Failed").await.pop().unwrap();
    let mut events = bench.watch();
    let long = events.until_phase("long", "Failed").await.pop().unwrap();
    let status = |pod: &serde_json::Value| pod["status"]["containerStatuses"][0].clone();
    assert_eq!(status(&short)["state"]["terminated"]["exitCode"], 6);
    assert_eq!(status(&long)["state"]["terminated"]["exitCode"], 5);
    assert_eq!(status(&long)["restartCount"], 0);
    assert_eq!(
        status(&long)["containerID"],
        status(&running)["containerID"]
    );
    assert_eq!(
        log(&bench, "long", LogOptions::default()).await.unwrap(),
        "one\ntwo\n"
    );
    bench.stop().await;
}

#[tokio::test]
async fn plain_processes_run_and_leave_nobody_behind() {
    let bench = Bench::with(Bench::plain).await;
    assert!(bench.node.isolation().contains("plain processes"));
    let mut events = bench.watch();
    let script = "setsid sleep 987654 & sleep 987655 & echo $HOSTNAME; exit 4";
    bench.create("plain", never(&["sh", "-c", script]));
    let pod = events.until_phase("plain", "Failed").await.pop().unwrap();
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 4);
    assert_eq!(
        log(&bench, "plain", LogOptions::default()).await.unwrap(),
        "plain\n"
    );
    assert_eq!(commands_with("98765"), Vec::<String>::new());
    bench.stop().await;
}

#[tokio::test]
async fn a_mount_without_namespaces_fails_the_pod_and_says_why() {
    let bench = Bench::with(Bench::plain).await;
    let mut events = bench.watch();
    let mut spec = never(&["true"]);
    spec["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    bench.create("mounts", spec);
    let pod = events.until_phase("mounts", "Failed").await.pop().unwrap();
    assert_eq!(pod["status"]["reason"], "MountsUnavailable");
    let said = bench.said("mounts");
    assert!(
        said.iter()
            .any(|(reason, text)| reason == "MountsUnavailable" && text.contains("namespaces"))
    );
    bench.stop().await;
}

fn walk(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(walk(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

/// The command lines of living processes that hold `text`.
fn commands_with(text: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok())
        .map(|line| line.replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

/// Runs a command in container `base` with `input`; gives its end and its output.
async fn run_in(bench: &Bench, name: &str, command: &[&str], input: &str) -> (ExecEnd, String) {
    let request = ExecRequest {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        stdin: true,
        stdout: true,
        stderr: true,
    };
    let mut session = bench.node.exec(&bench.get(name), "base", &request).unwrap();
    let mut stdin = session.stdin.take().unwrap();
    // A command that could not be started does not read.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let mut output = String::new();
    session
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .await
        .unwrap();
    (session.wait().await.unwrap(), output)
}

#[tokio::test]
async fn commands_run_inside_a_container_and_can_end_it() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let mut spec = never(&[
        "sh",
        "-c",
        "trap 'exit 0' INT; echo 5 > /tmp/own; while true; do sleep 0.05; done",
    ]);
    spec["containers"][0]["env"] = json!([{"name": "WHO", "value": "base"}]);
    bench.create("inner", spec);
    events.until_phase("inner", "Running").await;
    let (end, text) = run_in(
        &bench,
        "inner",
        &["sh", "-c", "cat - /tmp/own; echo $WHO; hostname; exit 7"],
        "in\n",
    )
    .await;
    assert_eq!(end, ExecEnd::Exited(7));
    assert_eq!(text, "in\n5\nbase\ninner\n");
    let (end, _) = run_in(&bench, "inner", &["/no/such"], "").await;
    assert_eq!(
        end,
        ExecEnd::NotStarted("exec: \"/no/such\": no such file or directory".to_owned())
    );
    let (end, _) = run_in(&bench, "inner", &["sh", "-c", "kill -9 $$"], "").await;
    assert_eq!(end, ExecEnd::Exited(137));
    let (end, _) = run_in(&bench, "inner", &["kill", "-2", "1"], "").await;
    assert_eq!(end, ExecEnd::Exited(0));
    let pod = events
        .until_phase("inner", "Succeeded")
        .await
        .pop()
        .unwrap();
    let refused = bench
        .node
        .exec(&pod, "base", &ExecRequest::default())
        .unwrap_err();
    assert_eq!(refused.to_string(), "container not found (\"base\")");
    bench.stop().await;
}
