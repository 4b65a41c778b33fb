//! Who asks: the owner of the cluster's token, a service account, nobody, or whom one of them
//! speaks for.

use http::{HeaderMap, header};

use super::attributes::{Attributes, Place, Wanted};
use super::authorize;
use crate::local_cluster::api::refusal::Refusal;
use crate::local_cluster::api::serve::Api;

/// What the name of a service account's user begins with.
pub(super) const ACCOUNT: &str = "system:serviceaccount:";
/// The group whose members may do everything.
const MASTERS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub name: String,
    pub uid: Option<String>,
    pub groups: Vec<String>,
}

impl User {
    /// Whoever has the cluster's own token.
    pub fn owner() -> Self {
        Self::of("adjourn-local", &[MASTERS, AUTHENTICATED])
    }

    /// Whoever comes without credentials.
    pub fn nobody() -> Self {
        Self::of("system:anonymous", &["system:unauthenticated"])
    }

    /// A service account.
    pub fn account(namespace: &str, name: &str) -> Self {
        let own = format!("system:serviceaccounts:{namespace}");
        Self::of(
            &format!("{ACCOUNT}{namespace}:{name}"),
            &["system:serviceaccounts", &own, AUTHENTICATED],
        )
    }

    /// Whether everything is allowed.
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    fn of(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            uid: None,
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        }
    }
}

/// Finds out who sent a request with `headers`.
pub(crate) fn authenticate(api: &Api, headers: &HeaderMap) -> Result<User, Refusal> {
    let user = match headers.get(header::AUTHORIZATION) {
        None => User::nobody(),
        Some(credentials) => {
            let given = credentials
                .as_bytes()
                .strip_prefix(b"Bearer ")
                .unwrap_or_default();
            if equal(given, api.token.as_bytes()) {
                User::owner()
            } else {
                let now = jiff::Timestamp::now();
                let account = api.signer.account_of(&api.objects, given, now);
                account.ok_or_else(Refusal::unauthorized)?
            }
        }
    };
    speaking_for(api, user, headers)
}

/// Compares without telling by its duration how much was right.
fn equal(given: &[u8], wanted: &[u8]) -> bool {
    given.len() == wanted.len()
        && given
            .iter()
            .zip(wanted)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

/// The user in whose name `user` wants to act, if the headers name one and that is allowed.
fn speaking_for(api: &Api, user: User, headers: &HeaderMap) -> Result<User, Refusal> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let Some(name) = headers.get("impersonate-user").map(text) else {
        return Ok(user);
    };
    let mut groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .map(text)
        .collect();
    let account = name
        .strip_prefix(ACCOUNT)
        .and_then(|rest| rest.split_once(':'));
    let whom = match account {
        Some((namespace, name)) => place("serviceaccounts", namespace, name),
        None => place("users", "", &name),
    };
    let whose = groups.iter().map(|group| place("groups", "", group));
    for place in std::iter::once(whom).chain(whose) {
        let wanted = Attributes {
            verb: "impersonate".to_owned(),
            what: Wanted::Objects(place),
        };
        authorize(&api.objects, &user, &wanted)?;
    }
    let mut other = match account {
        Some((namespace, name)) if groups.is_empty() => User::account(namespace, name),
        Some(_) | None => User::of(&name, &[]),
    };
    other.groups.append(&mut groups);
    if other.name != "system:anonymous" && !other.groups.iter().any(|group| group == AUTHENTICATED)
    {
        other.groups.push(AUTHENTICATED.to_owned());
    }
    Ok(other)
}

fn place(resource: &str, namespace: &str, name: &str) -> Place {
    Place {
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Place::default()
    }
}
