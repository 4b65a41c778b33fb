//! A look at the pod that would come of a task: nothing is sent and nothing is asked.

use rand::Rng;

use super::plan::{PlanError, PlanOptions, connection_defaults, template_context};
use crate::pod::spec::{
    BuildContext, PodManifest, RandomNames, Stamps, TaskInstance, Violation, build, doubts,
    dry_run_yaml, redact, validate,
};
use crate::task::file::TaskFile;
use crate::task::template::render;

/// What one wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewOptions<'a> {
    /// The pod as it would be sent. Otherwise as the reference's `dry_run` has it: without what
    /// tells whose pod it is, and with the name as it was given.
    pub full: bool,
    /// What to put in place of the random end of the name.
    pub suffix: Option<&'a str>,
    /// Whether templates are rendered.
    pub render: bool,
    /// Whether the values of environment variables are shown.
    pub show_secrets: bool,
}

/// A pod that nobody has sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The pod, in the form of the API.
    pub pod: PodManifest,
    /// The pod as the reference's `dry_run` prints it.
    pub reference_yaml: String,
    /// What the API server would refuse.
    pub violations: Vec<Violation>,
    /// What it would take, but would most likely not do what was meant.
    pub doubts: Vec<Violation>,
}

/// The pod that would come of `file`.
///
/// # Errors
/// [`PlanError`] when none would.
pub fn preview(
    file: &TaskFile,
    plan: &PlanOptions<'_>,
    options: PreviewOptions<'_>,
    random: &mut impl Rng,
) -> Result<Preview, PlanError> {
    let parameters = if options.render {
        render(&file.pod, &template_context(file, plan))?
    } else {
        file.pod.clone()
    };
    let key = plan.key;
    let connection = connection_defaults(file, plan.connection)?;
    let context = BuildContext {
        task_id: &key.task_id,
        task: options.full.then_some(TaskInstance {
            dag_id: &key.dag_id,
            task_id: &key.task_id,
            run_id: &key.run_id,
            map_index: key.map_index,
            try_number: plan.try_number,
        }),
        connection: &connection,
        service_account_namespace: None,
        stamps: Stamps {
            version: Some(env!("CARGO_PKG_VERSION")),
            in_cluster: options.full.then_some(false),
            installation: plan.installation.map(|(installation, _)| installation),
        },
        normalise_name: options.full,
    };
    let mut names = RandomNames::new(random);
    if let Some(suffix) = options.suffix {
        names = names.with_suffix(suffix);
    }
    let mut pod = build(&parameters, &context, &mut names)?;
    let violations = validate(&pod);
    let doubts = doubts(&pod);
    if !options.show_secrets {
        redact(pod.as_value_mut());
    }
    Ok(Preview {
        reference_yaml: dry_run_yaml(&pod, &parameters),
        pod,
        violations,
        doubts,
    })
}
