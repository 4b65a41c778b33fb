//! The volumes of a pod: directories of the node.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::values::{Content, Values};
use crate::local_cluster::node::shim::plan::MountPlan;

/// Why a volume could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmountable {
    /// The volume's name.
    pub volume: String,
    /// A sentence.
    pub why: String,
}

/// Makes all volumes of the pod below `place`.
///
/// # Errors
/// The first volume that cannot be made, and why. What is missing may come: try again.
pub fn make_all(place: &Path, values: Values<'_>) -> Result<(), Unmountable> {
    let volumes = values.pod["spec"]["volumes"].as_array();
    for volume in volumes.into_iter().flatten() {
        let name = volume["name"].as_str().unwrap_or_default();
        make(&place.join(name), volume, values).map_err(|why| Unmountable {
            volume: name.to_owned(),
            why,
        })?;
    }
    Ok(())
}

fn make(directory: &Path, volume: &Value, values: Values<'_>) -> Result<(), String> {
    let content = if volume.get("emptyDir").is_some() {
        fs::create_dir_all(directory).map_err(told)?;
        return open_to_all(directory).map_err(told);
    } else if let Some(source) = volume.get("hostPath") {
        let path = source["path"].as_str().unwrap_or_default();
        return Err(format!(
            "hostPath {path} is refused: the local cluster keeps the host's files to itself"
        ));
    } else {
        files(volume, values)?
    };
    write_all(directory, &content).map_err(told)
}

/// The files of a volume of the kinds that have content, by their path.
fn files(volume: &Value, values: Values<'_>) -> Result<Content, String> {
    if let Some(source) = volume.get("secret") {
        let name = source["secretName"].as_str().unwrap_or_default();
        return chosen(source, values.secret(name));
    }
    if let Some(source) = volume.get("configMap") {
        let name = source["name"].as_str().unwrap_or_default();
        return chosen(source, values.config_map(name));
    }
    if let Some(source) = volume.get("downwardAPI") {
        return downward(source, values);
    }
    if let Some(source) = volume.get("projected") {
        let mut content = Content::new();
        for part in source["sources"].as_array().into_iter().flatten() {
            content.extend(projected(part, values)?);
        }
        return Ok(content);
    }
    let kind = volume.as_object().into_iter().flatten();
    let kind = kind.map(|(key, _)| key.as_str()).find(|key| *key != "name");
    let kind = kind.unwrap_or("this kind");
    Err(format!(
        "volumes of type {kind} are not supported by the local cluster"
    ))
}

fn projected(part: &Value, values: Values<'_>) -> Result<Content, String> {
    if let Some(source) = part.get("secret") {
        return chosen(source, values.secret(name_of(source)));
    }
    if let Some(source) = part.get("configMap") {
        return chosen(source, values.config_map(name_of(source)));
    }
    if let Some(source) = part.get("downwardAPI") {
        return downward(source, values);
    }
    if let Some(source) = part.get("serviceAccountToken") {
        // There is nothing here that such a token would open.
        let path = source["path"].as_str().unwrap_or("token");
        return Ok(Content::from([(path.to_owned(), b"local".to_vec())]));
    }
    Err("a projected source of this type is not supported by the local cluster".to_owned())
}

fn name_of(source: &Value) -> &str {
    source["name"].as_str().unwrap_or_default()
}

/// All of `content`, or the `items` that are asked for under their own paths.
fn chosen(source: &Value, content: Result<Content, String>) -> Result<Content, String> {
    let optional = source["optional"] == true;
    let content = match content {
        Err(_) if optional => return Ok(Content::new()),
        other => other?,
    };
    let Some(items) = source["items"].as_array() else {
        return Ok(content);
    };
    let mut picked = Content::new();
    for item in items {
        let key = item["key"].as_str().unwrap_or_default();
        let path = item["path"].as_str().unwrap_or(key);
        match content.get(key) {
            Some(bytes) => {
                picked.insert(path.to_owned(), bytes.clone());
            }
            None if optional => {}
            None => return Err(format!("references non-existent config key: {key}")),
        }
    }
    Ok(picked)
}

fn downward(source: &Value, values: Values<'_>) -> Result<Content, String> {
    let mut content = Content::new();
    for item in source["items"].as_array().into_iter().flatten() {
        let path = item["path"].as_str().unwrap_or_default();
        let text = if let Some(field) = item.get("fieldRef") {
            values.field(field["fieldPath"].as_str().unwrap_or_default())?
        } else {
            let reference = &item["resourceFieldRef"];
            let named = &reference["containerName"];
            let mut containers = values.pod["spec"]["containers"]
                .as_array()
                .into_iter()
                .flatten();
            let container = containers.find(|one| one["name"] == *named);
            let resource = reference["resource"].as_str().unwrap_or_default();
            let divisor = reference["divisor"].as_str().unwrap_or("1");
            values.resource(container.unwrap_or(&Value::Null), resource, divisor)?
        };
        content.insert(path.to_owned(), text.into_bytes());
    }
    Ok(content)
}

fn write_all(directory: &Path, content: &Content) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (path, bytes) in content {
        let Some(file) = below(directory, path) else {
            return Err(io::Error::other(format!(
                "path {path:?} leads out of the volume"
            )));
        };
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(file, bytes)?;
    }
    Ok(())
}

/// `path` below `directory`, unless it leads out of it.
fn below(directory: &Path, path: &str) -> Option<PathBuf> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let path = Path::new(path);
    path.components().all(plain).then(|| directory.join(path))
}

/// Containers of one pod may run as different users.
fn open_to_all(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777))
}

fn told(error: io::Error) -> String {
    error.to_string()
}

/// The mounts of one container; `place` is where the pod's volumes are.
///
/// # Errors
/// A sentence when a mount names something that leads out of its volume.
pub fn mounts(place: &Path, pod: &Value, container: &Value) -> Result<Vec<MountPlan>, String> {
    let list = container["volumeMounts"].as_array().into_iter().flatten();
    list.map(|mount| {
        let name = mount["name"].as_str().unwrap_or_default();
        let sub_path = mount["subPath"].as_str().unwrap_or_default();
        let source = below(&place.join(name), sub_path)
            .ok_or_else(|| format!("subPath {sub_path:?} leads out of volume {name:?}"))?;
        if !source.exists() {
            fs::create_dir_all(&source).map_err(told)?;
        }
        // A container may have put a link there.
        let source = fs::canonicalize(&source).map_err(told)?;
        let volume = fs::canonicalize(place.join(name)).map_err(told)?;
        if !source.starts_with(&volume) {
            return Err(format!("subPath {sub_path:?} leads out of volume {name:?}"));
        }
        Ok(MountPlan {
            source,
            target: PathBuf::from(mount["mountPath"].as_str().unwrap_or_default()),
            read_only: mount["readOnly"] == true || has_fixed_content(pod, name),
        })
    })
    .collect()
}

/// Whether a volume holds what the API says, so that a container may only read it.
fn has_fixed_content(pod: &Value, name: &str) -> bool {
    let mut volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.any(|volume| volume["name"] == name && volume.get("emptyDir").is_none())
}
