//! The tokens of service accounts: signed claims, worth something until they expire or their
//! account goes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;

use super::user::User;
use crate::local_cluster::objects::{Object, ObjectKey, Objects, Resource};

/// For whom a token is made if nothing else is asked for: this API.
pub(super) const AUDIENCE: &str = "https://kubernetes.default.svc";

/// Signs tokens and knows its own.
pub(crate) struct Signer(Hmac<Sha256>);

/// What a token is to say.
pub(super) struct Wish {
    pub audiences: Vec<String>,
    pub seconds: i64,
    /// The kind and name of the object with which the token ends, and its uid.
    pub bound: Option<(Resource, String, String)>,
}

impl Signer {
    /// Signs with `secret`, which nobody but the server and its owner knows.
    pub fn new(secret: &str) -> Self {
        // Any length of key will do.
        Self(
            Hmac::new_from_slice(secret.as_bytes())
                .unwrap_or_else(|_| unreachable!("a keyed hash takes keys of every length")),
        )
    }

    /// A token of `account`, an object, and when it expires: at a whole second.
    pub(super) fn issue(
        &self,
        account: &Object,
        wish: &Wish,
        now: Timestamp,
    ) -> (String, Timestamp) {
        let metadata = &account["metadata"];
        let (name, namespace) = (text(&metadata["name"]), text(&metadata["namespace"]));
        let end = now
            .checked_add(SignedDuration::from_secs(wish.seconds))
            .unwrap_or(Timestamp::MAX);
        // No token ends before its time.
        let end = end.as_second() + i64::from(end.subsec_nanosecond() > 0);
        let mut kubernetes = json!({
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": metadata["uid"]},
        });
        if let Some((resource, name, uid)) = &wish.bound {
            kubernetes[resource.kind().to_lowercase()] = json!({"name": name, "uid": uid});
        }
        let claims = json!({
            "iss": AUDIENCE,
            "sub": User::account(namespace, name).name,
            "aud": wish.audiences,
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": end,
            "jti": uuid::Uuid::new_v4().to_string(),
            "kubernetes.io": kubernetes,
        });
        let header = json!({"alg": "HS256", "typ": "JWT"});
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self.hash(signed.as_bytes()).finalize().into_bytes();
        (
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)),
            Timestamp::from_second(end).unwrap_or(Timestamp::MAX),
        )
    }

    /// Whose token this is; none if it is not one of ours, has expired, is meant for somebody
    /// else, or if what it belongs to is gone.
    pub fn account_of(&self, objects: &Objects, token: &[u8], now: Timestamp) -> Option<User> {
        let (signed, signature) = std::str::from_utf8(token).ok()?.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.hash(signed.as_bytes()).verify_slice(&signature).ok()?;
        let (_, claims) = signed.split_once('.')?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let for_us = claims["aud"].as_array()?.iter().any(|one| one == AUDIENCE);
        if !for_us || now.as_second() >= claims["exp"].as_i64()? {
            return None;
        }
        let kubernetes = &claims["kubernetes.io"];
        let namespace = kubernetes["namespace"].as_str()?;
        let lives = |resource: Resource, reference: &Value| {
            let key = ObjectKey::namespaced(resource, namespace, text(&reference["name"]));
            let found = objects.get(&key)?;
            (found.text(&["metadata", "uid"]).as_deref() == reference["uid"].as_str()).then_some(())
        };
        let account = &kubernetes["serviceaccount"];
        lives(Resource::ServiceAccount, account)?;
        for resource in [Resource::Pod, Resource::Secret] {
            if let Some(bound) = kubernetes.get(resource.kind().to_lowercase()) {
                lives(resource, bound)?;
            }
        }
        let mut user = User::account(namespace, account["name"].as_str()?);
        user.uid = account["uid"].as_str().map(str::to_owned);
        Some(user)
    }

    fn hash(&self, signed: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(signed)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_cluster::objects::Preconditions;

    fn wish(seconds: i64) -> Wish {
        Wish {
            audiences: vec![AUDIENCE.to_owned()],
            seconds,
            bound: None,
        }
    }

    fn account(objects: &Objects) -> Object {
        let account = json!({"metadata": {"name": "robot", "namespace": "n"}});
        objects.create(Resource::ServiceAccount, account).unwrap()
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let objects = Objects::in_memory();
        let signer = Signer::new("secret");
        let now = Timestamp::from_millisecond(1_000_500).unwrap();
        let (token, end) = signer.issue(&account(&objects), &wish(1), now);
        assert_eq!(end.as_millisecond(), 1_002_000);
        let at = |millis| {
            let then = Timestamp::from_millisecond(millis).unwrap();
            signer.account_of(&objects, token.as_bytes(), then)
        };
        assert_eq!(at(1_001_999).unwrap().name, "system:serviceaccount:n:robot");
        assert_eq!(at(1_002_000), None);
    }

    #[test]
    fn a_token_of_another_signer_audience_or_a_former_account_is_worth_nothing() {
        let objects = Objects::in_memory();
        let signer = Signer::new("secret");
        let now = Timestamp::from_second(1000).unwrap();
        let robot = account(&objects);
        let (token, _) = signer.issue(&robot, &wish(60), now);
        let (foreign, _) = Signer::new("other").issue(&robot, &wish(60), now);
        let mut elsewhere = wish(60);
        elsewhere.audiences = vec!["vault".to_owned()];
        let (elsewhere, _) = signer.issue(&robot, &elsewhere, now);
        let knows = |token: &str| signer.account_of(&objects, token.as_bytes(), now).is_some();
        assert!(knows(&token));
        assert!(!knows(&foreign));
        assert!(!knows(&elsewhere));
        for broken in ["", "a.b", "a.b.c", &token[1..], &token[..token.len() - 2]] {
            assert!(!knows(broken), "{broken}");
        }
        let key = robot.key(Resource::ServiceAccount).unwrap();
        objects.remove(&key, Preconditions::none()).unwrap();
        assert!(!knows(&token));
        account(&objects);
        assert!(!knows(&token), "another account of the same name");
    }

    #[test]
    fn a_token_that_is_bound_to_a_pod_ends_with_it() {
        let objects = Objects::in_memory();
        let signer = Signer::new("secret");
        let now = Timestamp::from_second(1000).unwrap();
        let pod = json!({"metadata": {"name": "p", "namespace": "n"}});
        let pod = objects.create(Resource::Pod, pod).unwrap();
        let mut bound = wish(60);
        let uid = pod.text(&["metadata", "uid"]).unwrap().into_owned();
        bound.bound = Some((Resource::Pod, "p".to_owned(), uid));
        let (token, _) = signer.issue(&account(&objects), &bound, now);
        let knows = || signer.account_of(&objects, token.as_bytes(), now).is_some();
        assert!(knows());
        let key = pod.key(Resource::Pod).unwrap();
        objects.remove(&key, Preconditions::none()).unwrap();
        assert!(!knows());
    }
}
