//! The mark by which a pod of ours is known again when the answer to its creation was lost.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The annotation that carries an intent's nonce.
pub const NONCE_ANNOTATION: &str = "adjourn_nonce";

/// Writes the nonce into a pod that is about to be sent.
pub fn mark(body: &mut Value, nonce: &str) {
    let annotations = &mut body["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations[NONCE_ANNOTATION] = nonce.into();
}

/// The nonce that a pod carries.
#[must_use]
pub fn nonce_of(pod: &Pod) -> Option<&str> {
    pod.metadata
        .annotations
        .as_ref()?
        .get(NONCE_ANNOTATION)
        .map(String::as_str)
}

/// SHA-256 of a body, in hex.
#[must_use]
pub fn hash_of(body: &Value) -> String {
    let digest = Sha256::digest(body.to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_pod_shows_its_nonce() {
        for metadata in [
            json!({"name": "a"}),
            json!({"name": "a", "annotations": null}),
        ] {
            let mut body = json!({"metadata": metadata, "spec": {"containers": []}});
            mark(&mut body, "n1");
            let pod: Pod = serde_json::from_value(body).unwrap();
            assert_eq!(nonce_of(&pod), Some("n1"));
        }
    }

    #[test]
    fn the_hash_is_that_of_the_text() {
        assert_eq!(
            hash_of(&json!({})),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }
}
