//! Commands run inside containers of the local cluster.

use futures::SinkExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams, PostParams, TerminalSize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::{Cluster, PATIENCE, phase, pod, until, until_up};

async fn running(cluster: &Cluster) -> Api<Pod> {
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    let script = "trap 'exit 0' TERM INT; echo up; while true; do sleep 0.1; done";
    pods.create(&PostParams::default(), &pod("a", script))
        .await
        .unwrap();
    until_up(&pods, "a").await;
    pods
}

struct Ran {
    stdout: String,
    stderr: String,
    status: Status,
}

async fn exec(pods: &Api<Pod>, script: &str, input: Option<&str>) -> Ran {
    let params = AttachParams::default()
        .stdin(input.is_some())
        .stdout(true)
        .stderr(true);
    let running = async {
        let mut process = pods.exec("a", ["sh", "-c", script], &params).await.unwrap();
        if let Some(input) = input {
            let mut stdin = process.stdin().unwrap();
            stdin.write_all(input.as_bytes()).await.unwrap();
            stdin.shutdown().await.unwrap();
        }
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let (mut out, mut err) = (process.stdout().unwrap(), process.stderr().unwrap());
        let status = process.take_status().unwrap();
        let (read_out, read_err, status) = tokio::join!(
            out.read_to_string(&mut stdout),
            err.read_to_string(&mut stderr),
            status
        );
        read_out.unwrap();
        read_err.unwrap();
        Ran {
            stdout,
            stderr,
            status: status.unwrap(),
        }
    };
    tokio::time::timeout(PATIENCE, running).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_its_streams_and_its_exit_code() {
    let cluster = Cluster::start();
    let pods = running(&cluster).await;
    let ran = exec(&pods, "echo out; echo err >&2", None).await;
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("out\n", "err\n")
    );
    assert_eq!(ran.status.status.as_deref(), Some("Success"));

    let ran = exec(&pods, "exit 7", None).await;
    assert_eq!(ran.status.reason.as_deref(), Some("NonZeroExitCode"));
    let causes = ran.status.details.unwrap().causes.unwrap();
    assert_eq!(causes[0].reason.as_deref(), Some("ExitCode"));
    assert_eq!(causes[0].message.as_deref(), Some("7"));

    let large = exec(&pods, "head -c 300000 /dev/zero | tr '\\0' x", None).await;
    assert_eq!(large.stdout.len(), 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_ends_where_the_client_ends_it() {
    let cluster = Cluster::start();
    let pods = running(&cluster).await;
    let ran = exec(&pods, "cat; echo done", Some("some input\n")).await;
    assert_eq!(ran.stdout, "some input\ndone\n");
    assert_eq!(ran.status.status.as_deref(), Some("Success"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_to_process_1_ends_the_container() {
    let cluster = Cluster::start();
    let pods = running(&cluster).await;
    let ran = exec(&pods, "kill -2 1", None).await;
    assert_eq!(ran.status.status.as_deref(), Some("Success"));
    until(&pods, "a", |pod| phase(pod) == "Succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_the_size_that_the_client_says() {
    let cluster = Cluster::start();
    let pods = running(&cluster).await;
    let params = AttachParams::interactive_tty();
    let script = "test -t 0 && test -t 2 && echo on $TERM; \
                  until test \"$(stty size)\" = '40 120'; do sleep 0.02; done; \
                  stty size; read line; echo got $line; exit 3";
    let talking = async {
        let mut process = pods.exec("a", ["sh", "-c", script], &params).await.unwrap();
        let mut sizes = process.terminal_size().unwrap();
        let size = TerminalSize {
            width: 120,
            height: 40,
        };
        sizes.send(size).await.unwrap();
        let mut stdin = process.stdin().unwrap();
        stdin.write_all(b"hello\n").await.unwrap();
        let status = process.take_status().unwrap();
        let mut text = String::new();
        let mut stdout = process.stdout().unwrap();
        stdout.read_to_string(&mut text).await.unwrap();
        (text, status.await.unwrap())
    };
    let (text, status) = tokio::time::timeout(PATIENCE, talking).await.unwrap();
    for part in ["on xterm\r\n", "40 120\r\n", "got hello\r\n"] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    let causes = status.details.unwrap().causes.unwrap();
    assert_eq!(causes[0].message.as_deref(), Some("3"));
}
