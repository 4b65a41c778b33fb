//! A home for one test: its own state directory, database and name for its pods.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;

use super::{Cluster, Diary, Finished, Proxy, Running, cluster, eventually};

pub struct Home {
    dir: TempDir,
    /// The `dag_id` of this test's tasks, by which their pods are known.
    pub dag: String,
    variables: Vec<(String, String)>,
    cluster: Option<Arc<Cluster>>,
}

impl Home {
    /// A home beside the shared cluster.
    pub fn new() -> Self {
        Self::beside(cluster())
    }

    /// A home beside a cluster of the test's own.
    pub fn beside(cluster: Arc<Cluster>) -> Self {
        let kubeconfig = cluster.kubeconfig().to_str().unwrap();
        let mut home = Self::without_cluster().set("KUBECONFIG", kubeconfig);
        home.cluster = Some(cluster);
        home
    }

    /// The way to the cluster leads through a proxy that can be cut.
    pub fn through_a_proxy(self) -> (Self, Proxy) {
        let text = std::fs::read_to_string(self.cluster().kubeconfig()).unwrap();
        let proxy = Proxy::before(&text);
        let kubeconfig = self.write("through-a-proxy.yaml", proxy.kubeconfig(&text));
        (self.set("KUBECONFIG", &kubeconfig), proxy)
    }

    /// A home from which no cluster can be reached.
    pub fn without_cluster() -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self {
            dir: tempfile::tempdir().unwrap(),
            dag: format!("whole-{}", &id[..12]),
            variables: Vec::new(),
            cluster: None,
        }
    }

    /// The same home with a variable in the environment of its commands.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_deref().unwrap()
    }

    pub fn diary(&self) -> Diary {
        Diary::open(self.cluster(), &self.dag)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn state(&self) -> PathBuf {
        self.path().join("state/adjourn")
    }

    pub fn database(&self) -> PathBuf {
        self.state().join("adjourn.db")
    }

    /// Writes a file of this test's.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a task file: JSON is YAML, too.
    pub fn task(&self, task: &Value) -> String {
        let name = format!("{}.json", uuid::Uuid::new_v4().simple());
        self.write(&name, serde_json::to_string_pretty(task).unwrap())
    }

    /// The program in this home, with nothing of the tests' own environment but the way to other
    /// programs.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_adjourn"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            // Many daemons run at once on the machine of the tests.
            .env("ADJOURN_HTTP_LISTEN", "none")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.start(arguments).finish()
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub fn serve(&self) -> Running {
        let serve = self.start(&["serve"]);
        serve.until_err("readiness", |said| said.contains("adjourn serve: ready"));
        serve
    }

    /// The same with an API at a port of its own; answers its address, too.
    #[allow(dead_code, reason = "for those who ask over HTTP")]
    pub fn serve_http(&self) -> (Running, String) {
        let serve = self.start(&["serve", "--listen", "127.0.0.1:0"]);
        let said = serve.until_err("readiness", |said| {
            said.contains("adjourn serve: ready") && said.ends_with('\n')
        });
        let place = said.split("http://").nth(1).unwrap();
        let place = place.split(')').next().unwrap().to_owned();
        (serve, place)
    }

    /// Submits a task and answers its id.
    #[track_caller]
    pub fn submit(&self, task: &Value) -> String {
        let submitted = self.run(&["submit", &self.task(task)]).expect(0);
        submitted.text().trim_end().to_owned()
    }

    #[track_caller]
    pub fn describe(&self, id: &str) -> Value {
        self.run(&["describe", id, "-o", "json"]).expect(0).json()
    }

    /// The rows that a question to the database gives.
    #[track_caller]
    pub fn sql(&self, statement: &str) -> Vec<Value> {
        let answer = self.run(&["sql", statement, "-o", "json"]).expect(0);
        serde_json::from_value(answer.json()).unwrap()
    }

    /// How many rows a question gives; none without a database.
    #[track_caller]
    pub fn sql_if_there(&self, statement: &str) -> usize {
        if self.database().exists() {
            self.sql(statement).len()
        } else {
            0
        }
    }

    /// The log on stdout of `adjourn logs`.
    #[track_caller]
    pub fn log(&self, id: &str) -> Vec<u8> {
        self.run(&["logs", id]).expect(0).stdout
    }

    /// The events of a task's history, oldest first.
    #[track_caller]
    pub fn events(&self, id: &str) -> Vec<String> {
        self.describe(id)["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| change["event"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until a question to the database, asked directly and often, counts at least
    /// `least`. A database that is not there yet counts nothing.
    #[track_caller]
    pub fn until_count(&self, what: &str, question: &str, least: i64) {
        let cluster = self.cluster();
        let options = SqliteConnectOptions::new()
            .filename(self.database())
            .read_only(true);
        let mut connection: Option<SqliteConnection> = None;
        eventually(what, || {
            cluster.runtime.block_on(async {
                if connection.is_none() {
                    connection = options.connect().await.ok();
                }
                let count: i64 = sqlx::query_scalar(AssertSqlSafe(question))
                    .fetch_one(connection.as_mut()?)
                    .await
                    .ok()?;
                (count >= least).then_some(())
            })
        });
    }

    /// Changes the database behind the program's back, to bring about what only a crash in just
    /// that moment would.
    #[track_caller]
    pub fn change(&self, statement: &str) {
        let options = SqliteConnectOptions::new().filename(self.database());
        let work = async {
            let mut connection = options.connect().await.unwrap();
            sqlx::query(AssertSqlSafe(statement))
                .execute(&mut connection)
                .await
                .unwrap();
            connection.close().await.unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work);
    }

    /// Waits until a task is in a state, without asking for its end.
    #[track_caller]
    pub fn until_state(&self, id: &str, state: &str) {
        let question = format!("SELECT count(*) FROM tasks WHERE id = {id} AND state = '{state}'");
        self.until_count(&format!("task {id} to be {state}"), &question, 1);
    }

    /// Waits until at least so many lines of a task's containers are stored.
    #[track_caller]
    pub fn until_lines(&self, id: &str, lines: i64) {
        let question =
            format!("SELECT count(*) FROM log_lines WHERE task = {id} AND kind = 'output'");
        self.until_count(&format!("{lines} lines of task {id}"), &question, lines);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(cluster) = &self.cluster {
            cluster.sweep(&self.dag);
        }
    }
}
