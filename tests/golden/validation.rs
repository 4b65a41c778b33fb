//! What a real API server said to pods that were to be created: ours says it beforehand.

use adjourn::pod::spec::{PodManifest, validate};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Recording {
    about: String,
    pod: Value,
    status: u16,
    fields: Vec<String>,
}

fn recordings() -> Vec<Recording> {
    serde_json::from_str(include_str!("../fixtures/pod_creation.json")).unwrap()
}

#[test]
fn what_the_api_server_takes_is_valid() {
    for recording in recordings() {
        if recording.status == 201 && !recording.about.contains("unknown field") {
            let violations = validate(&PodManifest::new(recording.pod));
            assert_eq!(violations, [], "{}", recording.about);
        }
    }
}

#[test]
fn what_the_api_server_refuses_is_told_for_the_same_fields() {
    for recording in recordings() {
        if recording.status == 201 {
            continue;
        }
        let paths: Vec<String> = validate(&PodManifest::new(recording.pod))
            .into_iter()
            .map(|violation| violation.path)
            .collect();
        assert!(!paths.is_empty(), "{}: nothing told", recording.about);
        // The server names the map of labels where we name the label.
        let matches = |path: &str, field: &str| {
            path.strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if recording.status == 422 {
            for field in &recording.fields {
                assert!(
                    paths.iter().any(|path| matches(path, field)),
                    "{}: {field} is not among {paths:?}",
                    recording.about
                );
            }
            assert_eq!(
                paths.len(),
                recording.fields.len(),
                "{}: {paths:?}",
                recording.about
            );
        }
    }
}
