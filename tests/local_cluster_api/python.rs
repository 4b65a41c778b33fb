//! The Python `kubernetes` client against the local cluster, in a virtual environment that this
//! test makes for itself under the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::Cluster;

/// A Python that has the client. The environment is kept: making it takes a minute.
fn python() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes-client");
    let python = home.join("bin/python");
    if has_client(&python) {
        return python;
    }
    let make = |command: &mut Command| {
        let output = command.output();
        let output = output.unwrap_or_else(|error| {
            panic!("this test needs python3 with its venv module on PATH: {error}")
        });
        assert!(
            output.status.success(),
            "this test needs python3 with its venv module and a package index that has the \
             `kubernetes` client: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    make(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&home),
    );
    make(Command::new(&python).args(["-m", "pip", "install", "--quiet", "kubernetes"]));
    python
}

fn has_client(python: &Path) -> bool {
    Command::new(python)
        .args(["-c", "import kubernetes"])
        .output()
        .is_ok_and(|output| output.status.success())
}

#[test]
fn the_python_client_works_with_pods() {
    let python = python();
    let cluster = Cluster::start();
    let output = Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/local_cluster_api/client.py"
        ))
        .env("KUBECONFIG", cluster.dir.kubeconfig())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "all is well\n");
}
