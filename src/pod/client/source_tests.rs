use super::super::ClusterClient;
use super::*;

fn nowhere() -> Surroundings {
    Surroundings {
        kubeconfig: None,
        home: None,
        has_service_account: false,
        no_proxy: None,
    }
}

fn kubeconfig(dir: &Path, name: &str, context: &str, server: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(
        &path,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
             clusters: [{{name: c-{context}, cluster: {{server: \"{server}\"}}}}]\n\
             users: [{{name: u-{context}, user: {{token: s3cret}}}}]\n\
             contexts: [{{name: {context}, context: {{cluster: c-{context}, user: u-{context}, namespace: ns-{context}}}}}]\n"
        ),
    )
    .unwrap();
    path
}

#[test]
fn the_usual_places_are_tried_in_order() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".kube")).unwrap();
    let at_home = kubeconfig(&dir.path().join(".kube"), "config", "home", "http://h");
    let listed = kubeconfig(dir.path(), "listed", "listed", "http://l");
    let absent = dir.path().join("absent");
    let settings = ConnectionSettings::default();
    let mut around = Surroundings {
        kubeconfig: Some(std::env::join_paths([&absent, &listed]).unwrap()),
        home: Some(dir.path().to_owned()),
        has_service_account: true,
        no_proxy: None,
    };
    assert_eq!(
        choose(&settings, &around).unwrap(),
        Source::Files(vec![listed])
    );
    around.kubeconfig = None;
    assert_eq!(choose(&settings, &around).unwrap(), Source::InCluster);
    let named = ConnectionSettings {
        cluster_context: Some("home".into()),
        ..settings.clone()
    };
    assert_eq!(
        choose(&named, &around).unwrap(),
        Source::Files(vec![at_home.clone()])
    );
    around.has_service_account = false;
    assert_eq!(
        choose(&settings, &around).unwrap(),
        Source::Files(vec![at_home])
    );
}

#[test]
fn two_sources_at_once_are_refused() {
    let settings = ConnectionSettings {
        in_cluster: Some(true),
        kube_config_path: Some("/x".into()),
        ..ConnectionSettings::default()
    };
    let error = choose(&settings, &nowhere()).unwrap_err();
    assert!(matches!(error, ConnectError::Conflicting(_)), "{error}");
}

#[tokio::test]
async fn a_missing_file_is_told_with_its_path() {
    let settings = ConnectionSettings {
        kube_config_path: Some("/no/such/kubeconfig".into()),
        ..ConnectionSettings::default()
    };
    let error = ClusterClient::connect(&settings).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::UnreadableFile { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("/no/such/kubeconfig"), "{error}");
}

#[tokio::test]
async fn an_unknown_context_is_told_with_those_that_exist() {
    let dir = tempfile::tempdir().unwrap();
    let path = kubeconfig(dir.path(), "config", "blue", "http://127.0.0.1:1");
    let settings = ConnectionSettings {
        kube_config_path: Some(path.clone()),
        cluster_context: Some("green".into()),
        ..ConnectionSettings::default()
    };
    let error = ClusterClient::connect(&settings)
        .await
        .unwrap_err()
        .to_string();
    for part in ["green", "blue", path.to_str().unwrap()] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_broken_kubeconfig_is_told_without_its_contents() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, "users:\n- user: {token: s3cret\n  x: [\n").unwrap();
    let settings = ConnectionSettings {
        kube_config_path: Some(path),
        ..ConnectionSettings::default()
    };
    let error = ClusterClient::connect(&settings).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::BadKubeconfig { .. }),
        "{error:?}"
    );
    assert!(
        !format!("{error:?} {error}").contains("s3cret"),
        "{error:?}"
    );
}

#[tokio::test]
async fn namespace_and_server_come_from_the_context_unless_the_connection_says_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = ConnectionSettings {
        kube_config_path: Some(kubeconfig(
            dir.path(),
            "config",
            "blue",
            "http://127.0.0.1:1",
        )),
        ..ConnectionSettings::default()
    };
    let client = ClusterClient::connect(&settings).await.unwrap();
    assert_eq!(client.default_namespace(), "ns-blue");
    assert_eq!(client.server(), "http://127.0.0.1:1");
    assert!(!client.in_cluster());
    settings.namespace = Some("jobs".into());
    let client = ClusterClient::connect(&settings).await.unwrap();
    assert_eq!(client.default_namespace(), "jobs");
}

#[tokio::test]
async fn an_inline_kubeconfig_may_be_an_object_or_its_text() {
    let object = serde_json::json!({
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "s3cret"}}],
    });
    for inline in [Value::String(object.to_string()), object] {
        let settings = ConnectionSettings {
            kube_config: Some(inline),
            ..ConnectionSettings::default()
        };
        let client = ClusterClient::connect(&settings).await.unwrap();
        assert_eq!(client.default_namespace(), "default");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_address() {
    let dir = tempfile::tempdir().unwrap();
    // A port that was free a moment ago and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = format!("http://127.0.0.1:{port}");
    let settings = ConnectionSettings {
        kube_config_path: Some(kubeconfig(dir.path(), "config", "blue", &server)),
        ..ConnectionSettings::default()
    };
    let client = ClusterClient::connect(&settings).await.unwrap();
    let error = client.ping().await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Unreachable { source, .. } if source.is_unreachable()),
        "{error:?}"
    );
    assert!(error.to_string().contains(&server), "{error}");
}

#[tokio::test]
async fn a_connection_over_tls_can_be_set_up() {
    let object = serde_json::json!({
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    for verify_ssl in [None, Some(false)] {
        let settings = ConnectionSettings {
            kube_config: Some(object.clone()),
            verify_ssl,
            ..ConnectionSettings::default()
        };
        let client = ClusterClient::connect(&settings).await.unwrap();
        let error = client.ping().await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Unreachable { .. }),
            "{error:?}"
        );
    }
}
