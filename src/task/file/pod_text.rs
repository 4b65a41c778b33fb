//! The text of a pod template file.

use serde_json::{Map, Value};

use super::api_type::{core_type, read_object};
use super::problem::{Problem, Problems, Stage, TaskFileErrors};
use super::yaml::{self, Content};

/// Reads the text of a pod template file, strictly, as one pod.
///
/// `origin` is the file's name, for the messages.
///
/// # Errors
/// If the text is not YAML, is empty, holds more than one document, or is not a pod.
pub fn read_pod(text: &str, origin: &str) -> Result<Map<String, Value>, TaskFileErrors> {
    let fail = |problems| TaskFileErrors {
        origin: origin.to_owned(),
        problems,
    };
    let one = |position, message: &str| fail(vec![Problem::new(position, message, Stage::Build)]);
    let documents = yaml::documents(text).map_err(|error| one(error.position, &error.message))?;
    let document = match documents.as_slice() {
        [] => return Err(one(None, "is empty, and a pod is wanted")),
        [document] if document.content == Content::Null => {
            return Err(one(None, "is empty, and a pod is wanted"));
        }
        [document] => document,
        [_, second, ..] => {
            return Err(one(
                second.position,
                "holds more than one document, and one pod is wanted",
            ));
        }
    };
    let mut problems = Problems::new(Stage::Build);
    let pod = read_object(document, &core_type("Pod"), "", &mut problems);
    if let Value::Object(pod) = pod
        && problems.len() == 0
    {
        return Ok(pod);
    }
    Err(fail(problems.into_sorted()))
}
