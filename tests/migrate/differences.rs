//! What is not the same on both sides is told, and nobody may take it for a moved database.

use serde_json::json;

use crate::place::Place;

#[test]
fn each_difference_is_told_with_its_table_its_key_and_its_column() {
    let place = Place::with_many_rows();
    place.migrate().expect(0);
    let again = place.migrate().expect(0).json();
    assert_eq!(again["equal"], true);
    let moved = again["tables"].as_array().unwrap().iter();
    assert!(
        moved.into_iter().all(|table| table["moved"] == 0),
        "{again}"
    );

    place.rows("UPDATE xcom SET value = '[]' WHERE task = 5");
    place.rows("UPDATE tasks SET reason = NULL, exit_code = 7 WHERE id = 400");
    place.rows("DELETE FROM pods WHERE task = 9 AND name = 'cA9'");
    place.rows("UPDATE log_blocks SET raw = '\\x00' WHERE task = 690 AND last_seq = 3");
    place.rows(
        "INSERT INTO history (id, task, at, event, to_state, try_number, fence)
         VALUES (100000, 1, 0, 'x', 'queued', 1, 0)",
    );
    let told = place.migrate().expect(1);
    let answer = told.json();
    assert_eq!(answer["different"], 6, "{answer}");
    assert_eq!(
        answer["differences"][0],
        json!({
            "table": "tasks", "key": "id 400", "column": "reason",
            "text": "tasks, id 400: reason is not the same",
        })
    );
    let lines: Vec<&str> = told.stderr.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "error: tasks, id 400: reason is not the same",
            "error: tasks, id 400: exit_code is not the same",
            "error: pods, task 9, try_number 1, name cA9: the row is not on the server",
            "error: log_blocks, id 1390: raw is not the same",
            "error: xcom, task 5, key return_value: value is not the same",
            "error: history, id 100000: the row is on the server alone",
        ]
    );
    assert!(lines[6].contains("worked on since"), "{told:?}");
    // It is moved all the same, and nothing was put right behind its users' backs.
    place.home.run(&["get", "--db", &place.url]).expect(0);
    assert_eq!(place.rows("SELECT value FROM xcom WHERE task = 5"), ["[]"]);
}

#[test]
fn a_database_with_a_difference_stays_closed() {
    let place = Place::with_many_rows();
    // The row is in the way of nothing until it is compared.
    place.migrate().expect(0);
    place.rows("UPDATE installation SET id = 'moving:' || id");
    place.rows("UPDATE tasks SET task_id = 'other' WHERE id = 1");
    let told = place.migrate().expect(1);
    assert!(
        told.stderr.contains("tasks, id 1: task_id is not the same"),
        "{told:?}"
    );
    assert!(told.stderr.contains("make an empty database"), "{told:?}");
    let get = place.home.run(&["get", "--db", &place.url]).expect(2);
    assert!(get.stderr.contains("run that to its end first"), "{get:?}");
}
