use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::task::file::{PodParameters, parse};

fn context() -> TemplateContext {
    TemplateContext {
        params: json!({"n": 3, "name": "x", "deep": {"list": [1, 2]}, "on": true})
            .as_object()
            .unwrap()
            .clone(),
        dag_id: "etl".into(),
        task_id: "load".into(),
        run_id: "manual__2026-01-05".into(),
        map_index: 4,
        try_number: 2,
        logical_date: "2026-01-05T06:07:08Z".parse().unwrap(),
        env: BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]),
    }
}

fn pod(text: &str) -> PodParameters {
    let mut tasks =
        parse(&format!("task_id: t\n{text}"), "t.yaml").unwrap_or_else(|errors| panic!("{errors}"));
    tasks.remove(0).pod
}

fn rendered(text: &str) -> PodParameters {
    render(&pod(text), &context()).unwrap_or_else(|error| panic!("{error}"))
}

fn argument(template: &str) -> String {
    let parameters = PodParameters {
        arguments: vec![template.to_owned()],
        ..PodParameters::default()
    };
    render(&parameters, &context()).unwrap().arguments.remove(0)
}

#[test]
fn every_name_of_the_context_has_its_value() {
    for (template, expected) in [
        ("{{ params.n }}", "3"),
        ("{{ params['name'] }}", "x"),
        ("{{ params.deep.list[1] }}", "2"),
        ("{{ params.deep | tojson }}", r#"{"list": [1, 2]}"#),
        (
            "{{ dag_id }} {{ task_id }} {{ run_id }}",
            "etl load manual__2026-01-05",
        ),
        ("{{ map_index }} {{ try_number }}", "4 2"),
        (
            "{{ ti.dag_id }} {{ ti.task_id }} {{ ti.run_id }} {{ ti.map_index }} {{ ti.try_number }}",
            "etl load manual__2026-01-05 4 2",
        ),
        ("{{ ds }} {{ ds_nodash }}", "2026-01-05 20260105"),
        (
            "{{ ts }} {{ ts_nodash }}",
            "2026-01-05T06:07:08+00:00 20260105T060708",
        ),
        ("{{ logical_date }}", "2026-01-05T06:07:08+00:00"),
        ("{{ logical_date.year }}-{{ logical_date.hour }}", "2026-6"),
        ("{{ logical_date.strftime('%d/%m') }}", "05/01"),
        (
            "{{ logical_date.isoformat() }}",
            "2026-01-05T06:07:08+00:00",
        ),
        ("{{ task_instance_key_str }}", "etl__load__20260105"),
        ("{{ env.REGION }}", "eu"),
        ("{{ params.absent | default('d') }}", "d"),
        ("{% if params.on %}on{% else %}off{% endif %}", "on"),
        (
            "{% for i in params.deep.list %}{{ i }};{% endfor %}",
            "1;2;",
        ),
        ("a {# remark #}b", "a b"),
        ("<&\">{{ params.name }}", "<&\">x"),
        ("line\n{{ ds }}\n", "line\n2026-01-05\n"),
        ("plain } text { $(X)", "plain } text { $(X)"),
    ] {
        assert_eq!(argument(template), expected, "{template}");
    }
}

#[test]
fn each_templated_field_is_rendered() {
    let pod = rendered(
        "\
kubernetes_conn_id: 'c-{{ dag_id }}'
namespace: 'n-{{ dag_id }}'
image: 'i:{{ ds_nodash }}'
name: 'job-{{ params.name }}'
cmds: ['{{ params.name }}']
arguments: ['{{ ds }}']
env_from: [{configMapRef: {name: '{{ dag_id }}'}}, {secretRef: {name: '{{ dag_id }}'}}]
configmaps: ['cm-{{ dag_id }}']
cluster_context: '{{ dag_id }}'
config_file: '/{{ dag_id }}'
labels: {a: '{{ dag_id }}', n: 7, '{{ key }}': b}
annotations: {a: '{{ dag_id }}'}
base_container_name: 'b-{{ dag_id }}'
hostname: 'h-{{ dag_id }}'
node_selector: {a: '{{ dag_id }}'}
container_resources: {limits: {cpu: '{{ params.n }}'}, requests: {cpu: '{{ params.n }}'}, claims: [{name: '{{ dag_id }}'}]}
pod_template_file: '/t/{{ dag_id }}.yaml'
trigger_kwargs: {a: [{b: '{{ dag_id }}'}]}
volumes:
  - {name: 'v-{{ dag_id }}', persistentVolumeClaim: {claimName: 'p-{{ dag_id }}'}}
  - {name: c, configMap: {name: 'm-{{ dag_id }}', items: [{key: '{{ dag_id }}', path: p}]}}
  - {name: h, hostPath: {path: '/{{ dag_id }}'}}
volume_mounts: [{name: 'v-{{ dag_id }}', mountPath: '/{{ dag_id }}', subPath: 's-{{ dag_id }}'}]
",
    );
    let value = serde_json::to_value(&pod).unwrap();
    let expected = json!({
        "kubernetes_conn_id": "c-etl",
        "namespace": "n-etl",
        "image": "i:20260105",
        "name": "job-x",
        "cmds": ["x"],
        "arguments": ["2026-01-05"],
        // Of a source only the config map is rendered, as in the reference.
        "env_from": [{"configMapRef": {"name": "etl"}}, {"secretRef": {"name": "{{ dag_id }}"}}],
        "configmaps": ["cm-etl"],
        "cluster_context": "etl",
        "config_file": "/etl",
        "labels": {"a": "etl", "n": 7, "{{ key }}": "b"},
        "annotations": {"a": "etl"},
        "base_container_name": "b-etl",
        "hostname": "h-etl",
        "node_selector": {"a": "etl"},
        "container_resources": {"limits": {"cpu": "3"}, "requests": {"cpu": "3"}, "claims": [{"name": "{{ dag_id }}"}]},
        "pod_template_file": "/t/etl.yaml",
        "trigger_kwargs": {"a": [{"b": "etl"}]},
        "volumes": [
            {"name": "v-etl", "persistentVolumeClaim": {"claimName": "p-etl"}},
            {"name": "c", "configMap": {"name": "m-etl", "items": [{"key": "{{ dag_id }}", "path": "p"}]}},
            {"name": "h", "hostPath": {"path": "/{{ dag_id }}"}},
        ],
        "volume_mounts": [{"name": "v-etl", "mountPath": "/{{ dag_id }}", "subPath": "s-etl"}],
    });
    for (key, expected) in expected.as_object().unwrap() {
        assert_eq!(&value[key], expected, "{key}");
    }
}

#[test]
fn environment_is_rendered_in_both_forms() {
    let map = rendered("env_vars: {A: '{{ ds }}', B: 5, C: null}\n");
    assert_eq!(
        map.env_vars,
        Some(json!({"A": "2026-01-05", "B": 5, "C": null}))
    );
    let list = rendered(
        "env_vars: [{name: '{{ dag_id }}', value: '{{ ds }}'}, {name: S, valueFrom: {secretKeyRef: {name: '{{ x }}', key: k}}}]\n",
    );
    assert_eq!(
        list.env_vars,
        Some(json!([
            {"name": "etl", "value": "2026-01-05"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "{{ x }}", "key": "k"}}},
        ]))
    );
}

#[test]
fn every_text_of_a_template_dict_is_rendered() {
    let pod = rendered(
        "pod_template_dict: {metadata: {name: '{{ dag_id }}'}, spec: {containers: [{name: base, args: ['{{ ds }}']}]}}\n",
    );
    assert_eq!(
        pod.pod_template_dict.unwrap()["spec"]["containers"][0]["args"],
        json!(["2026-01-05"])
    );
}

#[test]
fn fields_that_are_not_templated_stay() {
    let pod = rendered(
        "schedulername: '{{ dag_id }}'\nfull_pod_spec: {metadata: {name: '{{ dag_id }}'}}\ninit_containers: [{name: i, args: ['{{ ds }}']}]\n",
    );
    assert_eq!(pod.schedulername.as_deref(), Some("{{ dag_id }}"));
    assert_eq!(
        pod.full_pod_spec,
        Some(json!({"metadata": {"name": "{{ dag_id }}"}}))
    );
    assert_eq!(pod.init_containers[0]["args"], json!(["{{ ds }}"]));
}

#[test]
fn an_undefined_name_is_told_with_its_field_and_all_fields_at_once() {
    let parameters = pod(
        "arguments: ['ok', '{{ params.epochs }}', '{{ nothing }}']\nlabels: {a/b: '{{ env.HOME }}'}\nimage: '{{ params.n'\n",
    );
    let error = render(&parameters, &context()).unwrap_err();
    let paths: Vec<&str> = error
        .failures
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(
        paths,
        ["image", "arguments[1]", "arguments[2]", "labels[\"a/b\"]"]
    );
    let text = error.to_string();
    assert!(
        text.contains("arguments[1]: params.epochs is not defined"),
        "{text}"
    );
    assert!(
        text.contains("arguments[2]: nothing is not defined"),
        "{text}"
    );
    assert!(text.contains("env.HOME is not defined"), "{text}");
    assert!(
        text.contains("image: the template fails at its line 1: syntax error"),
        "{text}"
    );
}

#[test]
fn parameters_without_templates_are_the_same_afterwards() {
    let parameters = pod("image: busybox\nenv_vars: {A: 1}\nlabels: {x: null}\n");
    assert_eq!(render(&parameters, &context()).unwrap(), parameters);
}

#[test]
fn a_log_formatter_shows_container_and_message() {
    let formatter = LogFormatter::new("<{{ container }}> {{ message }}").unwrap();
    assert_eq!(formatter.format("base", "a & b"), "<base> a & b");
    let error = LogFormatter::new("{{ level }}").unwrap_err();
    assert_eq!(error.to_string(), "log_formatter: level is not defined");
    assert!(LogFormatter::new("{{ message").is_err());
}

#[test]
fn a_template_cannot_run_for_ever() {
    let parameters = PodParameters {
        arguments: vec![
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}"
                .into(),
        ],
        ..PodParameters::default()
    };
    assert!(render(&parameters, &context()).is_err());
}

#[test]
fn a_loop_in_a_line_template_ends() {
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{{ message }}";
    let error = LogFormatter::new(endless).unwrap_err();
    assert!(error.to_string().contains("too many steps"), "{error}");
}
