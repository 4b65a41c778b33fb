//! What one more task that waits asks of the API server: nothing.

use std::time::Duration;

use adjourn::clock::Clock;
use adjourn::pod::client::ClusterClient;
use adjourn::pod::watch::{PodWatchHub, WatchSettings};

use crate::PATIENCE;
use crate::api::Api;
use crate::stage;

/// How many verifications are waited for.
const LOOKS: u64 = 5;

/// The requests of a namespace with so many waiters, but for verifications, which come at the pace
/// of the most impatient one.
async fn requests_besides_verifications(waiters: usize) -> u64 {
    let api = Api::start().await;
    for number in 0..waiters {
        let name = format!("pod-{number}");
        api.put(stage::a_pod(&name, "Running", stage::running()));
    }
    let settings = WatchSettings {
        verify_every: Duration::from_millis(10),
        ..WatchSettings::default()
    };
    let hub = PodWatchHub::new("owner=us", settings);
    let client = ClusterClient::connect(&api.settings()).await.unwrap();
    let mut waiting = Vec::with_capacity(waiters);
    for number in 0..waiters {
        let mut one = hub.subscribe(&client, &stage::identity(&format!("pod-{number}")));
        // The first one is the most impatient.
        let every = Duration::from_millis(20 + number as u64);
        one.verify_every(every, &Clock::system());
        waiting.push(one);
    }
    for one in &mut waiting {
        one.changed().await;
    }
    let looks = async {
        while hub.counts().verifications < LOOKS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looks).await.unwrap();
    let counts = hub.counts();
    assert_eq!(counts.errors, 0);
    counts.requests - counts.verifications
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_waiters_ask_no_more_than_one() {
    let one = requests_besides_verifications(1).await;
    let thousand = requests_besides_verifications(1_000).await;
    // The watch itself.
    assert_eq!((one, thousand), (1, 1));
}

/// The most impatient one that is left sets the pace.
#[tokio::test(flavor = "multi_thread")]
async fn the_pace_is_given_up_with_whoever_wanted_it() {
    let api = Api::start().await;
    api.put(stage::a_pod("a", "Running", stage::running()));
    let settings = WatchSettings {
        verify_every: Duration::from_millis(10),
        ..WatchSettings::default()
    };
    let hub = PodWatchHub::new("owner=us", settings);
    let client = ClusterClient::connect(&api.settings()).await.unwrap();
    let mut patient = hub.subscribe(&client, &stage::identity("a"));
    patient.verify_every(Duration::from_secs(3600), &Clock::system());
    let mut hasty = hub.subscribe(&client, &stage::identity("a"));
    hasty.verify_every(Duration::from_millis(10), &Clock::system());
    patient.changed().await;
    let looks = async {
        while hub.counts().verifications < LOOKS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looks).await.unwrap();
    drop(hasty);
    // One may be under way or about to begin.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = hub.counts().verifications;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let after = hub.counts().verifications;
    assert!(after <= before + 1, "{before} then {after}");
}
