//! One daemon is killed and another held still, in mid-run.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::load::Load;
use crate::replicas::Replicas;
use crate::support::{eventually, postgres};

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

/// How long it took until nothing was held by an engine any more.
fn let_go(replicas: &Replicas, owner: &str, since: Instant) -> Option<Duration> {
    let held = format!(
        "SELECT (SELECT count(*) FROM triggers WHERE owner = '{owner}')
              + (SELECT count(*) FROM tasks WHERE owner = '{owner}' AND state = 'running')"
    );
    (replicas.count(&held) == 0).then(|| since.elapsed())
}

fn kill_and_stop(load: Load) {
    let replicas = Replicas::on(postgres());
    let [living, sleeper, victim] = replicas.three();
    let owners = [&sleeper, &victim].map(|replica| replicas.owner(replica));
    replicas.submit(&load.tasks(&replicas.home.dag));
    let deferrals = "SELECT count(*) FROM history WHERE event = 'defer'";
    let third = i64::try_from(load.tasks / 3).unwrap();
    replicas.until_count("a third to wait", deferrals, third);
    for owner in &owners {
        let watched = format!("SELECT count(*) FROM triggers WHERE owner = '{owner}'");
        replicas.until_count("each to watch something", &watched, 1);
    }

    sleeper.signal(Signal::SIGSTOP);
    let stopped_at = Instant::now();
    victim.kill();
    let killed_at = Instant::now();
    let [mut takeover, mut of_sleeper] = [None; 2];
    eventually("the living one to take over everything", || {
        takeover = takeover.or_else(|| let_go(&replicas, &owners[1], killed_at));
        of_sleeper = of_sleeper.or_else(|| let_go(&replicas, &owners[0], stopped_at));
        takeover.zip(of_sleeper).map(|_| ())
    });
    sleeper.signal(Signal::SIGCONT);

    let tally = replicas.all_is_well([living, sleeper], load);
    let millis = |took: Option<Duration>| took.unwrap().as_millis();
    println!(
        "replicas: {tasks} tasks, 3 daemons, one killed, one stopped past its lease: one pod per \
         attempt, {right} of {tasks} verdicts right, {logs} of {tasks} logs complete; takeover {} ms \
         after kill -9, {} ms after SIGSTOP",
        millis(takeover),
        millis(of_sleeper),
        tasks = tally.tasks,
        right = tally.tasks - tally.wrong_verdicts,
        logs = tally.tasks - tally.wrong_logs,
    );
}
