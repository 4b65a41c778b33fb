//! The tests' own PostgreSQL.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use crate::support::{Postgres, Running, Stop, eventually, postgres};

#[test]
fn each_database_is_empty_and_what_is_written_survives_a_crash() {
    let server = Postgres::start();
    let port = server.port();
    let url = server.database("one");
    assert_eq!(url, format!("postgres://adjourn@127.0.0.1:{port}/one"));
    server.database("two");
    server.rows("one", "CREATE TABLE things AS SELECT 1 AS a, 'x' AS b");
    for how in [Stop::Fast, Stop::Immediate] {
        server.restart(how);
        assert_eq!(server.rows("one", "SELECT * FROM things"), ["1\tx"]);
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server.rows("two", tables), ["0"]);
    assert_eq!(server.rows("two", "SHOW fsync"), ["on"]);
}

#[test]
fn who_asks_at_the_same_time_shares_a_server() {
    let (one, other) = (postgres(), postgres());
    assert_eq!(one.port(), other.port());
    // It stays when the thread that was the first to ask has ended.
    drop(one);
    std::thread::spawn(|| postgres().port()).join().unwrap();
    other.database("shared");
}

/// This test is its own second process, which starts a server and is killed.
#[test]
fn no_server_outlives_its_process() {
    const SECOND: &str = "ADJOURN_TEST_HOLDS_A_SERVER";
    if std::env::var_os(SECOND).is_some() {
        let server = Postgres::start();
        let place = server.path().display();
        println!("holds {} {place} .", server.port());
        std::io::stdout().flush().unwrap();
        loop {
            std::thread::park();
        }
    }
    let mut second = Command::new(std::env::current_exe().unwrap());
    second.args(["--exact", "server::no_server_outlives_its_process"]);
    second.arg("--nocapture").env(SECOND, "yes");
    let second = Running::start(second);
    let said = second.until_out("a server", |said| said.contains(" ."));
    let mut words = said.split("holds ").nth(1).unwrap().split(' ');
    let port: u16 = words.next().unwrap().parse().unwrap();
    let place = words.next().unwrap().to_owned();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    second.kill();
    eventually("the end of the server", || {
        TcpStream::connect(("127.0.0.1", port)).err()
    });
    let data = std::path::Path::new(&place).join("data");
    eventually("the end of its process", || {
        (!data.join("postmaster.pid").exists()).then_some(())
    });
    std::fs::remove_dir_all(place).unwrap();
}
