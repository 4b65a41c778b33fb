//! The image's recipe and the unit for systemd: what they name is there, and known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Home;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The program knows these words: with a wish for help behind them, it gives it.
#[track_caller]
fn is_understood(arguments: &[&str]) {
    let home = Home::without_cluster();
    home.run(&[arguments, &["--help"]].concat()).expect(0);
}

/// The instructions of the recipe, each on one line.
fn instructions() -> Vec<(String, String)> {
    let joined = text("deploy/Dockerfile").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap();
            (name.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

#[test]
fn the_image_is_one_static_program_without_root() {
    let all = instructions();
    let stages: Vec<usize> = (0..all.len()).filter(|at| all[*at].0 == "FROM").collect();
    assert_eq!(stages.len(), 2, "{all:?}");
    let (build, image) = all.split_at(stages[1]);

    // Musl links statically; with glibc as the host's, nothing in an empty image would run it.
    assert!(build[0].1.starts_with("rust:") && build[0].1.ends_with("-alpine AS build"));
    let wanted = build[0]
        .1
        .trim_start_matches("rust:")
        .split('-')
        .next()
        .unwrap();
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["rust-version"].as_str(), Some(wanted));
    let made = build
        .iter()
        .find(|(name, rest)| name == "RUN" && rest.contains("cargo build"));
    let made = &made.unwrap().1;
    assert!(made.contains("--release --locked --bin adjourn"), "{made}");
    assert!(root().join("Cargo.lock").exists());
    assert!(
        !made.contains("--features"),
        "nothing for tests is shipped: {made}"
    );

    assert_eq!(image[0].1, "scratch");
    let of = |name: &str| -> Vec<&str> {
        let found = image.iter().filter(|(instruction, _)| instruction == name);
        found.map(|(_, rest)| rest.as_str()).collect()
    };
    assert!(of("RUN").is_empty(), "there is nothing that could run it");
    let [user] = of("USER")[..] else {
        panic!("{image:?}")
    };
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid.parse::<u32>().unwrap() > 0 && gid.parse::<u32>().unwrap() > 0);
    // Known by its number, so that a cluster can see that it is not root; the same as the pod's.
    assert!(text("deploy/base/deployment.yaml").contains(&format!("runAsUser: {uid}\n")));
    for program in of("ENTRYPOINT") {
        let words: Vec<String> = serde_json::from_str(program).unwrap();
        assert_eq!(words, ["/adjourn"], "the exec form: there is no shell");
        assert!(made.contains("/image/adjourn"), "{made}");
    }
    let words: Vec<String> = serde_json::from_str(of("CMD")[0]).unwrap();
    is_understood(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let home = Home::without_cluster().set("ADJOURN_DB", "/nowhere/adjourn.db");
    let told = home.run(&["get"]).expect(3).stderr;
    assert!(
        told.contains("/nowhere/adjourn.db"),
        "ADJOURN_DB is heard: {told}"
    );
    let (_, database) = of("ENV")[0].split_once("ADJOURN_DB=").unwrap();
    let volume: Vec<String> = serde_json::from_str(of("VOLUME")[0]).unwrap();
    assert_eq!(Path::new(database).parent(), Some(Path::new(&volume[0])));
    assert_eq!(of("STOPSIGNAL"), ["SIGTERM"]);
    assert_eq!(of("EXPOSE"), ["8470"]);
}

#[test]
fn whatever_the_recipe_copies_is_there() {
    let ignored = text("deploy/Dockerfile.dockerignore");
    let ignored: Vec<&str> = ignored.lines().filter(|line| !line.is_empty()).collect();
    let mut copies = 0;
    for (name, rest) in instructions() {
        if name != "COPY" && name != "ADD" {
            continue;
        }
        copies += 1;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (options, words): (Vec<&str>, Vec<&str>) =
            words.into_iter().partition(|word| word.starts_with("--"));
        let sources = &words[..words.len() - 1];
        match options[..] {
            [] => {
                for source in sources {
                    assert!(root().join(source).exists(), "{source}");
                }
            }
            // Of the first stage: what it made, or what its packages bring (alpine has these in its
            // base image).
            ["--from=build"] => {
                let made = instructions().into_iter().any(|(name, run)| {
                    name == "RUN" && run.contains(sources[0].trim_end_matches('/'))
                });
                assert!(
                    made || sources[0] == "/etc/ssl/certs/ca-certificates.crt",
                    "{sources:?}"
                );
            }
            _ => panic!("{options:?}"),
        }
    }
    assert_eq!(copies, 3);
    // What cargo needs is not held back, and what takes long to send is.
    for needed in [
        "src",
        "migrations",
        "config",
        "Cargo.toml",
        "Cargo.lock",
        "benches",
    ] {
        assert!(
            root().join(needed).exists() && !ignored.contains(&needed),
            "{needed}"
        );
    }
    assert!(ignored.contains(&"target") && ignored.contains(&".git"));
}

/// The unit's sections: each directive with its values.
fn unit(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            continue;
        }
        let (name, value) = line.split_once('=').unwrap();
        let held = sections.entry(section.clone()).or_default();
        held.push((name.to_owned(), value.to_owned()));
    }
    sections
}

/// What systemd says about a unit in which the program is the one that is tested.
fn verified(text: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("adjourn.service");
    let here = text.replace("/usr/local/bin/adjourn", env!("CARGO_BIN_EXE_adjourn"));
    assert_ne!(here, text);
    std::fs::write(&path, here).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&path)
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze (apt-get install systemd): {error}"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), told)
}

#[test]
fn systemd_knows_every_directive_of_the_unit() {
    let text = text("deploy/systemd/adjourn.service");
    assert_eq!(verified(&text), (true, String::new()));
    // It would have said so.
    for wrong in [
        "ProtectHomes=yes",
        "Restart=sometimes",
        "SystemCallFilter=@no-such-group",
    ] {
        let (_, told) = verified(&text.replace("RestartSec=2", wrong));
        assert!(!told.is_empty(), "{wrong}");
    }
}

#[test]
fn what_the_unit_starts_and_signals_is_what_serve_knows() {
    let sections = unit(&text("deploy/systemd/adjourn.service"));
    let names: Vec<&str> = sections.keys().map(String::as_str).collect();
    assert_eq!(names, ["Install", "Service", "Unit"]);
    let service = &sections["Service"];
    let of = |name: &str| {
        let found = service.iter().find(|(directive, _)| directive == name);
        found.unwrap_or_else(|| panic!("{name}")).1.as_str()
    };
    let started: Vec<&str> = of("ExecStart").split_whitespace().collect();
    assert_eq!(started[0], "/usr/local/bin/adjourn");
    is_understood(&started[1..]);
    assert_eq!(of("ExecReload"), "/bin/kill -HUP $MAINPID");
    assert_eq!(of("Type"), "notify");
    let (variable, database) = of("Environment").split_once('=').unwrap();
    assert_eq!(variable, "ADJOURN_DB");
    let state = format!("/var/lib/{}/", of("StateDirectory"));
    assert!(database.starts_with(&state), "{database}");
    let settings = format!("/etc/{}/adjourn.toml", of("ConfigurationDirectory"));
    assert!(text("config/adjourn.toml").contains(&settings));
    for hardened in [
        "DynamicUser",
        "NoNewPrivileges",
        "PrivateTmp",
        "ProtectHome",
    ] {
        assert_eq!(of(hardened), "yes", "{hardened}");
    }
    assert_eq!(of("ProtectSystem"), "strict");
}
