//! Daemons on one database, each with a home of its own, beside a cluster of made-up pods.

use std::sync::Arc;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::load::Load;
use crate::support::{
    Cluster, Diary, End, Home, Postgres, Running, Tally, eventually, finds_nothing, judge,
    nothing_is_left,
};

/// How long a claim lasts: far less than anybody waits here.
const LEASE: &str = "2";

/// The database, and whoever asks it.
pub struct Replicas {
    pub diary: Diary,
    /// Where commands are given; no daemon lives here.
    pub home: Home,
    pub cluster: Arc<Cluster>,
    pub server: Arc<Postgres>,
    settings: Vec<(&'static str, &'static str)>,
}

/// One daemon.
pub struct Replica {
    home: Home,
    serve: Running,
    /// Where its API is.
    pub place: String,
}

impl Replicas {
    /// A new database on the server, and no daemon yet.
    pub fn on(server: Arc<Postgres>) -> Self {
        Self::with(server, &[])
    }

    /// The same with settings for each daemon.
    pub fn with(server: Arc<Postgres>, settings: &[(&'static str, &'static str)]) -> Self {
        let cluster = Cluster::simulated();
        let home = Home::beside(cluster.clone());
        let url = server.database(&home.dag);
        let home = home.set("ADJOURN_DB", &url);
        Self {
            server,
            diary: home.diary(),
            cluster,
            home,
            settings: settings.to_vec(),
        }
    }

    /// Starts a daemon.
    pub fn start(&self) -> Replica {
        self.start_at(&self.url())
    }

    /// Starts a daemon for which the database is at another place.
    pub fn start_at(&self, url: &str) -> Replica {
        let mut home = Home::beside(self.cluster.clone())
            .set("ADJOURN_DB", url)
            .set("ADJOURN_WORKER_LEASE_SECONDS", LEASE)
            .set("ADJOURN_WORKER_LOOK_MILLISECONDS", "100");
        for (name, value) in &self.settings {
            home = home.set(name, value);
        }
        Replica::start(home)
    }

    pub fn three(&self) -> [Replica; 3] {
        [(); 3].map(|()| self.start())
    }

    /// Submits tasks; answers their ids.
    #[track_caller]
    pub fn submit(&self, tasks: &[Value]) -> Vec<String> {
        let file = self.home.task(&json!(tasks));
        let submitted = self.home.run(&["submit", &file]).expect(0);
        submitted.text().lines().map(str::to_owned).collect()
    }

    /// The number that a question gives.
    #[track_caller]
    pub fn count(&self, question: &str) -> i64 {
        let rows = self.server.rows(&self.home.dag, question);
        rows[0].parse().unwrap()
    }

    /// Looks until a question gives at least `least`.
    #[track_caller]
    pub fn until_count(&self, what: &str, question: &str, least: i64) {
        eventually(what, || (self.count(question) >= least).then_some(()));
    }

    #[track_caller]
    pub fn until_none(&self, what: &str, question: &str) {
        eventually(what, || (self.count(question) == 0).then_some(()));
    }

    /// How many triggers each engine watches, by its owner id.
    #[track_caller]
    pub fn shares(&self) -> Vec<(String, usize)> {
        let counts = "SELECT owner, count(*) FROM triggers GROUP BY owner ORDER BY owner";
        let rows = self.server.rows(&self.home.dag, counts);
        let read = rows.iter().map(|row| {
            let (owner, count) = row.split_once('\t').unwrap();
            (owner.to_owned(), count.parse().unwrap())
        });
        read.collect()
    }

    /// The address of the database.
    pub fn url(&self) -> String {
        self.server.url(&self.home.dag)
    }

    /// The owner id of a daemon.
    #[track_caller]
    pub fn owner(&self, replica: &Replica) -> String {
        let question = format!(
            "SELECT owner FROM engines WHERE split_part(owner, ':', 3) = '{}'",
            replica.serve.pid()
        );
        let mut owners = self.server.rows(&self.home.dag, &question);
        assert_eq!(owners.len(), 1, "an engine of this process: {owners:?}");
        owners.remove(0)
    }

    /// Cancels those that run until somebody does.
    pub fn cancel(&self) {
        let open = "SELECT id FROM tasks WHERE task_id LIKE 'Cancelled-%' AND log_lines > 0
                      AND finished_at IS NULL
                      AND NOT EXISTS (SELECT 1 FROM history
                                      WHERE history.task = tasks.id AND event = 'cancel')";
        let ids = self.server.rows(&self.home.dag, open);
        if !ids.is_empty() {
            let mut words = vec!["cancel", "--no-wait"];
            words.extend(ids.iter().map(String::as_str));
            // One of them may have ended meanwhile.
            self.home.run(&words);
        }
    }

    /// Waits for the end of a load and holds everything that must hold.
    #[track_caller]
    pub fn all_is_well(&self, replicas: impl IntoIterator<Item = Replica>, load: Load) -> Tally {
        self.end(replicas, || self.cancel(), |task_id| load.end(task_id))
    }

    /// The same with ends of the test's own; `nudge` is done between two looks.
    #[track_caller]
    pub fn end(
        &self,
        replicas: impl IntoIterator<Item = Replica>,
        nudge: impl Fn(),
        right: impl Fn(&str) -> End,
    ) -> Tally {
        let open = || self.count("SELECT count(*) FROM tasks WHERE finished_at IS NULL");
        let mut left = open();
        while left > 0 {
            left = eventually("another task to end", || {
                nudge();
                Some(open()).filter(|open| *open < left)
            });
        }
        self.until_none(
            "the last wish about a pod",
            "SELECT count(*) FROM disposals",
        );
        let pods = self.diary.closed();
        // The rows of those that were killed go with their leases.
        for replica in replicas {
            replica.terminate();
        }
        let tally = judge(&self.home, right);
        assert!(tally.is_clean(), "{tally:?}");
        assert_eq!(
            self.diary.most_alive(),
            1,
            "pods alive at once in one attempt"
        );
        assert_eq!(i64::try_from(pods.len()).unwrap(), tally.tries, "pods ever");
        nothing_is_left(|question| self.count(question));
        finds_nothing(&self.home);
        tally
    }
}

impl Replica {
    fn start(home: Home) -> Self {
        let (serve, place) = home.serve_http();
        Self { home, serve, place }
    }

    /// Takes it down as a new version would, and starts it anew in the same home.
    #[track_caller]
    pub fn renew(self) -> Self {
        let Self { home, serve, .. } = self;
        serve.signal(Signal::SIGTERM);
        serve.finish().expect(0);
        Self::start(home)
    }

    /// `kill -9`.
    pub fn kill(self) {
        self.serve.kill();
    }

    pub fn signal(&self, signal: Signal) {
        self.serve.signal(signal);
    }

    /// Asks it to go, and insists that it lived until then.
    #[track_caller]
    pub fn terminate(self) {
        self.serve.signal(Signal::SIGTERM);
        self.serve.finish().expect(0);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.place)
    }
}
