//! What several fuzz targets share: the pod that would come of a task.

use std::collections::BTreeMap;

use adjourn::config::ConnectionSettings;
use adjourn::operator::pod::{PlanOptions, PreviewOptions, preview};
use adjourn::task::file::TaskFile;
use adjourn::task::id::TaskKey;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Plans the pod of a task as `dry-run` and a worker do. Either a pod or a sentence comes of it.
///
/// # Panics
/// Where a task breaks what is promised: that is what the fuzzer looks for.
pub fn plan(task: &TaskFile, full: bool) {
    let key = TaskKey {
        dag_id: task.dag_id.clone(),
        task_id: task.task_id.clone(),
        run_id: task.run_id.clone().unwrap_or_else(|| "manual__1".to_owned()),
        map_index: task.map_index,
    };
    let environment = BTreeMap::from([("HOME".to_owned(), "/home/somebody".to_owned())]);
    let connection = ConnectionSettings::default();
    let plan = PlanOptions {
        key: &key,
        try_number: 1,
        submitted_at: chrono::DateTime::UNIX_EPOCH,
        connection: &connection,
        template_env: &environment,
        installation: None,
    };
    let options = PreviewOptions {
        full,
        suffix: None,
        render: true,
        show_secrets: false,
    };
    match preview(task, &plan, options, &mut StdRng::seed_from_u64(1)) {
        Ok(preview) => {
            // A full one has been given a name that Kubernetes takes, unless the task brings its own.
            assert!(preview.pod.as_value().is_object());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
