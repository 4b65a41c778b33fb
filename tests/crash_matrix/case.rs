//! One case: a scenario, a point, which hit of it, and how many processes die there.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::rows::Rows;
use crate::scenario::{Outside, Scenario};
use crate::support::{
    Diary, Finished, Home, Postgres, Running, eventually, finds_nothing, nothing_is_left, postgres,
};

/// Where processes are killed.
#[derive(Debug, Clone, Copy)]
pub struct Blow {
    pub point: &'static str,
    /// Which hit of the first process; later ones die at their first.
    pub hit: u32,
    pub times: u32,
}

/// A scenario at work.
struct Case<'a> {
    scenario: &'a Scenario,
    home: Home,
    rows: Rows,
    /// Held, so that the server that all cases share goes on.
    _server: Option<Arc<Postgres>>,
    file: String,
    tally: PathBuf,
}

/// The server that holds the tasks, if they are to be on one.
pub fn server() -> Option<Arc<Postgres>> {
    let store = std::env::var("ADJOURN_MATRIX_STORE").unwrap_or_default();
    match store.as_str() {
        "" | "sqlite" => None,
        "postgres" => Some(postgres()),
        other => panic!("ADJOURN_MATRIX_STORE is {other}, and not sqlite or postgres"),
    }
}

/// How often a process that nobody kills reaches each point, one line a hit.
pub fn tally(scenario: &Scenario) -> Vec<String> {
    let case = Case::begin(scenario);
    let diary = case.home.diary();
    case.prepare();
    let tally = case.tally.clone();
    let ended = case.run(&[("ADJOURN_FAILPOINT_TALLY", tally.to_str().unwrap())]);
    case.all_is_well(&ended, &diary);
    let text = std::fs::read_to_string(&case.tally).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Runs the scenario under the blow; answers how many processes were killed. Panics when
/// anything does not hold.
pub fn strike(scenario: &Scenario, blow: Blow) -> u32 {
    let case = Case::begin(scenario);
    let diary = case.home.diary();
    case.prepare();
    let mut killed = 0;
    while killed < blow.times {
        let hit = if killed == 0 { blow.hit } else { 1 };
        let at = format!("{}:{hit}", blow.point);
        let ended = case.run(&[("ADJOURN_FAILPOINT", &at)]);
        if ended.code.is_some() {
            // It was not reached: this was a run like any other.
            case.all_is_well(&ended, &diary);
            return killed;
        }
        killed += 1;
    }
    let ended = case.run(&[]);
    case.all_is_well(&ended, &diary);
    killed
}

impl<'a> Case<'a> {
    fn begin(scenario: &'a Scenario) -> Self {
        let store = server();
        let mut home = Home::new().set("ADJOURN_WORKER_LOOK_MILLISECONDS", "100");
        for (name, value) in scenario.settings {
            home = home.set(name, value);
        }
        let file = home.task(&scenario.task(&home.dag));
        let database = match &store {
            Some(server) => {
                let database = server.database(&format!("c{}", uuid::Uuid::new_v4().simple()));
                home = home.set("ADJOURN_DB", &database);
                database
            }
            None => home.database().to_str().unwrap().to_owned(),
        };
        Self {
            scenario,
            rows: Rows::of(database),
            _server: store,
            tally: home.path().join("tally"),
            file,
            home,
        }
    }

    /// Brings the task to where the matrix begins.
    fn prepare(&self) {
        if self.scenario.outside == Outside::CancelAndRetry {
            let run = self.home.start(&["run", &self.file]);
            eventually("the first line", || self.first_line().then_some(()));
            self.home.run(&["cancel", "1"]).expect(0);
            run.finish().expect(1);
            self.home.run(&["retry", "1"]).expect(0);
        }
        if self.scenario.outside == Outside::Prune {
            self.home
                .run(&["run", &self.file])
                .expect(self.scenario.ends.code);
        }
        if let Some(first) = self.scenario.first {
            let ended = self.run(&[("ADJOURN_FAILPOINT", first)]);
            assert_eq!(ended.code, None, "the first blow: {ended:?}");
        }
    }

    fn first_line(&self) -> bool {
        let lines = "SELECT count(*) FROM log_lines WHERE kind = 'output'";
        self.rows
            .count_if_there(lines)
            .is_some_and(|lines| lines > 0)
    }

    /// One process, to its end or its death: `adjourn run FILE`, or what removes the task.
    fn run(&self, variables: &[(&str, &str)]) -> Finished {
        let words = match self.scenario.outside {
            Outside::Nothing | Outside::Cancel | Outside::CancelAndRetry => {
                vec!["run", &self.file]
            }
            Outside::Prune => vec!["prune", "--older-than", "0s"],
        };
        let mut command = self.home.command(&words);
        command.envs(variables.iter().copied());
        let mut running = Running::start(command);
        match self.scenario.outside {
            Outside::Nothing | Outside::Prune => {}
            Outside::Cancel => self.cancel_when_it_has_begun(&mut running),
            Outside::CancelAndRetry => self.go_on_when_it_is_taken_up(&mut running),
        }
        running.finish()
    }

    fn cancel_when_it_has_begun(&self, running: &mut Running) {
        let asked = "SELECT count(*) FROM history WHERE event = 'cancel'";
        if self
            .rows
            .count_if_there(asked)
            .is_some_and(|times| times > 0)
        {
            return;
        }
        let begun = eventually("the first line, or the end", || {
            if self.first_line() {
                Some(true)
            } else {
                (!running.is_running()).then_some(false)
            }
        });
        if begun {
            self.home.run(&["cancel", "1", "--no-wait"]).expect(0);
        }
    }

    fn go_on_when_it_is_taken_up(&self, running: &mut Running) {
        let taken_up = "SELECT name FROM pods WHERE try_number = 2";
        let pod = eventually("the pod to be taken up, or the end", || {
            let pod = self.rows.texts(taken_up).pop();
            (pod.is_some() || !running.is_running()).then_some(pod)
        });
        if let Some(pod) = pod {
            self.home.cluster().run_in(&pod, &["kill", "-USR1", "1"]);
        }
    }

    /// Everything that must hold at the end, whatever happened on the way.
    fn all_is_well(&self, ended: &Finished, diary: &Diary) {
        if self.scenario.outside == Outside::Prune {
            return self.nothing_is_left(ended);
        }
        let ends = &self.scenario.ends;
        assert_eq!(ended.code, Some(ends.code), "the verdict of {ended:?}");
        assert_eq!(
            ended.text(),
            self.scenario.log(),
            "each line once, in order"
        );

        let pods = diary.closed();
        assert_eq!(pods.len(), ends.pods, "pods there ever were: {pods:?}");
        assert_eq!(diary.most_alive(), 1, "pods alive at once in one attempt");

        let told = self.rows.texts(
            "SELECT state || ', ' || coalesce(CAST(exit_code AS TEXT), 'none') || ', '
                    || try_number
             FROM tasks",
        );
        let code = ends
            .exit_code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        let right = format!("{}, {code}, {}", ends.state, ends.try_number);
        assert_eq!(told, [right], "state, exit code and attempt of the task");
        self.verdicts();

        let log = self
            .rows
            .texts("SELECT line FROM task_log WHERE kind = 'output' ORDER BY seq");
        assert_eq!(log.join("\n") + "\n", self.scenario.log());
        nothing_is_left(|question| self.rows.count(question));
        let records = self
            .rows
            .count("SELECT count(*) FROM pods WHERE uid IS NOT NULL");
        let attempts = usize::try_from(ends.try_number).unwrap();
        assert_eq!(
            usize::try_from(records).unwrap(),
            attempts,
            "pods on record"
        );
        let results = self.rows.texts("SELECT value FROM xcom");
        assert_eq!(results.first().map(String::as_str), ends.result);

        finds_nothing(&self.home);
    }

    /// The task is gone with all that was its own.
    fn nothing_is_left(&self, ended: &Finished) {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for table in [
            "tasks",
            "log_blocks",
            "history",
            "pods",
            "xcom",
            "triggers",
            "disposals",
        ] {
            let left = self.rows.count(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(left, 0, "rows are left in {table}");
        }
        let report = self.home.run(&["doctor", "-o", "json"]).expect(0).json();
        assert_eq!(report["findings"], json!([]), "{report}");
    }

    /// Each attempt has exactly one end.
    fn verdicts(&self) {
        let ends = self.rows.texts(
            "SELECT try_number || ' ' || count(*) FROM history
             WHERE event IN ('complete', 'skip', 'fail', 'killed')
             GROUP BY try_number ORDER BY try_number",
        );
        let right: Vec<String> = (1..=self.scenario.ends.try_number)
            .map(|attempt| format!("{attempt} 1"))
            .collect();
        assert_eq!(ends, right, "one verdict an attempt");
    }
}
