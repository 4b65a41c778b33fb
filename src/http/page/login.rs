//! The form for a token, and the way out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, extract::RawQuery};
use bytes::Bytes;
use http::{StatusCode, header};
use serde::Serialize;

use super::form::Form;
use super::gate::Visitor;
use super::render::render;
use super::session;
use crate::http::server::Api;

#[derive(Serialize)]
struct LoginPage<'a> {
    next: &'a str,
    wrong: bool,
}

pub(super) async fn show(
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Response {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let next = form.next();
    if visitor.known {
        return Redirect::to(next).into_response();
    }
    let page = LoginPage { next, wrong: false };
    render("login.html", &visitor, page)
}

pub(super) async fn enter(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    body: Bytes,
) -> Response {
    let form = Form::read(&body);
    let next = form.next();
    let token = form.get("token").map(str::trim).unwrap_or_default();
    let known = api.access.caller(Some(&format!("Bearer {token}"))).is_ok();
    let cookie = session::keep(token, api.tls).filter(|_| known);
    let Some(cookie) = cookie else {
        let mut response = render("login.html", &visitor, LoginPage { next, wrong: true });
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return response;
    };
    let mut response = Redirect::to(next).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

pub(super) async fn leave(State(api): State<Arc<Api>>) -> Response {
    let mut response = Redirect::to("/login").into_response();
    if let Some(cookie) = session::drop(api.tls) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
