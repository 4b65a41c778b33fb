//! Who asks, and whether they may: tokens, users, roles and bindings.
//!
//! The owner of the cluster's token may do everything. Everybody else may do what the stored roles
//! say that are bound to them, their groups included: service accounts by tokens of their own, and
//! whoever comes without credentials. Writing roles is not checked against what the writer may do
//! himself: whoever may write roles can give himself any right.

mod attributes;
mod bearer;
mod builtin;
mod reviews;
mod roles;
mod rules;
mod token_request;
mod user;

use super::refusal::Refusal;
use crate::local_cluster::objects::Objects;

pub(crate) use attributes::Attributes;
pub(crate) use bearer::Signer;
pub(crate) use builtin::furnish;
pub(crate) use roles::{change_faults, faults, fill};
pub(crate) use token_request::respond as respond_token_request;
pub(crate) use user::{User, authenticate};

pub(super) use reviews::{discovered, is_review, respond as respond_review, review_kind};

/// Refuses what `user` may not do.
pub(crate) fn authorize(
    objects: &Objects,
    user: &User,
    wanted: &Attributes,
) -> Result<(), Refusal> {
    if rules::allowing(objects, user, wanted).is_some() {
        Ok(())
    } else {
        Err(wanted.refusal(user))
    }
}
