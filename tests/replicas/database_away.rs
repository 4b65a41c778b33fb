//! The database goes away: for one daemon alone, or for all.

use std::sync::Arc;

use crate::load::Load;
use crate::replicas::{Replica, Replicas};
use crate::support::{Postgres, Proxy, Stop, eventually, postgres};

/// Two daemons beside PostgreSQL, and one behind a proxy.
struct Severed {
    replicas: Replicas,
    proxy: Proxy,
    near: [Replica; 2],
    far: Replica,
    owner: String,
}

const LOAD: Load = Load {
    tasks: 48,
    seconds: 3,
};

impl Severed {
    fn set() -> Self {
        let replicas = Replicas::on(postgres());
        let place = |port: u16| format!("127.0.0.1:{port}");
        let port = replicas.server.port();
        let proxy = Proxy::to(place(port).parse().unwrap());
        let url = replicas.url();
        let through_proxy = url.replace(&place(port), &proxy.address().to_string());
        assert_ne!(through_proxy, url);
        let near = [replicas.start(), replicas.start()];
        let far = replicas.start_at(&through_proxy);
        replicas.submit(&LOAD.tasks(&replicas.home.dag));
        let severed = Self {
            owner: replicas.owner(&far),
            replicas,
            proxy,
            near,
            far,
        };
        severed.it_takes_part();
        severed
    }

    /// How many triggers and claims the far one has.
    fn held(&self) -> i64 {
        let owner = &self.owner;
        self.replicas.count(&format!(
            "SELECT (SELECT count(*) FROM triggers WHERE owner = '{owner}')
                  + (SELECT count(*) FROM tasks WHERE owner = '{owner}' AND state = 'running')"
        ))
    }

    /// Waits until the far one has a share of what waits. There is always something: tasks that
    /// run until they are cancelled.
    fn it_takes_part(&self) {
        let owner = &self.owner;
        let watched = format!("SELECT count(*) FROM triggers WHERE owner = '{owner}'");
        self.replicas
            .until_count("the far one to take part", &watched, 1);
    }

    fn its_share_is_taken_over(&self) {
        eventually("the others to take over", || {
            (self.held() == 0).then_some(())
        });
    }

    fn all_is_well(self) {
        let [one, two] = self.near;
        self.replicas.all_is_well([one, two, self.far], LOAD);
    }
}

#[test]
fn a_daemon_whose_connections_are_cut_goes_on() {
    let severed = Severed::set();
    for _ in 0..3 {
        let owner = &severed.owner;
        let alive = format!("SELECT alive_until FROM engines WHERE owner = '{owner}'");
        let before = severed.replicas.count(&alive);
        severed.proxy.cut();
        severed
            .replicas
            .until_count("another sign of life", &alive, before + 1);
    }
    severed.it_takes_part();
    severed.all_is_well();
}

#[test]
fn a_daemon_that_is_cut_off_loses_its_share_and_gets_one_when_it_is_back() {
    let severed = Severed::set();
    severed.proxy.refuse();
    severed.its_share_is_taken_over();
    severed.proxy.let_through();
    severed.it_takes_part();
    severed.all_is_well();
}

#[test]
fn a_daemon_that_hears_nothing_loses_its_share_and_gets_one_when_it_is_back() {
    let severed = Severed::set();
    severed.proxy.fall_silent();
    severed.its_share_is_taken_over();
    severed.proxy.let_through();
    severed.it_takes_part();
    severed.all_is_well();
}

#[test]
fn postgresql_goes_down_in_mid_run_and_comes_back() {
    let server = Arc::new(Postgres::start());
    let replicas = Replicas::on(server.clone());
    let three = replicas.three();
    replicas.submit(&LOAD.tasks(&replicas.home.dag));
    let deferrals = "SELECT count(*) FROM history WHERE event = 'defer'";
    replicas.until_count("a third to wait", deferrals, 16);

    server.stop(Stop::Immediate);
    // It is away while pods end of which nobody can write anything down.
    let ended = |phase: &str| ["Succeeded", "Failed"].contains(&phase);
    replicas.diary.until("the end of some pods", |seen| {
        let ended = seen.iter().filter(|pod| ended(&pod.phase) && !pod.gone);
        ended.count() >= 8
    });
    server.start_again();
    let ends = "SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL";
    replicas.until_count("half of all ends", ends, 24);

    server.restart(Stop::Fast);
    replicas.all_is_well(three, LOAD);
}
