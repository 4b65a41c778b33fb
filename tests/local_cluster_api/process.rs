//! The cluster's server as a process: one of it, found again, outliving its starters.

use std::io;

use adjourn::local_cluster::process::{ClusterDir, start, status, stop};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams, PostParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{Cluster, options, phase, pod, until, until_up};

fn kill_server(cluster: &Cluster) {
    let pid = Pid::from_raw(i32::try_from(cluster.info.pid).unwrap());
    kill(pid, Signal::SIGKILL).unwrap();
}

#[test]
fn several_starters_start_one_server() {
    let cluster = Cluster::start();
    let pids: Vec<u32> = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| start(&cluster.dir, &options()).unwrap().pid))
            .collect();
        starters
            .into_iter()
            .map(|starter| starter.join().unwrap())
            .collect()
    });
    assert_eq!(pids, [cluster.info.pid; 4]);
    assert!(!cluster.info.is_other_version());
}

#[test]
fn a_cluster_that_does_not_run_has_no_status_and_stops_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let dir = ClusterDir::new(temp.path().join("none"));
    assert_eq!(status(&dir), None);
    assert_eq!(stop(&dir).unwrap(), None);
}

#[test]
fn a_program_that_is_no_server_is_told_with_its_last_words() {
    let temp = tempfile::tempdir().unwrap();
    let dir = ClusterDir::new(temp.path().join("cluster"));
    let mut options = options();
    options.program = "/bin/false".into();
    let error = start(&dir, &options).unwrap_err().to_string();
    assert!(error.contains("ended at once"), "{error}");
    options.program = temp.path().join("absent");
    let error = start(&dir, &options).unwrap_err().to_string();
    assert!(error.contains("could not be started"), "{error}");
}

#[test]
fn nobody_else_can_read_the_cluster() {
    use std::os::unix::fs::PermissionsExt;
    let cluster = Cluster::start();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(cluster.dir.path()), 0o700);
    assert_eq!(mode(&cluster.dir.kubeconfig()), 0o600);
    assert!(cluster.info.server.starts_with("https://127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_finds_its_objects_and_containers_again() {
    let mut cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    // It may well end while there is no server.
    let script = "echo before; sleep 1; echo after; exit 7";
    pods.create(&PostParams::default(), &pod("a", script))
        .await
        .unwrap();
    let running = until(&pods, "a", |pod| phase(pod) == "Running").await;
    kill_server(&cluster);
    let port = cluster.info.server.clone();
    cluster.restart();
    assert_eq!(cluster.info.server, port);

    // The very same client goes on.
    let found = pods.get("a").await.unwrap();
    assert_eq!(found.metadata.uid, running.metadata.uid);
    let ended = until(&pods, "a", |pod| phase(pod) == "Failed").await;
    let statuses = ended.status.unwrap().container_statuses.unwrap();
    assert_eq!(statuses[0].restart_count, 0);
    let terminated = statuses[0].state.clone().unwrap().terminated.unwrap();
    assert_eq!(terminated.exit_code, 7);
    let log = pods.logs("a", &LogParams::default()).await.unwrap();
    assert_eq!(log, "before\nafter\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_the_pods_processes() {
    let mut cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    // The comment makes the process recognisable among all of this machine.
    let mark = format!("mark-{}", cluster.info.pid);
    let script = format!("echo up; sleep 1000; : {mark}");
    pods.create(&PostParams::default(), &pod("a", &script))
        .await
        .unwrap();
    until_up(&pods, "a").await;
    assert_eq!(processes_with(&mark).unwrap(), 1);
    let stopped = stop(&cluster.dir).unwrap().unwrap();
    assert_eq!((stopped.pid, stopped.pods), (cluster.info.pid, 1));
    assert_eq!(processes_with(&mark).unwrap(), 0);
    assert_eq!(status(&cluster.dir), None);
    // The objects are still there.
    cluster.restart();
    assert_eq!(cluster.info.pods, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_what_a_killed_server_left_running() {
    let cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    let mark = format!("left-{}", cluster.info.pid);
    let script = format!("echo up; sleep 1000; : {mark}");
    pods.create(&PostParams::default(), &pod("a", &script))
        .await
        .unwrap();
    until_up(&pods, "a").await;
    kill_server(&cluster);
    assert_eq!(processes_with(&mark).unwrap(), 1);
    assert_eq!(stop(&cluster.dir).unwrap(), None);
    assert_eq!(processes_with(&mark).unwrap(), 0);
}

/// How many processes have `mark` in their arguments.
pub fn processes_with(mark: &str) -> io::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc")? {
        // Processes end while we look.
        let line = std::fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        count += usize::from(String::from_utf8_lossy(&line).contains(mark));
    }
    Ok(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_token_opens_the_api() {
    let cluster = Cluster::start();
    let mut config = cluster.config().await;
    let code = async |config: kube::Config| {
        let pods: Api<Pod> = Api::default_namespaced(kube::Client::try_from(config).unwrap());
        match pods.get("a").await.unwrap_err() {
            kube::Error::Api(status) => (status.code, status.reason.clone()),
            other => panic!("{other}"),
        }
    };
    assert_eq!(code(config.clone()).await, (404, "NotFound".into()));
    config.auth_info.token = Some("bogus".to_owned().into());
    assert_eq!(code(config.clone()).await, (401, "Unauthorized".into()));
    config.auth_info.token = None;
    assert_eq!(code(config).await, (403, "Forbidden".into()));
}

/// A server on all addresses would answer at any of 127.0.0.0/8, too.
#[tokio::test(flavor = "multi_thread")]
async fn it_listens_on_loopback_alone() {
    let cluster = Cluster::start();
    let config = cluster.config().await;
    let port = config.cluster_url.port_u16().unwrap();
    assert_eq!(config.cluster_url.host(), Some("127.0.0.1"));
    tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let refused = tokio::net::TcpStream::connect(("127.0.0.2", port)).await;
    let kind = refused.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
}
