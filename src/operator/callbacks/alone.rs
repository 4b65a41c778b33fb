//! Running somebody else's code so that it cannot hurt the task.

use std::any::Any;
use std::time::Duration;

use tokio::task::JoinSet;

/// Why a piece of somebody else's code came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It says so itself.
    #[error("failed: {0}")]
    Failed(super::CallbackError),
    /// It panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// It did not end in time.
    #[error("did not end within {} s and was given up", .0.as_secs_f32())]
    TooSlow(Duration),
}

/// Runs `work` beside the worker and waits for it no longer than `limit`. Work that blocks its
/// thread cannot be stopped, but is not waited for either.
pub async fn alone<T, W>(limit: Duration, work: W) -> Result<T, Fault>
where
    T: Send + 'static,
    W: Future<Output = Result<T, super::CallbackError>> + Send + 'static,
{
    // The set ends the work when it is dropped: when the limit has passed, or with the step.
    let mut set = JoinSet::new();
    set.spawn(work);
    match tokio::time::timeout(limit, set.join_next()).await {
        Ok(Some(Ok(result))) => result.map_err(Fault::Failed),
        Ok(Some(Err(ended))) => Err(Fault::Panicked(match ended.try_into_panic() {
            Ok(panic) => words_of(&*panic),
            Err(cancelled) => cancelled.to_string(),
        })),
        Ok(None) | Err(_) => Err(Fault::TooSlow(limit)),
    }
}

/// What a panic says.
pub fn words_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}
