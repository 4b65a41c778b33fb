//! A daemon with an API, and a home of its own.

use serde_json::Value;

use crate::client::Request;
use crate::support::{Home, Running};

pub struct Daemon {
    pub home: Home,
    pub serve: Running,
    pub place: String,
}

impl Daemon {
    /// A daemon that reaches no cluster.
    pub fn alone() -> Self {
        Self::of(Home::without_cluster())
    }

    pub fn of(home: Home) -> Self {
        let (serve, place) = home.serve_http();
        Self { home, serve, place }
    }

    pub fn get(&self, path: &str) -> Request {
        Request::new(&self.place, "GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        Request::new(&self.place, "POST", path)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.place)
    }

    /// Submits a task file and answers the ids.
    #[track_caller]
    pub fn submit(&self, yaml: &str) -> Vec<i64> {
        let taken = self.post("/api/v1/tasks").yaml(yaml).send().expect(201);
        let taken = taken.json();
        let tasks = taken["tasks"].as_array().unwrap().iter();
        tasks.map(|task| task["id"].as_i64().unwrap()).collect()
    }

    /// Submits tasks and sees their ends as cancelled: of them nothing changes any more.
    #[track_caller]
    pub fn submit_ended(&self, yaml: &str) -> Vec<i64> {
        let ids = self.submit(yaml);
        for id in &ids {
            let path = format!("/api/v1/tasks/{id}/cancel");
            self.post(&path)
                .json(&Value::Object(serde_json::Map::new()))
                .send()
                .expect(202);
            let mut log = self.get(&format!("/api/v1/tasks/{id}/log/events")).open();
            while let Some((name, ..)) = log.event() {
                if name == "end" {
                    break;
                }
            }
        }
        ids
    }
}
