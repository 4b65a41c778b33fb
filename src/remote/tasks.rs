//! The questions and wishes themselves.

use form_urlencoded::Serializer;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::Remote;
use super::error::RemoteError;
use crate::http::DEFINITIONS;
use crate::service::{LineView, LogStyle, Stats, SubmittedView, TaskDetail, TaskView};
use crate::store::{LogRow, TaskFilter};
use crate::task::file::TaskFile;
use crate::task::id::{TaskId, TaskRef};

/// The most that one page holds.
const TASKS: u32 = 1000;
const LINES: u32 = 10_000;

#[derive(Deserialize)]
struct Taken {
    tasks: Vec<SubmittedView>,
}

#[derive(Deserialize)]
struct TaskPage {
    tasks: Vec<TaskView>,
    next: Option<i64>,
}

#[derive(Deserialize)]
struct LogPage {
    lines: Vec<LineView>,
    next: i64,
}

#[derive(Deserialize)]
struct Open {
    open: u64,
}

#[derive(Deserialize)]
struct Commits {
    commits: u64,
}

fn query() -> Serializer<'static, String> {
    Serializer::new(String::new())
}

impl Remote {
    /// As [`crate::service::Service::take_in`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn take_in(&self, tasks: &[TaskFile]) -> Result<Vec<SubmittedView>, RemoteError> {
        let body = serde_json::to_vec(tasks)
            .map_err(|error| RemoteError::Usage(format!("the tasks are no JSON: {error}")))?;
        let taken: Taken = self.post("/tasks", DEFINITIONS, body).await?;
        Ok(taken.tasks)
    }

    /// As [`crate::service::Service::resolve`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn resolve(&self, reference: &TaskRef) -> Result<TaskId, RemoteError> {
        let mut asked = query();
        asked.append_pair("id", &reference.to_string());
        let page: TaskPage = self.get(&format!("/tasks?{}", asked.finish())).await?;
        let found = page.tasks.first().map(|task| task.id);
        found.ok_or_else(|| self.odd("it answered no task for a task"))
    }

    /// As [`crate::service::Service::list`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn list(&self, filter: &TaskFilter) -> Result<Vec<TaskView>, RemoteError> {
        let mut found = Vec::new();
        let mut before = filter.before.map(|before| before.0);
        loop {
            let left = match filter.limit {
                Some(limit) => limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX)),
                None => u32::MAX,
            };
            if left == 0 {
                return Ok(found);
            }
            let mut asked = query();
            for id in &filter.ids {
                asked.append_pair("id", &id.to_string());
            }
            for state in &filter.states {
                asked.append_pair("state", state);
            }
            for (name, value) in [
                ("dag_id", &filter.dag_id),
                ("task_id", &filter.task_id),
                ("run_id", &filter.run_id),
            ] {
                if let Some(value) = value {
                    asked.append_pair(name, value);
                }
            }
            if let Some(before) = before {
                asked.append_pair("before", &before.to_string());
            }
            asked.append_pair("limit", &left.min(TASKS).to_string());
            let page: TaskPage = self.get(&format!("/tasks?{}", asked.finish())).await?;
            found.extend(page.tasks);
            match page.next {
                Some(next) => before = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// As [`crate::service::Service::describe`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn describe(&self, id: TaskId) -> Result<TaskDetail, RemoteError> {
        self.get(&format!("/tasks/{id}")).await
    }

    /// As [`crate::service::Service::xcom`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn xcom(&self, id: TaskId) -> Result<Map<String, Value>, RemoteError> {
        self.get(&format!("/tasks/{id}/xcom")).await
    }

    /// As [`crate::service::Service::stats`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn stats(&self) -> Result<Stats, RemoteError> {
        self.get("/stats").await
    }

    /// As [`crate::service::Service::log_style`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn log_style(&self, id: TaskId) -> Result<LogStyle, RemoteError> {
        self.get(&format!("/tasks/{id}/log/style")).await
    }

    /// As [`crate::service::Service::log`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn log(
        &self,
        id: TaskId,
        mut after: i64,
        limit: u32,
    ) -> Result<Vec<LogRow>, RemoteError> {
        let mut rows = Vec::new();
        loop {
            let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let asked = left.min(LINES);
            if asked == 0 {
                return Ok(rows);
            }
            let path = format!("/tasks/{id}/log?after={after}&limit={asked}");
            let page: LogPage = self.get(&path).await?;
            let full = page.lines.len() == asked as usize;
            after = page.next;
            rows.extend(page.lines.into_iter().map(LineView::into_row));
            if !full {
                return Ok(rows);
            }
        }
    }

    /// As [`crate::service::Service::log_tail`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn log_tail(
        &self,
        id: TaskId,
        container: Option<&str>,
        lines: usize,
    ) -> Result<i64, RemoteError> {
        let mut asked = query();
        asked.append_pair(
            "tail",
            &i64::try_from(lines).unwrap_or(i64::MAX).to_string(),
        );
        asked.append_pair("limit", "1");
        if let Some(container) = container {
            asked.append_pair("container", container);
        }
        let page: LogPage = self
            .get(&format!("/tasks/{id}/log?{}", asked.finish()))
            .await?;
        // The first of the last lines, or where the log ends.
        Ok(page.lines.first().map_or(page.next, |line| line.seq - 1))
    }

    /// As [`crate::service::Service::ask_for_end`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn ask_for_end(&self, id: TaskId, reason: &str) -> Result<TaskView, RemoteError> {
        self.wish(&format!("/tasks/{id}/cancel"), reason).await
    }

    /// As [`crate::service::Service::retry`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn retry(&self, id: TaskId, reason: &str) -> Result<TaskView, RemoteError> {
        self.wish(&format!("/tasks/{id}/retry"), reason).await
    }

    async fn wish(&self, path: &str, reason: &str) -> Result<TaskView, RemoteError> {
        let body = json!({"reason": reason}).to_string().into_bytes();
        self.post(path, "application/json", body).await
    }

    /// As [`crate::service::Service::open_disposals`].
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn open_disposals(&self, ids: &[TaskId]) -> Result<u64, RemoteError> {
        let mut asked = query();
        for id in ids {
            asked.append_pair("id", &id.to_string());
        }
        let answer: Open = self.get(&format!("/disposals?{}", asked.finish())).await?;
        Ok(answer.open)
    }

    /// The number of the daemon's commits, once it is another than `known`, or after `seconds`.
    ///
    /// # Errors
    /// What the daemon says, or that it is out of reach.
    pub async fn commits(&self, known: Option<u64>, seconds: u64) -> Result<u64, RemoteError> {
        let mut path = format!("/commits?wait={seconds}");
        if let Some(known) = known {
            path.push_str(&format!("&known={known}"));
        }
        let answer: Commits = self.get(&path).await?;
        Ok(answer.commits)
    }

    fn odd(&self, detail: &str) -> RemoteError {
        RemoteError::Strange {
            server: self.server().to_owned(),
            detail: detail.to_owned(),
        }
    }
}
