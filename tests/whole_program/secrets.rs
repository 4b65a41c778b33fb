//! Secrets planted on every path by which one can come in, and looked for in everything that comes
//! out: what commands say in every form, the log at its most talkative, the database, and what
//! `ps` shows of other processes.

use std::path::Path;

use serde_json::{Value, json};

use crate::answers;
use crate::support::{Finished, Home, script, with};

/// What gives access to a cluster, or may not be read: to be found nowhere at all.
const CREDENTIALS: [&str; 7] = [
    "canary-token",
    "canary-password",
    "canary-exec-env",
    "canary-forbidden",
    "canary-allowed",
    // What a Secret of the cluster holds, and that in base64.
    "canary-of-the-cluster",
    "Y2FuYXJ5LW9mLXRoZS1jbHVzdGVy",
];

/// What a task's own definition holds: in that one column, because it cannot run without.
const OF_TASKS: [&str; 9] = [
    "canary-literal",
    "canary-listed",
    "canary-init",
    "canary-template-dict",
    "canary-template-file",
    "canary-param",
    "canary-header",
    "canary-path",
    "canary-query",
];

/// Nothing of what was planted is in `text`, nor the token with which the cluster was spoken to.
#[track_caller]
fn clean(what: &str, text: &[u8], token: &str) {
    let text = String::from_utf8_lossy(text);
    let planted = CREDENTIALS.iter().chain(&OF_TASKS).chain([&token]);
    for secret in planted {
        let Some(at) = text.find(secret) else {
            continue;
        };
        let from = text.floor_char_boundary(at.saturating_sub(300));
        panic!("{secret} in {what}: {}", &text[from..at + secret.len()]);
    }
}

/// A kubeconfig with a login program, and users that nobody uses; and the token that works.
fn kubeconfig(home: &Home) -> (Value, String) {
    let text = std::fs::read_to_string(home.cluster().kubeconfig()).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    let token = config["users"][0]["user"]["token"].as_str().unwrap();
    let token = token.to_owned();
    let kept = home.write("token", &token);
    let program = format!(
        "printf '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"%s\"}}}}' \"$(cat {kept})\""
    );
    config["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", program],
        "env": [{"name": "LOGIN", "value": "canary-exec-env"}],
        "interactiveMode": "Never",
    }});
    let users = config["users"].as_array_mut().unwrap();
    users.push(json!({"name": "other", "user": {"token": "canary-token"}}));
    users.push(json!({"name": "third", "user": {"username": "a", "password": "canary-password"}}));
    (config, token)
}

/// A home whose settings hold a kubeconfig, and a web hook's server that nobody is.
fn planted() -> (Home, String) {
    let home = Home::new()
        .set("ALLOWED", "canary-allowed")
        .set("FORBIDDEN", "canary-forbidden")
        .set("ADJOURN_HTTP_LISTEN", "127.0.0.1:0")
        .set("RUST_LOG", "trace");
    home.cluster()
        .keep_secret(&home.dag, "kept", "canary-of-the-cluster");
    let (config, token) = kubeconfig(&home);
    let settings = format!(
        "[templates]\nallowed_env = [\"ALLOWED\"]\n[connections.kubernetes_default]\nkube_config = '''{config}'''\n"
    );
    let path = home.write("adjourn.toml", settings);
    let home = home.set("ADJOURN_CONFIG", &path);
    home.write(
        "template.yaml",
        "kind: Pod\nspec:\n  containers:\n  - name: base\n    env: [{name: F, value: canary-template-file}]\n",
    );
    (home, token)
}

fn task(home: &Home, name: &str, words: &str) -> Value {
    with(
        script(&home.dag, name, words),
        json!({
            "params": {"token": "canary-param"},
            "env_vars": {
                "DATABASE_PASSWORD": "canary-literal",
                "FROM_PARAM": "{{ params.token }}",
                "FROM_ENVIRONMENT": "{{ env.ALLOWED }}",
            },
            "pod_runtime_info_envs": [
                {"name": "LISTED", "value": "canary-listed"},
                {"name": "REFERRED", "valueFrom": {"secretKeyRef": {"name": &home.dag, "key": "kept"}}},
            ],
            "secrets": [
                {"deploy_type": "env", "deploy_target": "DEPLOYED", "secret": &home.dag, "key": "kept"},
            ],
            "init_containers": [{
                "name": "init",
                "image": crate::support::image(),
                "command": ["true"],
                "env": [{"name": "A", "value": "canary-init"}],
            }],
            "pod_template_file": "template.yaml",
            "log_pod_spec_on_failure": true,
            "log_events_on_failure": true,
            "do_xcom_push": true,
            "callbacks": [{"webhook": {
                "url": "http://127.0.0.1:9/canary-path?token=canary-query",
                "headers": {"Authorization": "Bearer canary-header"},
            }}],
        }),
    )
}

#[track_caller]
fn said(finished: &Finished, token: &str) {
    let command = finished.command.as_str();
    clean(&format!("stdout of {command}"), &finished.stdout, token);
    clean(
        &format!("stderr of {command}"),
        finished.stderr.as_bytes(),
        token,
    );
}

/// The command lines of all processes of this machine.
fn command_lines() -> Vec<u8> {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|process| std::fs::read(process.ok()?.path().join("cmdline")).ok())
        .flatten()
        .collect()
}

#[test]
fn a_secret_is_shown_nowhere() {
    let (home, token) = planted();
    let serve = home.start(&["serve"]);
    let ready = serve.until_err("readiness", |said| {
        said.contains("adjourn serve: ready") && said.ends_with('\n')
    });
    let ready = ready.split("adjourn serve: ready").nth(1).unwrap();
    let place = ready.split("http://").nth(1).unwrap();
    let place = place.split(')').next().unwrap();
    // The container has the cluster's secret, in both ways.
    let good = "test $(printf %s \"$DEPLOYED\" | wc -c) = 21 && test \"$DEPLOYED\" = \"$REFERRED\" && echo '{}' > /airflow/xcom/return.json";
    let done = home.submit(&task(&home, "done", good));
    let failed = home.submit(&task(&home, "failed", "exit 3"));
    let mut of_dict = task(&home, "of-dict", "exit 4");
    of_dict["pod_template_file"] = Value::Null;
    of_dict["pod_template_dict"] = json!({"spec": {"containers": [
        {"name": "base", "env": [{"name": "D", "value": "canary-template-dict"}]},
    ]}});
    let of_dict = home.submit(&of_dict);
    let unmade = home.submit(&with(
        task(&home, "unmade", "true"),
        json!({"image": "Not An Image", "startup_timeout_seconds": 1}),
    ));
    let wrong = home.task(&with(
        task(&home, "wrong", "true"),
        json!({"arguments": ["{{ env.ALLOWED | int }} {{ params.token + 1 }}"]}),
    ));
    let forbidden = home.task(&with(
        task(&home, "forbidden", "true"),
        json!({"arguments": ["{{ env.FORBIDDEN }}"]}),
    ));
    let waits = home.submit(&task(&home, "waits", "sleep 1000"));
    home.until_state(&waits, "deferred");
    let lines = command_lines();
    assert!(
        String::from_utf8_lossy(&lines).contains("adjourn\0serve"),
        "what was looked at are command lines"
    );
    clean("a command line", &lines, &token);

    for id in [&done, &failed, &of_dict, &unmade] {
        said(&home.run(&["wait", id]), &token);
    }
    assert_eq!(home.describe(&done)["state"], "success");
    let ended = [&done, &failed, &of_dict, &unmade].map(String::as_str);
    let asked = answers::every(place, &ended, &waits, |what, bytes| {
        clean(what, bytes, &token);
    });
    assert!(asked > 60, "{asked}");
    let wrong_file = std::fs::read(&wrong).unwrap();
    answers::refusals(place, &wrong_file, |what, bytes| clean(what, bytes, &token));
    let refused = home.run(&["submit", &forbidden]).expect(2);
    assert!(
        refused.stderr.contains("env.FORBIDDEN is not defined"),
        "{}",
        refused.stderr
    );
    said(&refused, &token);
    let good_file = home.task(&task(&home, "again", "true"));
    let shown = home
        .run(&["dry-run", &good_file, "--show-secrets"])
        .expect(0);
    for planted in [
        "canary-literal",
        "canary-param",
        "canary-allowed",
        "canary-template-file",
    ] {
        assert!(
            shown.text().contains(planted),
            "{planted} is there to be hidden"
        );
    }
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["submit", &wrong],
        vec!["dry-run", &wrong],
        vec!["dry-run", &forbidden],
        vec!["run", &good_file, "-o", "json"],
        vec!["sql", "SELECT * FROM task_list"],
        vec!["sql", "SELECT * FROM task_history"],
        vec!["sql", "SELECT * FROM task_log"],
        vec!["sql", "SELECT * FROM deferred_tasks"],
        vec!["doctor"],
        vec!["retry", &failed],
        vec!["cancel", &waits],
        vec!["prune", "--older-than", "1000d"],
    ];
    for form in ["table", "wide", "json", "jsonl", "yaml", "name"] {
        commands.push(vec!["list", "-o", form]);
        commands.push(vec!["doctor", "-o", form]);
        commands.push(vec!["dry-run", &good_file, "-o", form]);
        commands.push(vec!["dry-run", "--full", &good_file, "-o", form]);
        for id in [&done, &failed, &of_dict, &unmade, &waits] {
            commands.push(vec!["get", id, "-o", form]);
            commands.push(vec!["describe", id, "-o", form]);
            commands.push(vec!["logs", id, "-o", form]);
        }
    }
    for command in commands {
        let finished = home.run(&command);
        assert_ne!(finished.code, None, "{command:?}");
        said(&finished, &token);
    }
    serve.signal(nix::sys::signal::Signal::SIGTERM);
    let serve = serve.finish();
    assert!(
        serve.stderr.contains("TRACE"),
        "the log was at its most talkative"
    );
    said(&serve, &token);
    in_the_database(&home, &token);
}

fn in_the_database(home: &Home, token: &str) {
    for file in std::fs::read_dir(home.state()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            for secret in CREDENTIALS.iter().chain([&token]) {
                assert!(!text.contains(secret), "{secret} in {}", path.display());
            }
        }
    }
    let definitions = home.sql("SELECT definition FROM tasks");
    let definitions = serde_json::to_string(&definitions).unwrap();
    for secret in OF_TASKS {
        assert!(
            definitions.contains(secret),
            "{secret} is kept for the task"
        );
    }
    let mut looked_at = 0;
    for table in home.sql("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')") {
        let name = table["name"].as_str().unwrap();
        for row in home.sql(&format!("SELECT * FROM \"{name}\"")) {
            for (column, value) in row.as_object().unwrap() {
                if (name, column.as_str()) != ("tasks", "definition") {
                    clean(
                        &format!("{name}.{column}"),
                        value.to_string().as_bytes(),
                        token,
                    );
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 100, "{looked_at}");
}

/// Nobody but their owner may read what is kept, whatever the umask of whoever started it.
#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let home = Home::without_cluster();
    let command = format!(
        "umask 0; exec '{}' submit '{}'",
        env!("CARGO_BIN_EXE_adjourn"),
        home.task(&script(&home.dag, "a", "true"))
    );
    let mut shell = home.command(&[]);
    let environment: Vec<_> = shell
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    shell = std::process::Command::new("sh");
    let status = shell
        .args(["-c", &command])
        .env_clear()
        .envs(environment)
        .current_dir(home.path())
        .status();
    assert!(status.unwrap().success());
    let mut seen = 0;
    modes(&home.path().join("state"), &mut |path, mode| {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{} is {mode:o}", path.display());
        seen += 1;
    });
    assert!(seen > 2, "{seen}");
}

fn modes(path: &Path, take: &mut impl FnMut(&Path, u32)) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    take(path, mode);
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            modes(&entry.unwrap().path(), take);
        }
    }
}
