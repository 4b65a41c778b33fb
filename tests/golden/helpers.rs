//! Small decisions of the reference, case by case.
//!
//! A fault that the reference reports is a fault here. Where the reference itself crashed, we
//! answer: [`AFTER_A_CRASH`] says what.

use adjourn::clock::Timestamp;
use adjourn::operator::verdict::{
    CleanupResult, CleanupRules, ISTIO_CONTAINER, Reuse, cleanup, deletes, kill_deletion,
    most_recent, reuse, start_wait_goes_on, xcom_result,
};
use adjourn::pod::log_line::{Shown, show, show_lines};
use adjourn::pod::logs::{is_log_group_marker, level_of, parse_log_line};
use adjourn::pod::observe::{
    ContainerPhase, PodObservation, PodPhase, container_is_completed, container_is_running,
    container_is_succeeded, container_is_terminated, container_is_waiting, container_phase,
    hopeless_start, observe, termination_message,
};
use adjourn::pod::spec::{
    TaskInstance, find_pod_selector, labels_without_nulls, name_from_ids, name_with_suffix,
    normalise_name, safe_label_value, without_nulls,
};
use adjourn::task::file::{ContainerSelection, OnFinishAction, OnKillAction, SkipCodes};
use chrono::SecondsFormat;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Function {
    function: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "in")]
    input: Value,
    out: Value,
}

/// Whether an answer is the one that is wanted.
type Fits = fn(&Value) -> bool;

/// What we answer where the reference crashed: the function, how the crash begins, our answer.
const AFTER_A_CRASH: &[(&str, &str, Fits)] = &[
    // A base container that the status does not list has no state yet.
    ("define_pod_container_state", "StopIteration", |ours| {
        ours == "undefined"
    }),
    // A status without a state tells nothing, so the container does not run.
    ("container_status_without_state", "AttributeError", |ours| {
        ours == false
    }),
    // A pod without a time counts as the oldest; among none there is none.
    ("_get_most_recent_pod_index", "TypeError", Value::is_u64),
    ("_get_most_recent_pod_index", "ValueError", Value::is_null),
];

/// Our answer to a case: the answer, or why there is none.
type Answer = Result<Value, String>;

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not text: {value}"))
}

fn parsed<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn flag(value: &Value) -> bool {
    value
        .as_bool()
        .unwrap_or_else(|| panic!("not a flag: {value}"))
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn pod(value: &Value) -> Option<PodObservation> {
    (!value.is_null()).then(|| observe(&parsed(value)))
}

fn task_instance(context: &Value) -> Option<TaskInstance<'_>> {
    (!context.is_null()).then(|| TaskInstance {
        dag_id: text(&context["dag_id"]),
        task_id: text(&context["task_id"]),
        run_id: text(&context["run_id"]),
        map_index: context["map_index"]
            .as_i64()
            .map_or(-1, |index| i32::try_from(index).unwrap()),
        try_number: u32::try_from(context["try_number"].as_u64().unwrap()).unwrap(),
    })
}

fn answer(function: &str, input: &Value) -> Answer {
    Ok(match function {
        "make_safe_label_value" => json!(safe_label_value(text(input))),
        "add_unique_suffix" => {
            let suffix = "z".repeat(size(&input["rand_len"]));
            json!(name_with_suffix(
                text(&input["name"]),
                &suffix,
                size(&input["max_len"])
            ))
        }
        "create_unique_id" => unique_id(input)?,
        "_set_name" => match input {
            Value::Null => Value::Null,
            name => json!(normalise_name(text(name)).map_err(|error| error.to_string())?),
        },
        "_normalize_labels_dict" => Value::Object(labels_without_nulls(input.as_object().unwrap())),
        "prune_dict" => without_nulls(input),
        "_build_find_pod_label_selector" => json!(find_pod_selector(
            input["labels"].as_object().unwrap(),
            task_instance(&input["context"]).as_ref(),
            !flag(&input["exclude_checked"]),
        )),
        "parse_log_line" => log_line(text(input)),
        "_parse_log_level" => {
            let level = level_of(text(input));
            json!({"level": level.number(), "name": level.as_str()})
        }
        "is_log_group_marker" => json!(is_log_group_marker(text(input))),
        "_log_message" => shown(&show(
            text(&input["message"]),
            text(&input["container_name"]),
            flag(&input["container_name_log_prefix_enabled"]),
        )),
        "_emit_container_logs" => {
            let lines: Vec<String> = parsed(&input["lines"]);
            let now: Timestamp = parsed(&input["now"]);
            let lines = lines.iter().map(String::as_str);
            show_lines(lines, now, text(&input["container_name"]), true)
                .iter()
                .map(shown)
                .collect()
        }
        "_reconcile_requested_log_containers" => {
            // What is no selection at all selects nothing.
            let wanted = serde_json::from_value(input["requested"].clone())
                .unwrap_or(ContainerSelection::All(false));
            json!(wanted.among(&parsed::<Vec<String>>(&input["actual"])).found)
        }
        "_get_most_recent_pod_index" => {
            json!(most_recent(
                &parsed::<Vec<k8s_openapi::api::core::v1::Pod>>(input)
            ))
        }
        "process_pod_deletion" => {
            let action: OnFinishAction = parsed(&input["on_finish_action"]);
            json!(pod(&input["pod"]).is_some_and(|pod| deletes(&pod, action, "base")))
        }
        "cleanup" => end(input)?,
        "get_or_create_pod" => taken_up(input),
        "extract_xcom" => {
            json!({"value": xcom_result(text(input)).map_err(|error| error.to_string())?})
        }
        "on_kill" => killed(input),
        "should_wait" => {
            let phase: PodPhase = parsed(&input["pod_phase"]);
            json!(start_wait_goes_on(
                phase,
                container_word(text(&input["container_state"]))
            ))
        }
        _ => return of_container(function, input),
    })
}

/// The functions that look at one container of a pod.
fn of_container(function: &str, input: &Value) -> Answer {
    if function == "detect_pod_terminate_early_issues" {
        let found = pod(input).and_then(|pod| hopeless_start(&pod));
        return Ok(found.map_or(Value::Null, |hopeless| {
            json!(format!(
                "Image cannot be pulled, unable to start: {}\n{}",
                hopeless.reason, hopeless.message
            ))
        }));
    }
    let seen = pod(&input["pod"]);
    let ask = |question: fn(&PodObservation, &str) -> bool| {
        let name = text(&input["container_name"]);
        json!(seen.as_ref().is_some_and(|pod| question(pod, name)))
    };
    Ok(match function {
        "container_is_running" | "container_status_without_state" => ask(container_is_running),
        "container_is_completed" => ask(container_is_completed),
        "container_is_succeeded" => ask(container_is_succeeded),
        "container_is_wait" => ask(container_is_waiting),
        "container_is_terminated" => ask(container_is_terminated),
        "get_container_termination_message" => json!(
            seen.as_ref()
                .and_then(|pod| termination_message(pod, text(&input["container_name"])))
        ),
        "define_pod_container_state" => {
            let base = text(&input["base_container_name"]);
            json!(container_phase(seen.as_ref().unwrap(), base).as_str())
        }
        unknown => panic!("{unknown} is a function that this test does not know"),
    })
}

fn unique_id(input: &Value) -> Answer {
    let max_length = size(&input["max_length"]);
    let name = name_from_ids(
        input["dag_id"].as_str(),
        input["task_id"].as_str(),
        max_length,
    )
    .map_err(|error| error.to_string())?;
    Ok(if flag(&input["unique"]) {
        json!(name_with_suffix(&name, "zzzzzzzz", max_length))
    } else {
        json!(name)
    })
}

fn log_line(line: &str) -> Value {
    let parsed = parse_log_line(line);
    let timestamp = parsed.timestamp.map(|time| {
        let form = if time.timestamp_subsec_micros() == 0 {
            SecondsFormat::Secs
        } else {
            SecondsFormat::Micros
        };
        time.to_rfc3339_opts(form, false)
    });
    json!({"timestamp": timestamp, "message": parsed.message})
}

fn shown(shown: &Shown) -> Value {
    match shown {
        Shown::Marker(text) => json!({"printed": text}),
        Shown::Message { level, text } => json!({"level": level.as_str(), "text": text}),
    }
}

fn container_word(word: &str) -> ContainerPhase {
    [
        ContainerPhase::Waiting,
        ContainerPhase::Running,
        ContainerPhase::Terminated,
        ContainerPhase::Failed,
        ContainerPhase::Undefined,
    ]
    .into_iter()
    .find(|phase| phase.as_str() == word)
    .unwrap_or_else(|| panic!("no container state is called {word}"))
}

/// The end of a task. The sentences are the reference's; ours hold the same facts.
fn end(input: &Value) -> Answer {
    let codes: SkipCodes = serde_json::from_value(input["skip_on_exit_code"].clone())
        .map_err(|error| error.to_string())?;
    let nothing = json!({"result": "success", "deleted": false, "marked_already_checked": false});
    let killed = input.get("killed").is_some_and(flag);
    let Some(seen) = pod(&input["pod"]).filter(|_| !killed) else {
        return Ok(nothing);
    };
    let containers: Vec<String> = input
        .get("containers_in_spec")
        .map_or_else(Vec::new, parsed);
    let rules = CleanupRules {
        base: input["base_container_name"].as_str().unwrap_or("base"),
        skip_on_exit_code: &codes,
        do_xcom_push: flag(&input["do_xcom_push"]),
        istio: containers.iter().any(|name| name == ISTIO_CONTAINER),
        on_finish_action: parsed(&input["on_finish_action"]),
    };
    let result = input.get("xcom_result");
    let end = cleanup(&seen, &rules, result);
    let mut out = Map::new();
    let name = &seen.identity.name;
    match end.result {
        CleanupResult::Succeeded => {
            out.insert("result".into(), json!("success"));
        }
        CleanupResult::Skipped { exit_code } => {
            out.insert("result".into(), json!("skipped"));
            let code = exit_code.map_or_else(|| "None".to_owned(), |code| code.to_string());
            let message = format!("Pod {name} returned exit code {code}. Skipping.");
            out.insert("message".into(), json!(message));
        }
        CleanupResult::Failed {
            termination_message,
        } => {
            out.insert("result".into(), json!("failed"));
            let mut message = format!("Pod {name} returned a failure.");
            if let Some(last) = termination_message {
                message = format!("{message}\n{last}");
            }
            out.insert("message".into(), json!(message));
        }
    }
    out.insert("deleted".into(), json!(end.deletes));
    out.insert("marked_already_checked".into(), json!(end.marks_checked));
    if end.keeps_result {
        out.insert("xcom_pushed".into(), json!({"return_value": result}));
    }
    Ok(Value::Object(out))
}

fn taken_up(input: &Value) -> Value {
    let existing = pod(&input["existing"]);
    let action = parsed(&input["on_finish_action"]);
    match reuse(existing.as_ref(), flag(&input["durable"]), action, "base") {
        Reuse::Existing => json!({"uses": "existing", "created": false, "deleted_existing": false}),
        Reuse::New { deletes_existing } => {
            json!({"uses": "new", "created": true, "deleted_existing": deletes_existing})
        }
    }
}

fn killed(input: &Value) -> Value {
    let action: OnKillAction = parsed(&input["on_kill_action"]);
    let grace = input["termination_grace_period"].as_i64();
    let call = kill_deletion(action, grace, flag(&input["pod_known"])).map(|deletion| {
        let mut call = json!({"name": "p", "namespace": "n"});
        if let Some(seconds) = deletion.grace_period_seconds {
            call["grace_period_seconds"] = json!(seconds);
        }
        call
    });
    json!({"delete_call": call})
}

fn difference(function: &str, case: &Case) -> Option<String> {
    let ours = answer(function, &case.input);
    let Some(error) = case.out.get("error").and_then(Value::as_str) else {
        return (ours.as_ref() != Ok(&case.out)).then(|| {
            format!(
                "{}\n  expected {}\n  ours     {ours:?}",
                case.input, case.out
            )
        });
    };
    let after_a_crash = AFTER_A_CRASH
        .iter()
        .find(|(name, crash, _)| *name == function && error.starts_with(crash));
    let fits = match (after_a_crash, &ours) {
        (Some((_, _, fits)), Ok(value)) => fits(value),
        (None, Err(_)) => true,
        (Some(_), Err(_)) | (None, Ok(_)) => false,
    };
    (!fits).then(|| format!("{}\n  reference {error}\n  ours      {ours:?}", case.input))
}

#[test]
fn every_recorded_decision_is_made_the_same() {
    let functions: Vec<Function> =
        serde_json::from_str(include_str!("../fixtures/golden/helpers.json")).unwrap();
    assert!(!functions.is_empty());
    let mut differences = Vec::new();
    for Function { function, cases } in &functions {
        assert!(!cases.is_empty(), "{function}");
        differences.extend(cases.iter().filter_map(|case| {
            difference(function, case).map(|text| format!("{function}: {text}"))
        }));
    }
    assert!(
        differences.is_empty(),
        "{} cases differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
