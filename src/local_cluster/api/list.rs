//! Answering a list, whole or in pages.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::form::{self, Columns};
use super::media::{self, Form};
use super::query::{ListOptions, VersionMatch};
use super::refusal::Refusal;
use super::selection::Selection;
use super::serve::Api;
use super::target::Collection;
use crate::local_cluster::objects::{Object, ObjectError, ObjectKey};

/// Where the next page begins: the text inside a `continue` token.
#[derive(Debug, Serialize, Deserialize)]
struct PageToken {
    v: String,
    /// The version of the first page; -1 when the rest may be of any version.
    rv: i64,
    /// The key after which the page begins, ended by a NUL.
    start: String,
}

impl PageToken {
    fn new(rv: i64, last_key: &str) -> Self {
        Self {
            v: "meta.k8s.io/v1".into(),
            rv,
            start: format!("{last_key}\0"),
        }
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: String| {
            Refusal::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| refuse(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))
    }

    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!(self).to_string())
    }

    /// The last key of the page before this one.
    fn after(&self, collection: &Collection) -> ObjectKey {
        let resource = collection.resource;
        let key = self.start.trim_end_matches('\0').trim_start_matches('/');
        let (namespace, name) = match (&collection.namespace, key.split_once('/')) {
            (None, Some((namespace, name))) => (Some(namespace), name),
            (namespace, _) => (namespace.as_deref(), key),
        };
        ObjectKey {
            resource,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }
}

/// One page of objects.
pub(crate) struct Page {
    pub objects: Vec<Object>,
    pub version: u64,
    pub continue_token: Option<String>,
    pub remaining: Option<usize>,
}

/// Finds the objects that a list asks for.
pub(crate) fn page(
    api: &Api,
    collection: &Collection,
    selection: &Selection,
    options: &ListOptions,
) -> Result<Page, Refusal> {
    let namespace = collection.namespace.as_deref();
    let resource = collection.resource;
    let token = options
        .continue_token
        .as_deref()
        .map(PageToken::parse)
        .transpose()?;
    if token.is_some()
        && options
            .resource_version
            .as_deref()
            .is_some_and(|rv| rv != "0")
    {
        return Err(Refusal::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let wanted = options
        .resource_version
        .as_deref()
        .map(parse_version)
        .transpose()?
        .unwrap_or(0);
    let current = api.objects.version();
    if wanted > current {
        return Err(Refusal::version_in_future(wanted, current));
    }
    let expired = |error: ObjectError| match error {
        ObjectError::Expired { .. } => match &token {
            Some(token) => expired_page(token),
            None => Refusal::expired("The resourceVersion for the provided list is too old."),
        },
        other @ (ObjectError::NotFound(_)
        | ObjectError::AlreadyExists { .. }
        | ObjectError::Conflict { .. }
        | ObjectError::Malformed(_)
        | ObjectError::Storage(_)) => Refusal::from_store(resource, &other),
    };
    let at = match &token {
        Some(token) => u64::try_from(token.rv).ok(),
        None => (options.version_match == VersionMatch::Exact).then_some(wanted),
    };
    let after = token.as_ref().map(|token| token.after(collection));
    let narrowed = match (&token, at) {
        (None, None) => selection
            .narrow()
            .and_then(|narrow| api.objects.list_narrowed(resource, namespace, narrow)),
        (Some(_), _) | (_, Some(_)) => None,
    };
    let (mut selected, version) = match narrowed {
        Some(narrowed) => narrowed,
        None => {
            let listed = api.objects.list_at(resource, namespace, at, after.as_ref());
            listed.map_err(expired)?
        }
    };
    selected.retain(|object| selection.matches(object));
    // Any version will do: then the answer comes from memory and in one piece.
    let limit = options
        .limit
        .filter(|_| options.resource_version.as_deref() != Some("0"));
    let mut page = Page {
        objects: Vec::new(),
        version,
        continue_token: None,
        remaining: None,
    };
    if let Some(limit) = limit
        && selected.len() > limit
    {
        let rest = selected.len() - limit;
        selected.truncate(limit);
        if let Some(last) = selected.last() {
            let rv = i64::try_from(version).unwrap_or(-1);
            page.continue_token = Some(PageToken::new(rv, &page_key(collection, last)).text());
        }
        page.remaining = selection.is_everything().then_some(rest);
    }
    page.objects = selected;
    Ok(page)
}

/// Answers a list.
pub(crate) fn respond(
    api: &Api,
    collection: &Collection,
    selection: &Selection,
    options: &ListOptions,
    form: Form,
    include_object: Option<&str>,
) -> Result<Response, Refusal> {
    if form == Form::Metadata {
        return Err(Refusal::not_acceptable(format!(
            "you requested PartialObjectMetadata, but the requested object is a list (*core.{}List)",
            collection.resource.kind()
        )));
    }
    let page = page(api, collection, selection, options)?;
    Ok(media::json_bytes(
        StatusCode::OK,
        write(collection, &page, form, include_object),
    ))
}

/// The list's JSON.
pub(crate) fn write(
    collection: &Collection,
    page: &Page,
    form: Form,
    include_object: Option<&str>,
) -> Vec<u8> {
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".into(), page.version.to_string().into());
    if let Some(token) = &page.continue_token {
        metadata.insert("continue".into(), token.as_str().into());
    }
    if let Some(remaining) = page.remaining {
        metadata.insert("remainingItemCount".into(), remaining.into());
    }
    let metadata = Value::Object(metadata);
    let mut out = match form {
        Form::Table => {
            let columns = Columns::of(collection.resource);
            format!(
                "{}\n",
                columns.table(metadata, &page.objects, include_object)
            )
            .into_bytes()
        }
        Form::Metadata | Form::MetadataList => {
            let items: Vec<Value> = {
                let objects = page.objects.iter();
                objects.map(|one| form::metadata(&one.packed())).collect()
            };
            let list = json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items,
            });
            format!("{list}\n").into_bytes()
        }
        Form::Whole => write_whole(collection, &metadata, &page.objects),
    };
    out.shrink_to_fit();
    out
}

/// Writes the objects one after the other, without a second copy of the list as a value.
fn write_whole(collection: &Collection, metadata: &Value, objects: &[Object]) -> Vec<u8> {
    let (kind, api_version) = form::kind_and_version(collection);
    let mut out = format!(
        "{{\"kind\":\"{kind}List\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata},\"items\":["
    )
    .into_bytes();
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let Some(item) = form::written_item(collection, object) {
            out.extend_from_slice(item.0);
            out.extend_from_slice(item.1);
            continue;
        }
        let object = object.packed();
        form::write_item(&mut out, &form::shown(collection, &object));
    }
    out.extend_from_slice(b"]}\n");
    out
}

/// The resource version of a list.
fn parse_version(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| {
        Refusal::bad_request(format!("invalid resource version: {}", version_fault(text)))
    })
}

/// What is wrong with a resource version that is not a number.
pub(crate) fn version_fault(text: &str) -> String {
    format!(
        "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
    )
}

fn expired_page(token: &PageToken) -> Refusal {
    let mut refusal = Refusal::expired(
        "The provided continue parameter is too old to display a consistent list result. \
         Start the list anew, or go on with the token in this answer and accept that what \
         changed in between may be missing or doubled.",
    );
    refusal.continue_token = Some(
        PageToken {
            v: token.v.clone(),
            rv: -1,
            start: token.start.clone(),
        }
        .text(),
    );
    refusal
}

/// The key of an object relative to the collection.
fn page_key(collection: &Collection, object: &Object) -> String {
    match object.key(collection.resource) {
        Some(ObjectKey {
            namespace: Some(namespace),
            name,
            ..
        }) if collection.namespace.is_none() => format!("/{namespace}/{name}"),
        Some(key) => format!("/{}", key.name),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_cluster::objects::{Objects, Resource};

    #[test]
    fn a_list_is_made_of_the_bytes_that_the_store_has() {
        let objects = Objects::in_memory();
        for name in ["a", "b"] {
            let pod = json!({"metadata": {"name": name, "namespace": "n"}, "spec": {"x": [1.5]}});
            objects.create(Resource::Pod, pod).unwrap();
        }
        let (objects, version) = objects.list(Resource::Pod, None);
        let collection = Collection {
            resource: Resource::Pod,
            namespace: None,
            events_group: false,
            watch: None,
        };
        let page = Page {
            objects,
            version,
            continue_token: None,
            remaining: None,
        };
        let list: Value =
            serde_json::from_slice(&write(&collection, &page, Form::Whole, None)).unwrap();
        assert!(page.objects.iter().all(|object| !object.has_tree()));
        assert_eq!(list["kind"], "PodList");
        for (item, object) in list["items"].as_array().unwrap().iter().zip(&page.objects) {
            let mut item = item.clone();
            item["kind"] = "Pod".into();
            item["apiVersion"] = "v1".into();
            assert_eq!(item, **object);
        }
        assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    }
}
