//! A task's parameters in, a `Pod` out: pure, and the same pod as the reference builds.
//!
//! Two steps. [`build`] is the reference's function: template, then `full_pod_spec`, then
//! parameters, then secrets, sidecar and labels. It fails only where no pod can be made. Whether
//! the API server would take the pod is told by [`validate()`], all at once, before anything is
//! created.
//!
//! No I/O, no clock; randomness is passed in as [`Names`].

mod attach;
mod build;
mod connection;
mod label;
mod manifest;
mod merge;
mod name;
mod redact;
mod show;
mod template;
mod validate;

pub use attach::{
    MissingTarget, XCOM_MOUNT_PATH, XCOM_SIDECAR, XCOM_SIDECAR_IMAGE, XCOM_SIDECAR_SCRIPT,
    XCOM_VOLUME,
};
pub use build::{BuildContext, BuildError, build};
pub use connection::{ConnectionDefaults, InvalidConnectionField};
pub use label::{
    ALREADY_CHECKED, IN_CLUSTER_LABEL, INSTALLATION_LABEL, Stamps, TaskInstance, VERSION_LABEL,
    of_task as task_labels, safe_label_value, selector as find_pod_selector,
    without_nulls as labels_without_nulls,
};
pub use manifest::PodManifest;
pub use merge::LostInitContainer;
pub use name::{
    InvalidName, LONGEST_GIVEN_NAME, LONGEST_POD_NAME, Names, RandomNames, SUFFIX_LENGTH,
    from_ids as name_from_ids, normalise as normalise_name, with_suffix as name_with_suffix,
};
pub use redact::{REDACTED, redact};
pub use show::{dry_run_yaml, to_yaml, without_nulls};
pub use template::InvalidTemplate;
pub use validate::{Violation, doubts, validate};
