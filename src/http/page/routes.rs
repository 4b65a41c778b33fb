//! Which page is where.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::gate::gate;
use super::{assets, list, login, overview, task, wish};
use crate::http::server::Api;

/// The pages, with who may see them already decided.
pub(in crate::http) fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/", get(list::show))
        .route("/overview", get(overview::show))
        .route("/tasks/{task}", get(task::show))
        .route("/tasks/{task}/cancel", post(wish::cancel_one))
        .route("/tasks/{task}/retry", post(wish::retry_one))
        .route("/confirm", get(wish::confirm))
        .route("/bulk/cancel", post(wish::cancel_many))
        .route("/bulk/retry", post(wish::retry_many))
        .route("/login", get(login::show).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/assets/{name}", get(assets::give))
        .layer(from_fn_with_state(Arc::clone(&api), gate))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(api)
}
