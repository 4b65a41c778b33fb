//! TLS, no API at all, and machines that have no certificates to check servers by.

use std::process::Command;

use crate::client::Request;
use crate::daemon::Daemon;
use crate::support::{Home, Running};

/// A certificate for this machine and its key, as files.
fn certificate(home: &Home) -> (String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    (
        home.write("cert.pem", made.cert.pem()),
        home.write("key.pem", made.signing_key.serialize_pem()),
    )
}

/// A daemon that speaks TLS, and where.
fn secure(home: &Home, cert: &str, key: &str) -> (Running, String) {
    let words = ["serve", "--listen", "127.0.0.1:0"];
    let serve = home.start(&[&words[..], &["--tls-cert", cert, "--tls-key", key]].concat());
    let said = serve.until_err("readiness", |said| {
        said.contains("adjourn serve: ready") && said.ends_with('\n')
    });
    let place = said.split("https://").nth(1).unwrap();
    (serve, place.split(')').next().unwrap().to_owned())
}

#[test]
fn over_tls_commands_and_other_clients_are_answered() {
    let home = Home::without_cluster();
    let (cert, key) = certificate(&home);
    let (_serve, place) = secure(&home, &cert, &key);
    let url = format!("https://{place}");
    let trusting = |words: &[&str]| {
        let mut command = home.command(&[words, &["--server", &url]].concat());
        command.env("SSL_CERT_FILE", &cert);
        Running::start(command).finish()
    };
    let file = home.write("task.yaml", "task_id: a\nrun_id: r\nimage: busybox\n");
    assert_eq!(trusting(&["submit", &file]).expect(0).text(), "1\n");
    assert_eq!(trusting(&["list", "-o", "name"]).expect(0).text(), "1\n");
    let asked = Command::new("curl")
        .args(["--silent", "--fail", "--cacert", &cert])
        .arg(format!("{url}/api/v1/tasks/1"))
        .output()
        .unwrap();
    let told: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(told["key"], "default/a/r");

    // Whoever does not know the certificate does not believe it.
    let other = home.write("other.pem", {
        let names = ["localhost".to_owned()];
        rcgen::generate_simple_self_signed(names)
            .unwrap()
            .cert
            .pem()
    });
    let mut command = home.command(&["list", "--server", &url]);
    command.env("SSL_CERT_FILE", &other);
    let refused = Running::start(command).finish().expect(4);
    assert!(
        refused.stderr.contains("invalid peer certificate"),
        "{}",
        refused.stderr
    );
}

#[test]
fn without_tls_a_client_is_told_that_it_is_spoken() {
    let home = Home::without_cluster();
    let (cert, key) = certificate(&home);
    let (_serve, place) = secure(&home, &cert, &key);
    for path in ["/healthz", "/api/v1/tasks"] {
        let answer = Request::new(&place, "GET", path).send().expect(400);
        assert_eq!(answer.text(), "TLS is spoken here: ask with https://\n");
    }
    let said = home
        .run(&["list", "--server", &format!("http://{place}")])
        .expect(2);
    assert_eq!(
        said.stderr,
        format!(
            "error: http://{place} does not answer as adjourn serve does: status 400 Bad Request, TLS is spoken here: ask with https://; check --server\n"
        )
    );
    // The other way round.
    let plain = Daemon::alone();
    let url = format!("https://{}", plain.place);
    let mut command = home.command(&["list", "--server", &url]);
    command.env("SSL_CERT_FILE", &cert);
    let said = Running::start(command).finish().expect(4);
    assert!(
        said.stderr
            .starts_with(&format!("error: cannot reach the daemon {url}: ")),
        "{}",
        said.stderr
    );
}

#[test]
fn certificates_that_cannot_be_used_are_told() {
    let home = Home::without_cluster();
    let (cert, key) = certificate(&home);
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other_key = home.write("other.pem", other.signing_key.serialize_pem());
    let blank = home.write("blank.pem", "");
    let refused = |cert: &str, key: &str| {
        let words = ["serve", "--listen", "127.0.0.1:0"];
        let words = [&words[..], &["--tls-cert", cert, "--tls-key", key]].concat();
        home.run(&words).expect(2).stderr
    };
    let advice = "give PEM files with --tls-cert and --tls-key\n";
    assert_eq!(
        refused("nowhere.pem", &key),
        format!(
            "error: cannot use nowhere.pem as a certificate: No such file or directory (os error 2); {advice}"
        )
    );
    assert_eq!(
        refused(&blank, &key),
        format!("error: cannot use {blank} as a certificate: it holds none; {advice}")
    );
    let no_key = refused(&cert, &cert);
    assert!(
        no_key.starts_with(&format!("error: cannot use {cert} as a private key: "))
            && no_key.ends_with(advice),
        "{no_key}"
    );
    let pair = refused(&cert, &other_key);
    assert!(
        pair.starts_with("error: the certificate and its key cannot be used: "),
        "{pair}"
    );
    let alone = home.run(&["serve", "--tls-cert", &cert]).expect(2);
    assert!(alone.stderr.contains("--tls-key"), "{}", alone.stderr);
}

#[test]
fn no_api_when_none_is_wanted() {
    let home = Home::without_cluster().set("ADJOURN_HTTP_LISTEN", "127.0.0.1:0");
    let serve = home.start(&["serve", "--listen", "none"]);
    let said = serve.until_err("readiness", |said| {
        said.contains("adjourn serve: ready") && said.ends_with('\n')
    });
    assert!(!said.contains("http"), "{said}");
    let listening = std::fs::read_dir(format!("/proc/{}/fd", serve.pid()))
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.replace(']', "")))
        .collect::<Vec<_>>();
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    for line in sockets.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let ours = listening.iter().any(|inode| inode == columns[9]);
        assert!(!(ours && columns[3] == "0A"), "it listens: {line}");
    }
}

/// TLS needs certificates of authorities, and nothing else does.
#[test]
fn a_machine_without_certificates_asks_over_plain_http() {
    let daemon = Daemon::alone();
    let blank = daemon.home.write("blank.pem", "");
    let asked = |url: &str| {
        let mut command = daemon.home.command(&["list", "--server", url]);
        command.env("SSL_CERT_FILE", &blank);
        Running::start(command).finish()
    };
    asked(&daemon.url()).expect(0);
    let said = asked(&format!("https://{}", daemon.place)).expect(4).stderr;
    assert!(
        said.contains("this machine has no certificates to check servers by"),
        "{said}"
    );
}
