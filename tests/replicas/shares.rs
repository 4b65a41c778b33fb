//! Who watches how much, and limits that hold over all daemons.

use serde_json::json;

use crate::load::made_up;
use crate::replicas::{Replica, Replicas};
use crate::support::{End, Lines, eventually, postgres};

const TASKS: usize = 60;

/// Waits until just these daemons watch all triggers, each about as many as any other.
#[track_caller]
fn until_even(replicas: &Replicas, living: &[&Replica]) {
    let mut owners: Vec<String> = living
        .iter()
        .map(|replica| replicas.owner(replica))
        .collect();
    owners.sort();
    eventually("even shares", || {
        let mut shares = replicas.shares();
        shares.sort();
        let counts = shares.iter().map(|(_, count)| *count);
        let all: usize = counts.clone().sum();
        let (least, most) = (counts.clone().min()?, counts.max()?);
        let who = shares.iter().map(|(owner, _)| owner);
        (who.eq(&owners) && all == TASKS && most - least <= TASKS / 10).then_some(())
    });
}

#[test]
fn triggers_are_spread_over_those_that_live() {
    let replicas = Replicas::on(postgres());
    let first = replicas.start();
    let forever = json!({"run-time": "forever"});
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let name = format!("waits-{number}");
            made_up(&replicas.home.dag, &name, forever.clone(), json!({}))
        })
        .collect();
    let ids = replicas.submit(&tasks);
    until_even(&replicas, &[&first]);
    // Two join.
    let second = replicas.start();
    let third = replicas.start();
    until_even(&replicas, &[&first, &second, &third]);
    // One leaves, another dies.
    first.terminate();
    until_even(&replicas, &[&second, &third]);
    second.kill();
    until_even(&replicas, &[&third]);
    let fourth = replicas.start();
    until_even(&replicas, &[&third, &fourth]);

    let mut words = vec!["cancel", "--no-wait"];
    words.extend(ids.iter().map(String::as_str));
    replicas.home.run(&words).expect(0);
    let cancelled = |_: &str| End {
        state: "cancelled",
        tries: 1,
        lines: Lines::Counted,
        result: None,
    };
    replicas.end([third, fourth], || {}, cancelled);
}

#[test]
fn no_more_pods_are_active_than_agreed_over_all_daemons() {
    const MOST: usize = 5;
    let replicas = Replicas::with(postgres(), &[("ADJOURN_WORKER_MAX_ACTIVE_PODS", "5")]);
    let three = replicas.three();
    let life = json!({"run-time": "0.6s"});
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let name = format!("short-{number}");
            made_up(&replicas.home.dag, &name, life.clone(), json!({}))
        })
        .collect();
    replicas.submit(&tasks);
    let well = |_: &str| End {
        state: "success",
        tries: 1,
        lines: Lines::These(Vec::new()),
        result: None,
    };
    replicas.end(three, || {}, well);
    assert_eq!(replicas.diary.most_at_work(), MOST);
}
