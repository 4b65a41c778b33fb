//! Taking tasks in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemKind};
use super::query::Asked;
use super::schema::TaskDocument;
use super::server::Api;
use crate::service::SubmittedView;
use crate::task::file::{self, TaskFile};

/// The media type of tasks that a client has read already, in the form in which they are stored.
pub const DEFINITIONS: &str = "application/vnd.adjourn.definitions+json";

/// The tasks that were taken in.
#[derive(Serialize, ToSchema)]
pub(super) struct Taken {
    /// In the order of the file.
    tasks: Vec<SubmittedView>,
    /// What the writer of the file should know although it is no error.
    warnings: Vec<String>,
}

/// Take in the tasks of a task file, all or none.
///
/// A task whose key and definition are there already is that task: sending a request again does
/// nothing twice. The schema of a task file is what `adjourn schema` prints.
#[utoipa::path(post, path = "/tasks", tag = "tasks", operation_id = "submit_tasks",
    request_body(description = "a task file: one task, or a list of them", content(
        (TaskDocument = "application/json"), (String = "application/yaml"))),
    responses((status = 200, description = "every task was there already", body = Taken),
              (status = 201, description = "at least one task is new", body = Taken)))]
pub(super) async fn submit(
    State(api): State<Arc<Api>>,
    asked: Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    asked.end()?;
    let stored_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(DEFINITIONS.as_bytes()));
    // A large file takes its time, and others want to be answered meanwhile.
    let read = move || {
        if stored_form {
            definitions(&body)
        } else {
            task_file(&body)
        }
    };
    let tasks = tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Problem::new(ProblemKind::Failed, error.to_string()))??;
    let warnings = tasks
        .iter()
        .flat_map(|task| {
            let of = |warning| format!("task {}: {warning}", task.task_id);
            task.warnings.iter().map(of)
        })
        .collect();
    let tasks = api.service.take_in(tasks).await?;
    let status = if tasks.iter().any(|task| task.created) {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(Taken { tasks, warnings })))
}

fn task_file(body: &[u8]) -> Result<Vec<TaskFile>, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::new(ProblemKind::TaskFile, "the task file is not UTF-8"))?;
    Ok(file::parse(text, "body")?)
}

fn definitions(body: &[u8]) -> Result<Vec<TaskFile>, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("the definitions cannot be understood: {error}");
        Problem::new(ProblemKind::TaskFile, detail)
    })
}
