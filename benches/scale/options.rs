//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

/// The numbers of deferred tasks without `--n`.
const COUNTS: [usize; 4] = [100, 1_000, 10_000, 100_000];

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Waiting,
    Lives,
    Durable,
    Claims,
    Logs,
}

pub struct Options {
    /// How many tasks wait.
    pub counts: Vec<usize>,
    /// How many whole lives are timed.
    pub lives: usize,
    /// How long the steady state is watched.
    pub quiet: Duration,
    pub json: Option<PathBuf>,
    only: Vec<Part>,
}

impl Options {
    pub fn from_arguments() -> Self {
        let mut options = Self {
            counts: Vec::new(),
            lives: 5_000,
            quiet: Duration::from_secs(30),
            json: None,
            only: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .unwrap_or_else(|| panic!("{argument} needs a value"))
            };
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--n" => options.counts.push(number(&value())),
                "--lives" => options.lives = number(&value()),
                "--quiet" => options.quiet = Duration::from_secs(number(&value()) as u64),
                "--json" => options.json = Some(value().into()),
                "--only" => options.only.push(part(&value())),
                other => panic!("{other} is not known; see benches/scale/main.rs"),
            }
        }
        if options.counts.is_empty() {
            options.counts = COUNTS.to_vec();
        }
        options
    }

    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn number(text: &str) -> usize {
    text.replace([',', '_'], "")
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn part(name: &str) -> Part {
    match name {
        "waiting" => Part::Waiting,
        "lives" => Part::Lives,
        "durable" => Part::Durable,
        "claims" => Part::Claims,
        "logs" => Part::Logs,
        other => panic!("{other:?} is no part: waiting, lives, durable, claims, logs"),
    }
}
