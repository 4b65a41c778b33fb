//! `kubectl` at a terminal, and what it is told of what this cluster does not do.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::cluster::Cluster;
use crate::kubectl::{kubectl, run, said};

fn with_pod(cluster: &Cluster) {
    said(
        cluster,
        &[
            "run",
            "a",
            "--image=x",
            "--restart=Never",
            "--",
            "sleep",
            "1000",
        ],
    );
    said(
        cluster,
        &["wait", "--for=condition=Ready", "pod/a", "--timeout=30s"],
    );
}

#[test]
fn a_person_at_a_terminal_gets_one_in_the_container() {
    let cluster = Cluster::start();
    with_pod(&cluster);
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: 33,
        ws_col: 111,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_bytes();
    let name = PathBuf::from(std::ffi::OsString::from_vec(name));
    let mut options = File::options();
    let terminal = options.read(true).write(true).open(name).unwrap();
    let script = "until test \"$(stty size)\" = '33 111'; do sleep 0.02; done; \
                  echo ready; read line; echo \"<$line>\"; exit 5";
    let mut child = kubectl(&cluster, &["exec", "-it", "a", "--", "sh", "-c", script])
        .stdin(terminal.try_clone().unwrap())
        .stdout(terminal.try_clone().unwrap())
        .stderr(Stdio::from(terminal))
        .spawn()
        .unwrap();
    let mut master = File::from(master);
    let mut text = Vec::new();
    let mut typed = false;
    let mut buffer = [0; 1024];
    // It ends with an error when nobody has the terminal open any more.
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        text.extend_from_slice(&buffer[..length]);
        if !typed && String::from_utf8_lossy(&text).contains("ready\r\n") {
            master.write_all(b"word\r").unwrap();
            typed = true;
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("<word>\r\n"), "{text:?}");
    assert_eq!(child.wait().unwrap().code(), Some(5), "{text}");
}

#[test]
fn what_is_not_served_is_refused_plainly() {
    let cluster = Cluster::start();
    with_pod(&cluster);
    for (arguments, words) in [
        (&["attach", "a"][..], "does not allow this method"),
        (&["port-forward", "a", "0:80"], "does not allow this method"),
        (&["get", "deployments"], "doesn't have a resource type"),
        (&["top", "pods"], "Metrics API not available"),
        (
            &["rollout", "status", "deployment/a"],
            "doesn't have a resource type",
        ),
        (
            &["create", "deployment", "d", "--image=x"],
            "could not find the requested resource",
        ),
    ] {
        let output = run(&cluster, arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
}
