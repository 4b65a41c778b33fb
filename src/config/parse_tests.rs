use super::*;
use crate::config::LogFormat;

const LISTED: &str = include_str!("../../config/adjourn.toml");

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    from_sources(Some(("a.toml", text)), &environment(variables)).map_err(|error| error.to_string())
}

/// Where a setting that has no default is told as a comment of the form `# key = ...`.
fn uncommented(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.split(' ').nth(1) == Some("=") => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_listed_file_says_what_holds_without_it() {
    assert_eq!(read(LISTED, &[]), Ok(Config::default()));
}

#[test]
fn the_listed_file_names_every_setting_with_a_comment() {
    let text = uncommented(LISTED);
    assert!(read(&text, &[]).is_ok(), "{:?}", read(&text, &[]));
    let table: toml::Table = toml::from_str(&text).unwrap();
    for setting in &SETTINGS {
        assert!(
            table[setting.section].get(setting.key).is_some(),
            "[{}] {} is not listed",
            setting.section,
            setting.key
        );
    }
    let connection = &table[CONNECTIONS]["kubernetes_default"];
    for (key, _) in CONNECTION {
        assert!(connection.get(key).is_some(), "{key} is not listed");
    }
    let lines: Vec<&str> = LISTED.lines().collect();
    for pair in lines.windows(2) {
        let is_setting = uncommented(pair[1])
            .split(' ')
            .nth(1)
            .is_some_and(|word| word == "=");
        let commented = pair[0].starts_with("# ") && uncommented(pair[0]) == pair[0];
        assert!(!is_setting || commented, "no comment above: {}", pair[1]);
    }
}

#[test]
fn what_is_known_is_what_there_is() {
    let Value::Object(mut tree) = serde_json::to_value(Config::default()).unwrap() else {
        panic!("settings are an object");
    };
    tree.remove(CONNECTIONS);
    let there: Vec<String> = tree
        .iter()
        .flat_map(|(section, keys)| {
            keys.as_object()
                .unwrap()
                .keys()
                .map(move |key| format!("{section}.{key}"))
        })
        .collect();
    let known: Vec<String> = SETTINGS
        .iter()
        .map(|setting| format!("{}.{}", setting.section, setting.key))
        .collect();
    assert_eq!(there, known);
    let connection = serde_json::to_value(crate::config::ConnectionSettings::default()).unwrap();
    let there: Vec<&String> = connection.as_object().unwrap().keys().collect();
    assert_eq!(there, CONNECTION.map(|(key, _)| key));
}

#[test]
fn a_variable_goes_before_the_file_and_the_file_before_the_default() {
    let text = "[worker]\nslots = 2\nlease_seconds = 9\n";
    let config = read(
        text,
        &[
            ("ADJOURN_WORKER_SLOTS", "3"),
            ("ADJOURN_LOG_FORMAT", "json"),
        ],
    );
    let config = config.unwrap();
    assert_eq!(config.worker.slots, 3);
    assert_eq!(config.worker.lease_seconds, 9);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.worker.shutdown_grace_seconds, 5);
}

#[test]
fn connections_come_from_the_file_and_from_variables() {
    let text = "[connections.Prod]\nkube_config_path = \"/etc/prod\"\n";
    let variables = [
        ("ADJOURN_CONNECTIONS_PROD_VERIFY_SSL", "false"),
        ("ADJOURN_CONNECTIONS_TEST_KUBE_CONFIG_PATH", "/etc/test"),
    ];
    let config = read(text, &variables).unwrap();
    let prod = &config.connections["Prod"];
    assert_eq!(prod.kube_config_path, Some("/etc/prod".into()));
    assert_eq!(prod.verify_ssl, Some(false));
    let test = &config.connections["test"];
    assert_eq!(test.kube_config_path, Some("/etc/test".into()));
}

#[test]
fn every_fault_is_told_with_its_place_and_the_nearest_name() {
    let text = "\
[worker]
slotz = 2
lease_seconds = \"long\"
[wroker]
[connections.a]
in_clutser = true
";
    assert_eq!(
        read(text, &[]).unwrap_err(),
        "\
a.toml:2:1: slotz is no setting of [worker], did you mean slots?
a.toml:3:17: lease_seconds must be a whole number from 1 to 31622400, not \"long\"
a.toml:4:2: [wroker] is no section, did you mean [worker]?
a.toml:6:1: in_clutser is no setting of [connections.a], did you mean in_cluster?"
    );
}

#[test]
fn a_text_that_is_no_toml_is_told_with_its_place() {
    let told = read("[worker]\nslots 2\n", &[]).unwrap_err();
    assert!(told.starts_with("a.toml:2:"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_bad_variable_is_named() {
    assert_eq!(
        read("", &[("ADJOURN_WORKER_SLOTS", "0")]).unwrap_err(),
        "environment: ADJOURN_WORKER_SLOTS must be a whole number from 1 to 10000, not 0"
    );
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let config = read("[worker]\nslots = 2\n", &[("ADJOURN_WORKER_SLOTS", "")]).unwrap();
    assert_eq!(config.worker.slots, 2);
}

#[test]
fn a_misspelt_variable_is_noticed_and_a_foreign_one_is_not() {
    let variables = environment(&[
        ("ADJOURN_WORKER_SLOT", "2"),
        ("ADJOURN_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("ADJOURN_DB", "/tmp/x"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(
        misspelt_variables(&variables),
        [(
            "ADJOURN_WORKER_SLOT".to_owned(),
            "ADJOURN_WORKER_SLOTS".to_owned()
        )]
    );
}
