//! The adapters against the local cluster: real processes, real logs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use adjourn::local_cluster::process::{ClusterDir, StartOptions, start, stop as stop_cluster};
use adjourn::pod::client::{ClusterClient, ConnectionSettings};
use adjourn::pod::lifecycle::{
    Creation, Deletion, Stopping, create, delete, events_of, get_same, stop,
};
use adjourn::pod::logs::{
    FollowStep, LogEnd, LogFollower, LogLimits, LogOpening, LogRequest, LogStep, open,
};
use adjourn::pod::observe::{FailureCause, PodObservation, PodVerdict, judge, observe};
use adjourn::pod::watch::{PodWatchHub, Subscription, WatchSettings};
use adjourn::task::log::{LogCursor, LogLine};
use adjourn::task::pods::PodIdentity;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

struct Cluster {
    dir: ClusterDir,
    client: ClusterClient,
    hub: PodWatchHub,
    _temp: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(temp.path().join("cluster"));
        let options = StartOptions::new(env!("CARGO_BIN_EXE_adjourn"));
        let started = dir.clone();
        tokio::task::spawn_blocking(move || start(&started, &options).map(drop))
            .await
            .unwrap()
            .unwrap();
        let settings = ConnectionSettings {
            kube_config_path: Some(dir.kubeconfig()),
            ..ConnectionSettings::default()
        };
        Self {
            client: ClusterClient::connect(&settings).await.unwrap(),
            hub: PodWatchHub::new("owner=us", WatchSettings::default()),
            dir,
            _temp: temp,
        }
    }

    async fn run(&self, name: &str, containers: Value) -> (PodIdentity, Subscription) {
        let body = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"owner": "us"}},
            "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 2,
                "containers": containers,
            },
        });
        let Creation::Created(pod) = create(&self.client, "default", name, &body).await.unwrap()
        else {
            panic!("{name} exists already");
        };
        let identity = observe(&pod).identity;
        let subscription = self.hub.subscribe(&self.client, &identity);
        (identity, subscription)
    }

    fn request(&self, seen: &PodObservation, cursor: LogCursor, ended: bool) -> LogRequest {
        LogRequest {
            pod: seen.identity.clone(),
            container: "base".into(),
            container_id: seen
                .app_container("base")
                .unwrap()
                .container_id
                .clone()
                .unwrap(),
            cursor,
            ended,
            previous: false,
            check_identity: true,
            limits: LogLimits::default(),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = stop_cluster(&self.dir);
        if !std::thread::panicking() {
            stopped.unwrap();
        }
    }
}

fn base(script: &str) -> Value {
    json!({"name": "base", "image": "busybox", "command": ["sh", "-c", script]})
}

async fn until(
    subscription: &mut Subscription,
    wanted: impl Fn(&PodObservation) -> bool,
) -> Arc<PodObservation> {
    tokio::time::timeout(PATIENCE, async {
        loop {
            let seen = subscription.changed().await;
            if wanted(&seen) {
                return seen;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("never seen; last: {:?}", subscription.latest()))
}

fn decided(seen: &PodObservation) -> bool {
    judge(seen, "base").is_final()
}

fn runs(seen: &PodObservation) -> bool {
    judge(seen, "base") == PodVerdict::Running
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines
        .iter()
        .map(|line| String::from_utf8(line.text.to_vec()).unwrap())
        .collect()
}

async fn rest_of_log(cluster: &Cluster, request: &LogRequest) -> Vec<LogLine> {
    let LogOpening::Reading(mut reader) = open(&cluster.client, request).await.unwrap() else {
        panic!("no log");
    };
    let mut lines = Vec::new();
    loop {
        match reader.next().await.unwrap() {
            LogStep::Batch(batch) => lines.extend(batch.lines),
            LogStep::End(end) => {
                assert_eq!(end, LogEnd::Complete);
                return lines;
            }
        }
    }
}

fn failure(seen: &PodObservation) -> (Option<i32>, FailureCause) {
    match judge(seen, "base") {
        PodVerdict::Failed(failure) => (failure.exit_code, failure.cause),
        other @ (PodVerdict::Pending(_) | PodVerdict::Running | PodVerdict::Succeeded) => {
            panic!("{other:?}")
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_run_are_judged_stopped_and_deleted() {
    let cluster = Cluster::start().await;
    assert!(!cluster.client.ping().await.unwrap().is_empty());

    let (good, mut good_seen) = cluster
        .run("good", json!([base("printf 'one\\n\\ntwo\\nlast'")]))
        .await;
    let (_bad, mut bad_seen) = cluster.run("bad", json!([base("exit 3")])).await;
    let two = json!([
        base("exit 0"),
        {"name": "side", "image": "busybox", "command": ["sh", "-c", "sleep 600"]},
    ]);
    let (sided, mut sided_seen) = cluster.run("sided", two).await;
    let (doomed, mut doomed_seen) = cluster.run("doomed", json!([base("exec sleep 600")])).await;
    let polite = "trap 'exit 0' TERM; while true; do sleep 0.1; done";
    let (deleted, mut deleted_seen) = cluster.run("deleted", json!([base(polite)])).await;

    let seen = until(&mut good_seen, decided).await;
    assert_eq!(judge(&seen, "base"), PodVerdict::Succeeded);
    let request = cluster.request(&seen, LogCursor::default(), true);
    let lines = rest_of_log(&cluster, &request).await;
    assert_eq!(texts(&lines), ["one", "", "two", "last"]);

    let seen = until(&mut bad_seen, decided).await;
    assert_eq!(failure(&seen), (Some(3), FailureCause::ExitCode));

    // The base container decides, whatever its sidecar does.
    let seen = until(&mut sided_seen, decided).await;
    assert_eq!(judge(&seen, "base"), PodVerdict::Succeeded);
    assert!(!seen.phase.is_final());
    let stopping = stop(&cluster.client, &sided).await.unwrap();
    assert!(matches!(stopping, Stopping::Requested(_)), "{stopping:?}");
    let seen = until(&mut sided_seen, |seen| seen.phase.is_final()).await;
    assert_eq!(judge(&seen, "base"), PodVerdict::Succeeded);
    // Also for who sees the pod for the first time now.
    let pod = get_same(&cluster.client, &sided).await.unwrap().unwrap();
    assert_eq!(judge(&observe(&pod), "base"), PodVerdict::Succeeded);

    until(&mut doomed_seen, runs).await;
    stop(&cluster.client, &doomed).await.unwrap();
    let seen = until(&mut doomed_seen, |seen| seen.phase.is_final()).await;
    assert_eq!(failure(&seen).1, FailureCause::DeadlineExceeded);
    assert!(
        get_same(&cluster.client, &doomed).await.unwrap().is_some(),
        "it is kept"
    );

    until(&mut deleted_seen, runs).await;
    let deletion = delete(&cluster.client, &deleted, None).await.unwrap();
    assert!(matches!(deletion, Deletion::Requested(_)), "{deletion:?}");
    let seen = until(&mut deleted_seen, |seen| seen.gone).await;
    assert_eq!(failure(&seen), (Some(0), FailureCause::Deleted));

    delete(&cluster.client, &good, Some(0)).await.unwrap();
    let seen = until(&mut good_seen, |seen| seen.gone).await;
    assert_eq!(judge(&seen, "base"), PodVerdict::Succeeded);

    let reasons: BTreeSet<String> = events_of(&cluster.client, &doomed)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.reason)
        .collect();
    assert!(reasons.contains("Started"), "{reasons:?}");
    assert_eq!(cluster.hub.watches(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_while_it_is_written_and_read_to_its_end() {
    let cluster = Cluster::start().await;
    let script = "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; \
                  printf 'line 30'";
    let (_pod, mut subscription) = cluster.run("talker", json!([base(script)])).await;
    let seen = until(&mut subscription, |seen| runs(seen) || decided(seen)).await;
    let live = cluster.request(&seen, LogCursor::default(), false);
    let mut follower = LogFollower::new(cluster.client.clone(), live);
    let mut lines = Vec::new();
    loop {
        let step = tokio::time::timeout(PATIENCE, follower.next()).await;
        match step.expect("following hangs").unwrap() {
            FollowStep::Batch(batch) => lines.extend(batch.lines),
            FollowStep::Ended => break,
            step @ (FollowStep::Unavailable { .. } | FollowStep::Gone) => panic!("{step:?}"),
        }
    }
    let seen = until(&mut subscription, decided).await;
    let request = cluster.request(&seen, follower.cursor().clone(), true);
    lines.extend(rest_of_log(&cluster, &request).await);
    let expected: Vec<String> = (0..=30).map(|index| format!("line {index}")).collect();
    assert_eq!(texts(&lines), expected);
}
