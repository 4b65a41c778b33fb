//! Each daemon is taken down and started anew in turn, as when a new version is rolled out.

use crate::load::Load;
use crate::replicas::Replicas;
use crate::support::postgres;

#[test]
fn daemons_are_renewed_one_after_another_and_nothing_waits_for_a_lease() {
    // Whoever had to wait for the lease would wait longer than any test.
    let replicas = Replicas::with(postgres(), &[("ADJOURN_WORKER_LEASE_SECONDS", "86400")]);
    let load = Load {
        tasks: 64,
        seconds: 3,
    };
    let mut three: Vec<_> = replicas.three().into();
    replicas.submit(&load.tasks(&replicas.home.dag));
    for _ in 0..2 {
        for _ in 0..3 {
            let oldest = three.remove(0);
            // Those that run until they are cancelled are there for each of them.
            let watched = format!(
                "SELECT count(*) FROM triggers WHERE owner = '{}'",
                replicas.owner(&oldest)
            );
            replicas.until_count("each to watch something", &watched, 1);
            three.push(oldest.renew());
        }
    }
    replicas.all_is_well(three, load);
    let taken = replicas.count("SELECT count(*) FROM history WHERE event = 'reclaim'");
    assert_eq!(taken, 0, "claims that nobody let go of");
}
