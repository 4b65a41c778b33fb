//! One daemon is killed and another held still, in mid-run.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::load::Load;
use crate::replicas::Replicas;
use crate::support::postgres;

#[test]
fn one_is_killed_and_one_sleeps_past_its_lease_and_no_task_is_the_worse_for_it() {
    kill_and_stop(Load {
        tasks: 144,
        seconds: 4,
    });
}

#[test]
#[ignore = "minutes of work in a debug build: run by name"]
fn three_thousand_tasks_survive_the_death_of_a_daemon_and_the_sleep_of_another() {
    kill_and_stop(Load {
        tasks: 3_000,
        seconds: 30,
    });
}

/// Waits until an engine holds nothing any more; answers how long that took.
fn let_go(replicas: &Replicas, owner: &str) -> Duration {
    let since = Instant::now();
    let held = format!(
        "SELECT (SELECT count(*) FROM triggers WHERE owner = '{owner}')
              + (SELECT count(*) FROM tasks WHERE owner = '{owner}' AND state = 'running')"
    );
    replicas.until_none("others to take over", &held);
    since.elapsed()
}

fn kill_and_stop(load: Load) {
    let replicas = Replicas::with(postgres(), &[("ADJOURN_WORKER_SLOTS", "32")]);
    let [living, sleeper, victim] = replicas.three();
    let [slow, dead] = [&sleeper, &victim].map(|replica| replicas.owner(replica));
    replicas.submit(&load.tasks(&replicas.home.dag));
    let deferrals = "SELECT count(*) FROM history WHERE event = 'defer'";
    let third = i64::try_from(load.tasks / 3).unwrap();
    replicas.until_count("a third to wait", deferrals, third);
    for owner in [&slow, &dead] {
        let watched = format!("SELECT count(*) FROM triggers WHERE owner = '{owner}'");
        replicas.until_count("each to watch something", &watched, 1);
    }

    victim.kill();
    let of_dead = let_go(&replicas, &dead);
    sleeper.signal(Signal::SIGSTOP);
    let of_slow = let_go(&replicas, &slow);
    sleeper.signal(Signal::SIGCONT);

    let tally = replicas.all_is_well([living, sleeper], load);
    println!(
        "replicas: {tasks} tasks, 3 daemons, one killed, one stopped past its lease: one pod per \
         attempt, {right} of {tasks} verdicts right, {logs} of {tasks} logs complete; takeover {} ms \
         after kill -9, {} ms after SIGSTOP",
        of_dead.as_millis(),
        of_slow.as_millis(),
        tasks = tally.tasks,
        right = tally.tasks - tally.wrong_verdicts,
        logs = tally.tasks - tally.wrong_logs,
    );
}
