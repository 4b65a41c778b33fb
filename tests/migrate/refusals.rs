//! What is not moved, and how that is told.

use crate::place::Place;
use crate::support::{Finished, Home, postgres, script};

/// One sentence, and the exit code of wrong usage.
#[track_caller]
fn refused(done: Finished, words: &str) {
    let done = done.expect(2);
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    assert!(done.stderr.starts_with("error: "), "{done:?}");
    assert!(done.stderr.contains(words), "{words:?} in {done:?}");
}

fn small() -> Place {
    let home = Home::without_cluster();
    home.submit(&script(&home.dag, "first", "exit 0"));
    Place::of(home)
}

#[test]
fn places_that_cannot_be_meant_are_refused() {
    let place = small();
    let home = &place.home;
    let file = home.database().display().to_string();
    let sqlite = format!("sqlite:{file}");
    home.write("text.db", "no database at all");
    let nowhere = place.url.replace(&home.dag, "nowhere");
    for (from, to, words) in [
        (place.url.as_str(), sqlite.as_str(), "no other way"),
        (&sqlite, &file, "name the same database"),
        (
            &sqlite,
            "sqlite:other.db",
            "--to must be a PostgreSQL server",
        ),
        ("oracle://a/b", &place.url, "--from must be an SQLite file"),
        ("sqlite:gone.db", &place.url, "there is no database gone.db"),
        ("sqlite:text.db", &place.url, "not a usable SQLite database"),
        ("sqlite:.", &place.url, "it is not a file"),
        (
            &sqlite,
            "postgres://host:port/a",
            "no usable PostgreSQL URL",
        ),
        (&sqlite, &nowhere, "must name a database that is there"),
    ] {
        let done = home.run(&["migrate", "--from", from, "--to", to]);
        assert!(!done.stderr.contains("secret"), "{done:?}");
        refused(done, words);
    }
    let words = [
        "migrate", "--from", &sqlite, "--to", &place.url, "--db", &file,
    ];
    refused(home.run(&words), "--db says nothing here");
    let words = [
        "migrate", "--from", &sqlite, "--to", &place.url, "--server", "http://a",
    ];
    refused(home.run(&words), "works on a database itself");
    // Nothing of this has touched the server.
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(place.rows(tables), ["0"]);
}

/// As every command does: it is waited for, and then told with the code of what cannot be reached.
#[test]
fn a_server_that_is_not_there_is_waited_for_in_vain() {
    let home = Home::without_cluster();
    home.submit(&script(&home.dag, "first", "exit 0"));
    let from = home.database().display().to_string();
    let to = "postgres://a:secret@127.0.0.1:1/b";
    let done = home
        .run(&["migrate", "--from", &from, "--to", to])
        .expect(4);
    assert!(!done.stderr.contains("secret"), "{done:?}");
    let told = done
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "));
    let told: Vec<&str> = told.collect();
    assert_eq!(told.len(), 1, "{done:?}");
    assert!(
        told[0].contains("postgres://a@127.0.0.1:1/b cannot be reached"),
        "{done:?}"
    );
}

#[test]
fn a_file_of_another_schema_is_refused_with_advice() {
    let place = small();
    place
        .home
        .change("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1");
    refused(place.migrate(), "schema 9999");
    place
        .home
        .change("DELETE FROM _sqlx_migrations WHERE version = 9999");
    place
        .home
        .change("DELETE FROM _sqlx_migrations WHERE version = 3");
    refused(place.migrate(), "`adjourn list --db ");
}

#[test]
fn nothing_is_moved_while_somebody_works_on_either_side() {
    let place = small();
    let daemon = place.home.serve();
    refused(place.migrate(), "another program has the database");
    daemon.kill();

    let other = Home::without_cluster().set("ADJOURN_DB", &place.url);
    let daemon = other.serve();
    refused(place.migrate(), "another program works on the database");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    daemon.finish().expect(0);
    // It left no task: it is as good as empty.
    place.migrate().expect(0);
    place.both_answer_alike();
}

#[test]
fn the_tasks_of_another_installation_are_left_alone() {
    let place = small();
    let other = Home::without_cluster().set("ADJOURN_DB", &place.url);
    other.submit(&script(&other.dag, "theirs", "exit 0"));
    refused(place.migrate(), "holds the tasks of another installation");
    assert_eq!(place.rows("SELECT task_id FROM tasks"), ["theirs"]);
    other.run(&["get"]).expect(0);
}

#[test]
fn a_database_that_cannot_hold_every_text_is_refused() {
    let place = small();
    let server = postgres();
    let name = format!("{}-latin", place.home.dag);
    server.rows(
        "postgres",
        &format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"),
    );
    let from = place.home.database().display().to_string();
    let to = server.url(&name);
    let done = place.home.run(&["migrate", "--from", &from, "--to", &to]);
    refused(done, "has the encoding LATIN1");
}

#[test]
fn a_file_with_no_task_left_is_moved_and_its_ids_are_not_given_again() {
    let place = small();
    place.home.change("DELETE FROM tasks");
    let from = place.home.database().display().to_string();
    let done = place
        .home
        .run(&["migrate", "--from", &from, "--to", &place.url])
        .expect(0);
    let words = "moved 0 tasks, 0 pods, 0 triggers, 0 log blocks, 0 log cursors, \
                 0 wishes about pods, 0 results, 0 changes of state; checked 0 rows: equal";
    assert!(done.stderr.contains(words), "{done:?}");
    let file = place.home.task(&script(&place.home.dag, "next", "exit 0"));
    let next = place.home.run(&["submit", &file, "--db", &place.url]);
    assert_eq!(next.expect(0).text(), "2\n");
}
