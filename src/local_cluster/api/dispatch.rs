//! From a request to the code that answers it.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::access::{self, Attributes};
use super::create;
use super::delete;
use super::discovery;
use super::eviction;
use super::exec;
use super::faults;
use super::form;
use super::list;
use super::logs;
use super::media::{self, Form};
use super::metrics;
use super::query::{ListOptions, Query};
use super::refusal::Refusal;
use super::selection::Selection;
use super::serve::Api;
use super::target::{Collection, Subresource, Target};
use super::update::{self, Part};
use super::watch;
use crate::local_cluster::objects::{Object, ObjectKey};

/// The largest body that is read.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Answers any request.
pub(crate) async fn handle(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let yaml = media::wants_yaml(&parts.headers);
    let target = Target::parse(parts.uri.path()).ok();
    let watching = Query::parse(parts.uri.query().unwrap_or_default()).flag("watch");
    let method = parts.method.clone();
    let counted = |response: Response| {
        if let Some(target) = &target {
            let code = response.status();
            api.requests.count(&method, target, watching, code);
        }
        response
    };
    let fault = target
        .as_ref()
        .and_then(|target| api.faults.draw(&method, target, parts.uri.path(), watching));
    if let Some(fault) = &fault
        && let Some(response) = fault.before().await
    {
        return counted(response);
    }
    let answered = answer(&api, &mut parts, body).await;
    let mut response = counted(answered.unwrap_or_else(IntoResponse::into_response));
    if let Some(fault) = &fault {
        response = fault.after(response);
    }
    if yaml {
        in_yaml(response).await
    } else {
        response
    }
}

async fn answer(api: &Arc<Api>, parts: &mut Parts, body: Body) -> Result<Response, Refusal> {
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let target = Target::parse(parts.uri.path());
    // Whoever may not ask is not told what there is either.
    let user = access::authenticate(api, &parts.headers)?;
    let unknown = || Target::Document(parts.uri.path().trim_matches('/').to_owned());
    let wanted = Attributes::of(
        &parts.method,
        parts.uri.path(),
        target.as_ref().unwrap_or(&unknown()),
        &query,
    );
    access::authorize(&api.objects, &user, &wanted)?;
    let target = target?;
    if let Target::Sub(key, Subresource::Exec) = &target {
        // A command is started by a GET, and yet it is more than a look.
        access::authorize(&api.objects, &user, &wanted.with_verb("create"))
            .map_err(|_| Refusal::forbidden("pods", Some(&key.name), ""))?;
        return exec::respond(api, key, parts).await;
    }
    let body = axum::body::to_bytes(body, BODY_LIMIT)
        .await
        .map_err(|_| Refusal::too_large(BODY_LIMIT))?;
    let request = Incoming {
        api,
        events_group: parts.uri.path().starts_with("/apis/events.k8s.io/"),
        method: &parts.method,
        headers: &parts.headers,
        query: &query,
        body,
    };
    match target {
        Target::Document(path) if path == faults::PATH => {
            faults::respond(api, request.method, &request.body).await
        }
        Target::Document(path) if *request.method == Method::GET && path == metrics::PATH => {
            Ok(api.requests.respond())
        }
        Target::Document(path) if *request.method == Method::GET => discovery::respond(&path),
        Target::Document(path) if *request.method == Method::POST => {
            access::respond_review(api, &user, &path, request.headers, &request.body)
        }
        Target::Document(_) => Err(Refusal::method_not_allowed()),
        Target::Collection(collection) => request.collection(collection),
        Target::Object(key) => request.object(&key),
        Target::Sub(key, sub) => request.sub(&key, sub),
    }
}

/// A request whose sender may ask.
struct Incoming<'a> {
    api: &'a Arc<Api>,
    /// Events were asked for in the form of their own group, which is for reading.
    events_group: bool,
    method: &'a Method,
    headers: &'a HeaderMap,
    query: &'a Query,
    body: Bytes,
}

impl Incoming<'_> {
    fn collection(&self, collection: Collection) -> Result<Response, Refusal> {
        match *self.method {
            Method::GET | Method::HEAD => self.list_or_watch(collection),
            Method::POST if collection.watch.is_none() && !collection.events_group => {
                if collection.resource.namespaced() && collection.namespace.is_none() {
                    return Err(Refusal::method_not_allowed());
                }
                create::respond(self.api, &collection, self.query, self.headers, &self.body)
            }
            Method::DELETE if collection.watch.is_none() => {
                let options = delete::options(self.query, self.headers, &self.body)?;
                delete::respond_collection(self.api, &collection, self.query, &options)
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn list_or_watch(&self, collection: Collection) -> Result<Response, Refusal> {
        let form = media::accepted(self.headers)?;
        let mut options = ListOptions::parse(self.query)?;
        let include_object = self.query.text("includeObject");
        let name = collection.watch.clone();
        options.watch |= name.is_some();
        let selection = Selection::parse(collection.resource, &options)?.named(name.flatten());
        if options.watch {
            return watch::respond(
                self.api,
                collection,
                selection,
                &options,
                form,
                include_object,
            );
        }
        list::respond(
            self.api,
            &collection,
            &selection,
            &options,
            form,
            include_object,
        )
    }

    fn object(&self, key: &ObjectKey) -> Result<Response, Refusal> {
        let (api, query, headers, body) = (self.api, self.query, self.headers, &self.body);
        match *self.method {
            Method::GET | Method::HEAD => self.get(key),
            Method::PUT | Method::PATCH if self.events_group => Err(Refusal::method_not_allowed()),
            Method::PUT => update::put(api, key, Part::Main, query, headers, body),
            Method::PATCH => update::patch(api, key, Part::Main, query, headers, body),
            Method::DELETE => {
                let options = delete::options(query, headers, body)?;
                delete::respond(api, key, &options)
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn get(&self, key: &ObjectKey) -> Result<Response, Refusal> {
        let form = media::accepted(self.headers)?;
        let object = self.find(key)?;
        let body = match form {
            Form::Whole if self.events_group => form::grouped_event(&object),
            Form::Whole => return Ok(media::object(StatusCode::OK, &object)),
            Form::Table => {
                form::Columns::of(key.resource).single(&object, self.query.text("includeObject"))
            }
            Form::Metadata => form::metadata(&object),
            Form::MetadataList => {
                return Err(Refusal::not_acceptable(
                    "you requested PartialObjectMetadataList, but the requested object is not a list",
                ));
            }
        };
        Ok(media::json(StatusCode::OK, &body))
    }

    fn find(&self, key: &ObjectKey) -> Result<Object, Refusal> {
        self.api
            .objects
            .get(key)
            .ok_or_else(|| Refusal::not_found(key.resource.plural(), &key.name))
    }

    fn sub(&self, key: &ObjectKey, sub: Subresource) -> Result<Response, Refusal> {
        let (api, query, headers, body) = (self.api, self.query, self.headers, &self.body);
        match (sub, self.method) {
            (Subresource::Status, &Method::GET) => self.get(key),
            (Subresource::Status, &Method::PUT) => {
                update::put(api, key, Part::Status, query, headers, body)
            }
            (Subresource::Status, &Method::PATCH) => {
                update::patch(api, key, Part::Status, query, headers, body)
            }
            (Subresource::Log, &Method::GET) => logs::respond(api, key, query),
            (Subresource::Token, &Method::POST) => {
                access::respond_token_request(api, key, query, headers, body)
            }
            (Subresource::Eviction, &Method::POST) => eviction::respond(api, key, query, body),
            (
                Subresource::Status
                | Subresource::Log
                | Subresource::Exec
                | Subresource::Attach
                | Subresource::PortForward
                | Subresource::Eviction
                | Subresource::Binding
                | Subresource::Finalize
                | Subresource::Token,
                _,
            ) => Err(Refusal::method_not_allowed()),
        }
    }
}

/// The same answer, its JSON written as YAML.
async fn in_yaml(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    // A watch has no end to wait for: only bodies whose length is known are rewritten.
    if !is_json || response.body().size_hint().exact().is_none() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Refusal::internal("the answer could not be written as YAML").into_response();
    };
    let yaml = serde_json::from_slice::<serde_json::Value>(&bytes)
        .ok()
        .and_then(|value| serde_saphyr::to_string(&value).ok());
    match yaml {
        Some(yaml) => {
            parts.headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/yaml"),
            );
            Response::from_parts(parts, Body::from(yaml))
        }
        None => Response::from_parts(parts, Body::from(bytes)),
    }
}
