//! A move is killed, at each table and in the middle of some, and goes on.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use tokio::runtime::{Builder, Runtime};

use crate::place::Place;

/// The turn to write, which a move takes before all else.
const TURN: &str = "SELECT pg_advisory_xact_lock(27413453166965358)";

/// What is held by somebody else, one after another, so that the move stops just there.
const HELD: [&str; 12] = [
    TURN,
    "LOCK TABLE tasks IN EXCLUSIVE MODE",
    "INSERT INTO tasks (id, dag_id, task_id, run_id, map_index, operator, definition, state,
                        max_tries, retry_policy, submitted_at, changed_at)
     VALUES (300, 'x', 'x', 'x', -1, 'pod', '{}', 'queued', 1, '{}', 0, 0)",
    "LOCK TABLE pods IN EXCLUSIVE MODE",
    "LOCK TABLE triggers IN EXCLUSIVE MODE",
    "INSERT INTO log_blocks (id, task, first_seq, last_seq, try_number, container, kind, lines)
     VALUES (600, 1, 90, 90, 1, 'x', 'output', '[]')",
    "LOCK TABLE log_cursors IN EXCLUSIVE MODE",
    "LOCK TABLE disposals IN EXCLUSIVE MODE",
    "LOCK TABLE xcom IN EXCLUSIVE MODE",
    "INSERT INTO history (id, task, at, event, to_state, try_number, fence)
     VALUES (300, 1, 0, 'x', 'queued', 1, 0)",
    "INSERT INTO history (id, task, at, event, to_state, try_number, fence)
     VALUES (1000, 1, 0, 'x', 'queued', 1, 0)",
    // All is there, and the mark is to be taken away.
    "UPDATE installation SET created_at = created_at",
];

/// A transaction of somebody else's.
struct Somebody {
    runtime: Runtime,
    connection: PgConnection,
}

impl Somebody {
    fn holds(url: &str, statement: &'static str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let mut connection = PgConnection::connect(url).await.unwrap();
            for statement in ["BEGIN", statement] {
                sqlx::raw_sql(AssertSqlSafe(statement))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            connection
        });
        Self {
            runtime,
            connection,
        }
    }

    fn lets_go(self) {
        let Self {
            runtime,
            connection,
        } = self;
        runtime.block_on(connection.close()).unwrap();
    }
}

/// Has a move killed where it comes to what somebody else holds. What it had sent then is carried
/// out by the server, or is not.
fn dies_at(place: &Place, held: &'static str, carried_out: bool) {
    let somebody = Somebody::holds(&place.url, held);
    let migrate = place.start();
    place.until_it_waits();
    migrate.kill();
    if !carried_out {
        place.rows(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
    }
    somebody.lets_go();
}

#[test]
fn a_move_that_is_killed_anywhere_goes_on_and_doubles_nothing() {
    for carried_out in [true, false] {
        let place = Place::with_many_rows();
        for held in HELD {
            dies_at(&place, held, carried_out);
            if held == TURN {
                continue;
            }
            let get = place.home.run(&["get", "--db", &place.url]);
            // A mark that the server took away for a dead move is gone all the same.
            if !(carried_out && held.starts_with("UPDATE installation")) {
                assert!(
                    get.stderr.contains("run that to its end first"),
                    "{held}: {get:?}"
                );
                get.expect(2);
            }
        }
        let done = place.migrate().expect(0).json();
        assert_eq!(done["equal"], true, "{done}");
        place.both_answer_alike();
        let ids = place.rows("SELECT count(*), count(DISTINCT id) FROM history");
        assert_eq!(
            ids,
            ["1381\t1381"],
            "690 tasks, two rows each, and the first's own"
        );
        // Ids that the file has given to what is gone are not given again.
        let task = place
            .home
            .write("task.yaml", "task_id: next\nimage: busybox\n");
        let next = place.home.run(&["submit", &task, "--db", &place.url]);
        assert_eq!(next.expect(0).text(), "701\n");
    }
}

#[test]
fn what_a_killed_move_has_brought_is_not_brought_again() {
    let place = Place::with_many_rows();
    dies_at(&place, TURN, true);
    dies_at(&place, HELD[9], false);
    let done = place.migrate().expect(0).json();
    let tables = done["tables"].as_array().unwrap();
    let moved = |name: &str| {
        let table = tables.iter().find(|table| table["table"] == name).unwrap();
        (
            table["rows"].as_u64().unwrap(),
            table["moved"].as_u64().unwrap(),
        )
    };
    assert_eq!(moved("tasks"), (690, 0));
    assert_eq!(moved("pods"), (4140, 0));
    assert_eq!(moved("history"), (1381, 1381 - 256));
    place.both_answer_alike();
}
