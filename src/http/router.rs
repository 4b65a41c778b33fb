//! Which request goes where, and the document that says so.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, path::Operation};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::guard;
use super::problem::{PROBLEM, Problem, ProblemKind};
use super::schema::{TaskName, add_task_file};
use super::server::Api;
use super::{bulk, health, log, metrics, page, stream, submit, tasks};

/// The document's own words.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Adjourn",
        description = "Kubernetes pods as durable, deferrable tasks: what `adjourn serve` answers.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem, ProblemKind, TaskName)),
    security(("token" = [])),
    tags(
        (name = "tasks", description = "Tasks one by one, and lists of them"),
        (name = "bulk", description = "Many tasks at once"),
        (name = "log", description = "What containers wrote"),
        (name = "changes", description = "What happens, as it happens"),
        (name = "health", description = "How the daemon is")
    )
)]
struct Words;

/// The routes with the OpenAPI document that names each of them.
fn routes() -> OpenApiRouter<Arc<Api>> {
    let below = OpenApiRouter::new()
        .routes(routes!(tasks::list, submit::submit))
        .routes(routes!(tasks::get))
        .routes(routes!(tasks::history))
        .routes(routes!(tasks::xcom))
        .routes(routes!(tasks::xcom_value))
        .routes(routes!(tasks::cancel))
        .routes(routes!(tasks::retry))
        .routes(routes!(log::range))
        .routes(routes!(log::style))
        .routes(routes!(log::text))
        .routes(routes!(log::follow))
        .routes(routes!(bulk::cancel))
        .routes(routes!(bulk::retry))
        .routes(routes!(tasks::triggers))
        .routes(routes!(stream::changes))
        .routes(routes!(stream::follow))
        .routes(routes!(stream::commits))
        .routes(routes!(tasks::disposals))
        .routes(routes!(health::stats));
    OpenApiRouter::with_openapi(Words::openapi())
        .nest("/api/v1", below)
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::openapi))
        .routes(routes!(metrics::metrics))
}

/// The paths to which something may be sent.
pub(super) fn posts() -> HashSet<String> {
    let (_, document) = routes().split_for_parts();
    let paths = document.paths.paths.into_iter();
    paths
        .filter(|(_, item)| item.post.is_some())
        .map(|(path, _)| path)
        .collect()
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> String {
    let (_, mut document) = routes().split_for_parts();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "Needed where there are tokens; `adjourn token create NAME` makes one.",
        ))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(scheme));
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            add_problem(operation);
        }
    }
    // A document that is made from types always serialises.
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    add_task_file(&mut document);
    format!("{document:#}")
}

/// Whatever goes wrong is told in one form.
fn add_problem(operation: &mut Operation) {
    let content = ContentBuilder::new()
        .schema(Some(RefOr::Ref(Ref::from_schema_name("Problem"))))
        .build();
    let response = ResponseBuilder::new()
        .description("what is wrong")
        .content(PROBLEM, content)
        .build();
    let responses = &mut operation.responses.responses;
    for status in ["4XX", "5XX"] {
        responses.insert(status.to_owned(), RefOr::T(response.clone()));
    }
}

/// What answers requests.
pub(super) fn router(api: Arc<Api>) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(async || {
            let detail = "nothing is here; /openapi.json says what is where";
            Problem::new(ProblemKind::NotFound, detail)
        })
        .method_not_allowed_fallback(async || {
            let detail = "this is not done here; /openapi.json says what is";
            Problem::new(ProblemKind::MethodNotAllowed, detail)
        })
        .layer(from_fn_with_state(Arc::clone(&api), guard))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(Arc::clone(&api))
        .merge(page::routes(api))
}
