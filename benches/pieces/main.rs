//! How long the pure parts take, each alone: `cargo bench --bench pieces`.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

mod logs;
mod pods;
mod states;
mod watch;

fn main() {
    divan::main();
}
