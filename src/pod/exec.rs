//! Running a command inside a container.
//!
//! Over a WebSocket, as kubectl does (subprotocol v5, or v4 where the server knows no other). The
//! exit code comes in a status frame of its own; a connection that ends without one leaves it
//! unknown. Ending the connection does not end the command.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams};
use kube::client::UpgradeConnectionError;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::client::{ApiError, ClusterClient};
use super::lifecycle::get_same;
use crate::task::pods::PodIdentity;

/// The most that is kept of either output, in bytes; what comes beyond it is an error, not cut.
pub const LARGEST_OUTPUT: u64 = 16 << 20;

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// Its exit code; `None` when the connection ended before the status came.
    pub exit_code: Option<i32>,
}

/// Why a command has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The pod is gone.
    #[error("the pod {0} is gone")]
    Gone(String),
    /// The container does not run: not yet, or not any more.
    #[error("container {container} of pod {pod} does not run")]
    NotRunning {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// The server does not let us.
    #[error(
        "running a command in pod {pod} is not allowed (HTTP {code}): the rights to get and to create pods/exec are needed"
    )]
    Forbidden {
        /// The pod.
        pod: String,
        /// The answer's code.
        code: u16,
    },
    /// The command itself could not be started.
    #[error("the command could not be started: {0}")]
    NotStarted(String),
    /// It took too long.
    #[error("the command did not end within {0:?}")]
    TimedOut(Duration),
    /// It wrote more than is kept.
    #[error("the command wrote more than {LARGEST_OUTPUT} bytes")]
    TooMuch,
    /// The connection failed.
    #[error("the connection to the container failed: {0}")]
    Broken(String),
    /// The API server said something else.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl ExecError {
    /// Whether the same command may work a little later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Broken(_) => true,
            Self::Api(error) => error.retryable(),
            Self::Gone(_)
            | Self::NotRunning { .. }
            | Self::Forbidden { .. }
            | Self::NotStarted(_)
            | Self::TooMuch => false,
        }
    }
}

/// Runs `command` in a container of exactly this pod and waits for its end, `limit` at the most.
///
/// # Errors
/// [`ExecError`]; a command that ran and failed is no error but has its exit code.
pub async fn exec(
    client: &ClusterClient,
    identity: &PodIdentity,
    container: &str,
    command: &[&str],
    limit: Duration,
) -> Result<ExecOutput, ExecError> {
    let name = format!("{}/{}", identity.namespace, identity.name);
    // The call itself knows only names: another pod of this name must not run the command.
    if get_same(client, identity).await?.is_none() {
        return Err(ExecError::Gone(name));
    }
    let work = run(client, identity, container, command);
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or(Err(ExecError::TimedOut(limit)))
}

async fn run(
    client: &ClusterClient,
    identity: &PodIdentity,
    container: &str,
    command: &[&str],
) -> Result<ExecOutput, ExecError> {
    let pods: Api<Pod> = Api::namespaced(client.kube(), &identity.namespace);
    let wanted = AttachParams::default()
        .container(container)
        .stdout(true)
        .stderr(true);
    let mut process = pods
        .exec(&identity.name, command.iter().copied(), &wanted)
        .await
        .map_err(|error| not_begun(identity, container, error))?;
    let stdout = process.stdout();
    let stderr = process.stderr();
    let status = process.take_status();
    let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let (stdout, stderr) = (stdout?, stderr?);
    // The streams have ended; what is left is how the connection closed, and that says nothing
    // that the status has not said.
    process.abort();
    Ok(ExecOutput {
        stdout,
        stderr,
        exit_code: status.map(exit_code).transpose()?.flatten(),
    })
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, ExecError> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream
            .take(LARGEST_OUTPUT + 1)
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| ExecError::Broken(error.to_string()))?;
    }
    if bytes.len() as u64 > LARGEST_OUTPUT {
        return Err(ExecError::TooMuch);
    }
    Ok(bytes)
}

/// The exit code stands only in the status' causes, as text.
fn exit_code(status: Status) -> Result<Option<i32>, ExecError> {
    if status.status.as_deref() == Some("Success") {
        return Ok(Some(0));
    }
    let code = status
        .details
        .and_then(|details| details.causes)
        .into_iter()
        .flatten()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .and_then(|cause| cause.message?.parse().ok());
    match code {
        Some(code) => Ok(Some(code)),
        None => Err(ExecError::NotStarted(
            status
                .message
                .unwrap_or_else(|| "no reason given".to_owned()),
        )),
    }
}

fn not_begun(identity: &PodIdentity, container: &str, error: kube::Error) -> ExecError {
    let pod = format!("{}/{}", identity.namespace, identity.name);
    let code = if let kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) =
        &error
    {
        Some(code.as_u16())
    } else if let kube::Error::Api(status) = &error {
        Some(status.code)
    } else {
        None
    };
    match code {
        Some(404) => ExecError::Gone(pod),
        // The node's own words: `container not found`. The API server has no better code for it.
        Some(400 | 500) => ExecError::NotRunning {
            pod,
            container: container.to_owned(),
        },
        Some(code @ (403 | 405)) => ExecError::Forbidden { pod, code },
        Some(_) | None => ExecError::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(status: serde_json::Value) -> Result<Option<i32>, String> {
        exit_code(serde_json::from_value(status).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_exit_code_is_read_as_a_real_server_writes_it() {
        assert_eq!(
            code(json!({"metadata": {}, "status": "Success"})),
            Ok(Some(0))
        );
        let seven = json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": "command terminated with non-zero exit code",
            "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}});
        assert_eq!(code(seven), Ok(Some(7)));
        let absent = json!({"metadata": {}, "status": "Failure", "reason": "InternalError",
            "message": "stat /no/such: no such file or directory", "code": 500,
            "details": {"causes": [{"message": "error executing command"}]}});
        assert_eq!(
            code(absent),
            Err(
                "the command could not be started: stat /no/such: no such file or directory"
                    .to_owned()
            )
        );
    }
}
