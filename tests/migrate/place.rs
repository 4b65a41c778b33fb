//! A file with tasks, and the database on a server to which they are moved.

use std::sync::Arc;

use serde_json::Value;

use crate::support::{Finished, Home, Postgres, Running, eventually, postgres, script};

/// What is read from both sides: the views, and what lies behind them that views leave out.
const QUESTIONS: [&str; 12] = [
    "SELECT * FROM task_list ORDER BY id",
    "SELECT * FROM deferred_tasks ORDER BY id",
    "SELECT * FROM task_history",
    "SELECT id, seq, try_number, container, stamp, kind FROM task_log ORDER BY id, seq",
    "SELECT * FROM log_lines ORDER BY task, seq",
    "SELECT * FROM tasks ORDER BY id",
    "SELECT * FROM pods ORDER BY task, try_number, intended_at, nonce",
    "SELECT * FROM triggers ORDER BY task",
    "SELECT * FROM log_blocks ORDER BY id",
    "SELECT * FROM log_cursors ORDER BY task, stamp_ns",
    "SELECT * FROM disposals ORDER BY id",
    "SELECT task, key, value FROM xcom ORDER BY task",
];

pub struct Place {
    pub home: Home,
    pub server: Arc<Postgres>,
    pub url: String,
}

impl Place {
    /// The home's file and a new, empty database.
    pub fn of(home: Home) -> Self {
        let server = postgres();
        let url = server.database(&home.dag);
        Self { home, server, url }
    }

    /// A file with several transactions' worth of rows in each table, and an empty database that
    /// puts texts in an order of its own.
    pub fn with_many_rows() -> Self {
        let home = Home::without_cluster();
        home.submit(&script(&home.dag, "first", "exit 0"));
        fill(&home);
        let server = postgres();
        server.rows(
            "postgres",
            &format!(
                "CREATE DATABASE \"{}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'
                 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
                home.dag
            ),
        );
        let url = server.url(&home.dag);
        Self { home, server, url }
    }

    fn from(&self) -> String {
        format!("sqlite:{}", self.home.database().display())
    }

    pub fn start(&self) -> Running {
        let from = self.from();
        self.home
            .start(&["migrate", "--from", &from, "--to", &self.url, "-o", "json"])
    }

    pub fn migrate(&self) -> Finished {
        self.start().finish()
    }

    /// The rows of a statement's answer on the server.
    #[track_caller]
    pub fn rows(&self, statement: &str) -> Vec<String> {
        self.server.rows(&self.home.dag, statement)
    }

    /// Looks until somebody waits for a lock on the server.
    #[track_caller]
    pub fn until_it_waits(&self) {
        let waits = "SELECT pid FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("the move to wait for a lock", || {
            (!self.rows(waits).is_empty()).then_some(())
        });
    }

    fn answer(&self, question: &str, database: &str) -> Vec<Value> {
        let asked = self
            .home
            .run(&["sql", question, "-o", "json", "--db", database]);
        serde_json::from_value(asked.expect(0).json()).unwrap()
    }

    /// Holds both sides against each other, as a person reads them.
    #[track_caller]
    pub fn both_answer_alike(&self) {
        let file = self.home.database();
        for question in QUESTIONS {
            let mut here = self.answer(question, file.to_str().unwrap());
            for row in &mut here {
                for value in row.as_object_mut().unwrap().values_mut() {
                    // What PostgreSQL has in a NUL's place.
                    if let Value::String(text) = value {
                        *text = text.replace('\0', "\u{fffd}");
                    }
                }
            }
            let there = self.answer(question, &self.url);
            assert_eq!(here.len(), there.len(), "rows of {question}");
            for (one, other) in here.iter().zip(&there) {
                assert_eq!(one, other, "{question}");
            }
        }
    }
}

/// Seven hundred tasks, and rows of all kinds that belong to them. The last ten are gone again.
fn fill(home: &Home) {
    home.change(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 700)
         INSERT INTO tasks (id, dag_id, task_id, run_id, map_index, operator, definition, state,
                            max_tries, retry_policy, submitted_at, changed_at, finished_at, reason)
         SELECT i, 'many', 'task', 'run-' || i, -1, operator, definition, 'success',
                max_tries, retry_policy, submitted_at + i, changed_at, submitted_at + i,
                'two' || char(10) || 'lines' || char(0) || i
         FROM n, tasks WHERE tasks.id = 1",
    );
    // Names that languages put in another order than their bytes are in.
    home.change(
        "INSERT INTO pods (task, try_number, connection, overrides, server, namespace, name, nonce,
                           body_hash, intended_at)
         SELECT id, 1, 'c', '{}', 's', 'default', value || id, value || id, 'h', id * 10
         FROM tasks, json_each('[\"a\", \"B\", \"c-d\", \"cA\", \"\u{e4}\", \"_\"]')",
    );
    home.change(
        "INSERT INTO triggers (task, fence, kind, version, kwargs, owner, deferred_at)
         SELECT id, 1, 'pod', 1, '{}', 'nobody', id FROM tasks",
    );
    home.change(
        "INSERT INTO log_blocks (task, first_seq, last_seq, try_number, container, kind, lines, raw)
         SELECT id, 1, 2, 1, 'base', 'output',
                json_array(printf('%019d', id) || 'caf\u{e9} ' || id, printf('%019d', id + 1)), NULL
         FROM tasks ORDER BY id",
    );
    home.change(
        "INSERT INTO log_blocks (task, first_seq, last_seq, try_number, container, kind, lines, raw)
         SELECT id, 3, 3, 1, 'base', 'output', json_array(printf('%019d', id + 2)), randomblob(20000)
         FROM tasks ORDER BY id",
    );
    home.change(
        "INSERT INTO log_cursors (task, pod_uid, container, container_id, stamp_ns, seen_at_stamp,
                                  complete)
         SELECT id, value || id, 'base', 'id', id * 10 + length(value), 1, 0
         FROM tasks, json_each('[\"a\", \"Bb\"]')",
    );
    home.change(
        "INSERT INTO disposals (task, connection, overrides, server, namespace, name, nonce, action,
                                due_at, wanted_at)
         SELECT id, 'c', '{}', 's', 'default', 'pod-' || id, 'n', 'delete', id, id FROM tasks",
    );
    home.change(
        "INSERT INTO xcom (task, key, value)
         SELECT id, 'return_value', json_object('task', id, 'nul', char(0)) FROM tasks",
    );
    home.change(
        "INSERT INTO history (task, at, event, to_state, try_number, fence)
         SELECT id, id, 'submit', 'queued', 1, 0 FROM tasks
         UNION ALL SELECT id, id + 1, 'complete', 'success', 1, 1 FROM tasks",
    );
    home.change("DELETE FROM tasks WHERE id > 690");
}
