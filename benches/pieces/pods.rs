//! Making a pod from a task's parameters, and what goes before it.

use std::collections::BTreeMap;

use adjourn::pod::spec::{
    BuildContext, ConnectionDefaults, PodManifest, RandomNames, Stamps, TaskInstance, build,
    validate,
};
use adjourn::task::file::{TaskFile, parse};
use adjourn::task::template::{TemplateContext, render};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A plain task, and one with most of what a task can have.
const TASKS: [&str; 2] = ["plain", "typical"];

fn text(which: &str) -> &'static str {
    match which {
        "plain" => include_str!("../../examples/hello.yaml"),
        _ => include_str!("../../examples/gpu-training.yaml"),
    }
}

fn task(which: &str) -> TaskFile {
    parse(text(which), which)
        .ok()
        .and_then(|mut tasks| tasks.pop())
        .unwrap_or_else(|| panic!("{which} is no task file"))
}

fn made(task: &TaskFile) -> PodManifest {
    let connection = ConnectionDefaults::default();
    let context = BuildContext {
        task_id: &task.task_id,
        task: Some(TaskInstance {
            dag_id: &task.dag_id,
            task_id: &task.task_id,
            run_id: "manual__2026-01-05T00:00:00+00:00",
            map_index: -1,
            try_number: 1,
        }),
        connection: &connection,
        service_account_namespace: None,
        stamps: Stamps::default(),
        normalise_name: true,
    };
    let mut names = RandomNames::new(StdRng::seed_from_u64(1));
    build(&task.pod, &context, &mut names).unwrap_or_else(|error| panic!("{error}"))
}

#[divan::bench(args = TASKS)]
fn build_pod(bencher: divan::Bencher<'_, '_>, which: &str) {
    let task = task(which);
    bencher.bench(|| made(&task));
}

#[divan::bench(args = TASKS)]
fn validate_pod(bencher: divan::Bencher<'_, '_>, which: &str) {
    let pod = made(&task(which));
    bencher.bench(|| validate(&pod));
}

#[divan::bench(args = TASKS)]
fn render_templates(bencher: divan::Bencher<'_, '_>, which: &str) {
    let task = task(which);
    let context = TemplateContext {
        params: task.params.clone(),
        dag_id: task.dag_id.clone(),
        task_id: task.task_id.clone(),
        run_id: "manual__2026-01-05T00:00:00+00:00".to_owned(),
        map_index: -1,
        try_number: 1,
        logical_date: chrono::DateTime::UNIX_EPOCH,
        env: BTreeMap::new(),
    };
    bencher.bench(|| render(&task.pod, &context));
}

#[divan::bench(args = TASKS)]
fn parse_task_file(which: &str) -> usize {
    parse(divan::black_box(text(which)), which).map_or(0, |tasks| tasks.len())
}
