//! Users with limited rights: service accounts, their tokens, roles and bindings.

use std::fs;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};

use crate::cluster::{Cluster, options};
use crate::kubectl::{run, said};

/// An account that may look at pods and read their logs, and at one config map.
const RIGHTS: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
- {apiGroups: [''], resources: [pods, pods/log], verbs: [get, list, watch]}
- {apiGroups: [''], resources: [configmaps], resourceNames: [m], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: robot-reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: robot}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: nodes}
rules:
- {apiGroups: [''], resources: [nodes], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: robot-nodes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: nodes}
subjects:
- {kind: ServiceAccount, name: robot, namespace: default}
";

fn file(cluster: &Cluster, contents: &str) -> String {
    let path = cluster.dir.path().join("rights.yaml");
    fs::write(&path, contents).unwrap();
    path.display().to_string()
}

/// A kubeconfig like the owner's, with another token, and what kubectl is told to use it.
fn as_bearer(cluster: &Cluster, token: &str) -> String {
    let owner = fs::read_to_string(cluster.dir.kubeconfig()).unwrap();
    let (head, rest) = owner.split_once("    token: ").unwrap();
    let (_, tail) = rest.split_once('\n').unwrap();
    let path = cluster.dir.path().join("bearer.kubeconfig");
    fs::write(&path, format!("{head}    token: {token}\n{tail}")).unwrap();
    format!("--kubeconfig={}", path.display())
}

fn refused(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = run(cluster, arguments);
    assert!(!output.status.success(), "{arguments:?} was allowed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_account_may_do_what_applied_roles_say_and_nothing_else() {
    let cluster = Cluster::start();
    let rights = file(&cluster, RIGHTS);
    let applied = said(&cluster, &["apply", "-f", &rights]);
    assert_eq!(
        applied,
        "serviceaccount/robot created\n\
         role.rbac.authorization.k8s.io/reader created\n\
         rolebinding.rbac.authorization.k8s.io/robot-reads created\n\
         clusterrole.rbac.authorization.k8s.io/nodes created\n\
         clusterrolebinding.rbac.authorization.k8s.io/robot-nodes created\n"
    );
    let again = said(&cluster, &["apply", "-f", &rights]);
    assert_eq!(again.matches(" unchanged").count(), 5, "{again}");
    let serverside = ["apply", "--server-side", "--force-conflicts", "-f", &rights];
    let applied = said(&cluster, &serverside);
    assert_eq!(
        applied.matches(" serverside-applied").count(),
        5,
        "{applied}"
    );

    for name in ["m", "other"] {
        said(
            &cluster,
            &["create", "configmap", name, "--from-literal=a=1"],
        );
    }
    let token = said(&cluster, &["create", "token", "robot", "--duration=15m"]);
    let robot = as_bearer(&cluster, token.trim());
    assert_eq!(said(&cluster, &[&robot, "get", "pods", "-o", "name"]), "");
    assert_eq!(
        said(&cluster, &[&robot, "get", "configmap", "m", "-o", "name"]),
        "configmap/m\n"
    );
    let nodes = said(&cluster, &[&robot, "get", "nodes", "-o", "name"]);
    assert!(nodes.starts_with("node/"), "{nodes}");
    let user = "User \"system:serviceaccount:default:robot\" cannot";
    assert_eq!(
        refused(&cluster, &[&robot, "get", "configmap", "other"]),
        format!(
            "Error from server (Forbidden): configmaps \"other\" is forbidden: {user} get resource \
             \"configmaps\" in API group \"\" in the namespace \"default\"\n"
        )
    );
    assert_eq!(
        refused(&cluster, &[&robot, "get", "roles"]),
        format!(
            "Error from server (Forbidden): roles.rbac.authorization.k8s.io is forbidden: {user} \
             list resource \"roles\" in API group \"rbac.authorization.k8s.io\" in the namespace \
             \"default\"\n"
        )
    );
    let elsewhere = refused(&cluster, &[&robot, "get", "pods", "-n", "kube-system"]);
    assert!(
        elsewhere.contains("in the namespace \"kube-system\""),
        "{elsewhere}"
    );
    let answer = |arguments: &[&str]| {
        let output = run(&cluster, arguments);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    for (question, yes) in [
        (&["get", "pods"] as &[&str], "yes"),
        (&["get", "pods", "--subresource=log"], "yes"),
        (&["delete", "pods"], "no"),
        (&["get", "configmaps/m"], "yes"),
        (&["get", "configmaps/other"], "no"),
        (&["get", "/version"], "yes"),
        (&["get", "/metrics"], "no"),
    ] {
        let mut own = vec![robot.as_str(), "auth", "can-i"];
        own.extend(question);
        assert_eq!(answer(&own), yes, "{question:?}");
        let mut asked = vec!["--as=system:serviceaccount:default:robot", "auth", "can-i"];
        asked.extend(question);
        assert_eq!(answer(&asked), yes, "as the owner: {question:?}");
    }
    let whoami = said(&cluster, &[&robot, "auth", "whoami"]);
    assert!(
        whoami.contains("system:serviceaccounts:default"),
        "{whoami}"
    );
    let list = said(&cluster, &[&robot, "auth", "can-i", "--list"]);
    assert!(list.contains("pods/log"), "{list}");
    // Whoever may not speak for others is not heard as them.
    let other = [robot.as_str(), "--as=adjourn-local", "get", "pods"];
    assert!(refused(&cluster, &other).contains("cannot impersonate resource \"users\""));

    said(&cluster, &["delete", "rolebinding", "robot-reads"]);
    let error = refused(&cluster, &[&robot, "get", "pods"]);
    assert!(error.contains("pods is forbidden"), "{error}");
    said(&cluster, &["delete", "serviceaccount", "robot"]);
    let error = refused(&cluster, &[&robot, "get", "nodes"]);
    assert!(error.contains("You must be logged in"), "{error}");
}

#[test]
fn roles_and_bindings_are_made_by_kubectls_own_commands_and_shown() {
    let cluster = Cluster::start();
    for arguments in [
        &[
            "create",
            "role",
            "r",
            "--verb=get,list",
            "--resource=pods,pods/log",
        ] as &[&str],
        &[
            "create",
            "rolebinding",
            "b",
            "--role=r",
            "--serviceaccount=default:robot",
        ],
        &[
            "create",
            "clusterrole",
            "c",
            "--verb=get",
            "--non-resource-url=/metrics",
        ],
        &[
            "create",
            "clusterrolebinding",
            "d",
            "--clusterrole=cluster-admin",
            "--user=jane",
        ],
    ] {
        said(&cluster, arguments);
    }
    let shown = said(
        &cluster,
        &["get", "rolebindings", "-o", "wide", "--no-headers"],
    );
    let cells: Vec<_> = shown.split_whitespace().collect();
    assert_eq!(
        (cells[0], cells[1], cells[3]),
        ("b", "Role/r", "default/robot")
    );
    let description = said(&cluster, &["describe", "role", "r"]);
    for part in ["pods/log", "[get list]"] {
        assert!(
            description.contains(part),
            "{part} is not in\n{description}"
        );
    }
    let can = ["auth", "can-i", "delete", "nodes", "--as=jane"];
    assert_eq!(said(&cluster, &can), "yes\n");
    let admin = said(&cluster, &["get", "clusterroles", "-o", "name"]);
    assert!(admin.contains("cluster-admin\n"), "{admin}");
    let changed = refused(
        &cluster,
        &[
            "patch",
            "rolebinding",
            "b",
            "-p",
            "{\"roleRef\":{\"name\":\"other\"}}",
        ],
    );
    assert!(changed.contains("cannot change roleRef"), "{changed}");
    assert_eq!(
        refused(&cluster, &["get", "role", "absent"]),
        "Error from server (NotFound): roles.rbac.authorization.k8s.io \"absent\" not found\n"
    );
    let short = refused(&cluster, &["create", "token", "default", "--duration=1s"]);
    assert!(short.contains("less than 10 minutes"), "{short}");
    let absent = refused(&cluster, &["create", "token", "absent"]);
    assert!(
        absent.contains("serviceaccounts \"absent\" not found"),
        "{absent}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_second_is_refused_after_it() {
    let mut options = options();
    // Only where things are meant to go wrong can so short a life be asked for.
    options.settings.faults = true;
    let cluster = Cluster::start_with(&options);
    let owner = cluster.client().await;
    let file = file(&cluster, RIGHTS);
    said(&cluster, &["apply", "-f", &file]);
    let accounts: Api<ServiceAccount> = Api::default_namespaced(owner);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(1),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request("robot", &PostParams::default(), &request)
        .await
        .unwrap();
    let status = answer.status.unwrap();
    let mut config = cluster.config().await;
    config.auth_info.token = Some(status.token.unwrap().into());
    let pods: Api<Pod> = Api::default_namespaced(kube::Client::try_from(config).unwrap());
    let refusal = loop {
        match pods.list(&ListParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(refusal)) => break refusal,
            Err(error) => panic!("{error}"),
        }
    };
    let now = k8s_openapi::jiff::Timestamp::now();
    assert_eq!(
        (refusal.code, refusal.reason.as_str()),
        (401, "Unauthorized")
    );
    assert!(
        now >= status.expiration_timestamp.unwrap().0,
        "refused too early"
    );
}
