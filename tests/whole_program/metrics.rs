//! What `/metrics` serves, the documents tell of and the dashboard draws are the same names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Home, Running, eventually, script, with};

/// The labels of every name that is served.
type Served = BTreeMap<String, BTreeSet<String>>;

/// What a daemon serves once a task has run: a sum by labels appears with its first sample.
fn scrape() -> (Served, BTreeMap<String, String>) {
    let home = Home::new().set("ADJOURN_HTTP_LISTEN", "127.0.0.1:0");
    let (_serve, url) = serve(&home);
    // Counted from the first question on.
    curl(&url);
    let task = with(
        script(&home.dag, "counted", "echo a"),
        json!({"poll_interval": 1}),
    );
    let id = home.submit(&task);
    home.run(&["wait", &id]).expect(0);
    let text = curl(&url);
    let mut served = Served::new();
    let mut kinds = BTreeMap::new();
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# TYPE ") {
            let (name, kind) = described.split_once(' ').unwrap();
            kinds.insert(name.to_owned(), kind.to_owned());
        }
        if line.starts_with('#') {
            continue;
        }
        let (sample, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let names = served.entry(name.to_owned()).or_default();
        let labels = labels.trim_end_matches('}').split(',');
        names.extend(labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned())));
    }
    (served, kinds)
}

/// A daemon, and where its metrics are.
fn serve(home: &Home) -> (Running, String) {
    let serve = home.start(&["serve"]);
    let said = serve.until_err("readiness", |said| said.contains("http://"));
    let place = said.split("http://").nth(1).unwrap();
    let place = place.split([')', '\n', ',']).next().unwrap().trim();
    let url = format!("http://{place}/metrics");
    (serve, url)
}

fn curl(url: &str) -> String {
    let output = std::process::Command::new("curl")
        .args(["-sf", url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of metrics in a text.
fn names(text: &str) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !word(c))
        .filter(|word| word.starts_with("adjourn_"))
        .map(str::to_owned)
        .collect()
}

/// The labels that a question in PromQL asks about.
fn labels(expression: &str) -> Vec<String> {
    let selected = expression.split('{').skip(1).filter_map(|rest| {
        let matchers = rest.split('}').next()?;
        Some(
            matchers
                .split(',')
                .filter_map(|one| Some(one.split(['=', '!']).next()?.trim().to_owned()))
                .collect::<Vec<_>>(),
        )
    });
    let grouped = expression.split("by (").skip(1).filter_map(|rest| {
        let by = rest.split(')').next()?;
        Some(by.split(',').map(|one| one.trim().to_owned()).collect())
    });
    selected.chain(grouped).flatten().collect()
}

/// A question asks for what is served, by labels that it has.
#[track_caller]
fn can_be_asked(expression: &str, served: &Served) {
    let names = names(expression);
    assert!(!names.is_empty(), "{expression} asks for nothing");
    for name in &names {
        let has = served
            .get(name)
            .unwrap_or_else(|| panic!("{expression}: {name} is not served"));
        for label in labels(expression) {
            assert!(has.contains(&label), "{expression}: {name} has no {label}");
        }
    }
}

/// Every value of `key` below `value`.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(key).and_then(Value::as_str));
            members.values().for_each(|member| all(member, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn metrics_documents_alerts_and_the_dashboard_name_the_same() {
    let (served, kinds) = scrape();

    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/adjourn.json")).unwrap();
    let mut questions = Vec::new();
    all(&dashboard, "expr", &mut questions);
    assert!(questions.len() >= 15, "{questions:?}");
    let mut drawn = BTreeSet::new();
    for question in questions {
        can_be_asked(question, &served);
        drawn.extend(names(question));
    }
    assert!(drawn.iter().any(|name| name.contains("detection_latency")));

    let operations = file("docs/operations.md");
    let rules = operations.split("```yaml\n").nth(1).unwrap();
    let rules: Value = serde_saphyr::from_str(rules.split("```").next().unwrap()).unwrap();
    let mut questions = Vec::new();
    all(&rules, "expr", &mut questions);
    assert!(questions.len() >= 5, "{questions:?}");
    for question in questions {
        can_be_asked(question, &served);
    }

    // The table: a family a row, with its type and its labels.
    let mut told = BTreeSet::new();
    for row in operations
        .lines()
        .filter(|line| line.starts_with("| `adjourn_"))
    {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        // A counter's samples end otherwise than its name does.
        let family = name.strip_suffix("_total").unwrap_or(name);
        let kind = kinds
            .get(family)
            .unwrap_or_else(|| panic!("{family} is told of and not served"));
        assert_eq!(cells[2], kind, "{name}");
        let sample = if kind == "histogram" {
            format!("{name}_count")
        } else {
            name.to_owned()
        };
        let labels: BTreeSet<String> = cells[3]
            .split(',')
            .map(|label| label.trim().trim_matches('`').to_owned())
            .filter(|label| !label.is_empty())
            .collect();
        assert_eq!(Some(&labels), served.get(&sample), "{name}");
        told.insert(family.to_owned());
    }
    let families: BTreeSet<String> = kinds.into_keys().collect();
    assert_eq!(
        told, families,
        "what is served is told of in docs/operations.md"
    );
    assert!(families.iter().all(|name| name.starts_with("adjourn_")));
}

#[test]
fn only_what_the_cluster_reports_counts_as_detected_and_each_report_once() {
    let home = Home::new().set("ADJOURN_HTTP_LISTEN", "127.0.0.1:0");
    let (_serve, url) = serve(&home);
    let task = with(
        script(
            &home.dag,
            "detected",
            "for i in 1 2 3; do echo $i; sleep 1; done",
        ),
        json!({"poll_interval": 1, "logging_interval": 1}),
    );
    let id = home.submit(&task);
    home.run(&["wait", &id]).expect(0);
    let detected = || {
        let text = curl(&url);
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("adjourn_detection_latency_seconds_count "));
        count.unwrap().parse::<u64>().unwrap()
    };
    eventually("the end of its pod", || (detected() > 0).then_some(()));
    // It was resumed for its newest lines too, and only time called for that.
    assert!(home.describe(&id)["resumes"].as_u64().unwrap() >= 2);
    assert_eq!(detected(), 1);
}
