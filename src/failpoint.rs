//! Named points at every durable step, where a test can kill the process.
//!
//! Only with the feature `failpoints`, which nothing that is shipped has: without it `reach!` is
//! nothing, and no name of a point is in the program.
//!
//! `ADJOURN_FAILPOINT=NAME:N` kills the process with SIGKILL when it reaches that point for the
//! N-th time. `ADJOURN_FAILPOINT_TALLY=FILE` adds a line to a file at each point that is reached.
//! `ADJOURN_FAILPOINT_CLOCK=FILE` moves this program's clock by as many seconds as the file says
//! at that moment.

use crate::clock::Clock;

/// A point that a test can have the process killed at.
#[cfg(feature = "failpoints")]
macro_rules! reach {
    ($name:literal) => {
        $crate::failpoint::hit($name)
    };
}

/// Nothing: the program is built without failpoints.
#[cfg(not(feature = "failpoints"))]
macro_rules! reach {
    ($name:literal) => {{}};
}

pub(crate) use reach;

#[cfg(feature = "failpoints")]
pub use armed::{NAMES, arm, hit};

/// The clock of this program.
#[must_use]
pub fn clock() -> Clock {
    #[cfg(feature = "failpoints")]
    return armed::clock();
    #[cfg(not(feature = "failpoints"))]
    Clock::system()
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::io::Write;
    use std::path::Path;
    use std::sync::atomic::{AtomicU32, Ordering};

    use chrono::TimeDelta;
    use nix::sys::signal::{Signal, raise};

    use crate::clock::Clock;

    /// Every point, in the order of a task's life.
    pub const NAMES: [&str; 39] = [
        "submit.before",
        "submit.after",
        "claim.before",
        "claim.after",
        "commit.before",
        "commit.after",
        "intent.before",
        "intent.after",
        "create.before",
        "create.answered",
        "confirm.before",
        "confirm.after",
        "step.before",
        "step.after",
        "fire.before",
        "fire.after",
        "log.before",
        "log.after",
        "xcom.before",
        "xcom.after",
        "cleanup.before",
        "cleanup.after",
        "kill.before",
        "kill.after",
        "disposal.before",
        "disposal.carried_out",
        "disposal.after",
        "retry.before",
        "retry.after",
        "reclaim.before",
        "reclaim.after",
        "adopt.before",
        "adopt.after",
        "renew.before",
        "renew.after",
        "callback.before",
        "callback.after",
        "prune.before",
        "prune.after",
    ];

    /// Reads from the environment what is to happen where.
    ///
    /// # Errors
    /// In words, when that cannot be understood.
    pub fn arm() -> Result<(), String> {
        if let Some(file) = std::env::var_os("ADJOURN_FAILPOINT_TALLY") {
            for name in NAMES {
                let file = file.clone();
                fail::cfg_callback(name, move || count(Path::new(&file), name))?;
            }
        }
        let Ok(wanted) = std::env::var("ADJOURN_FAILPOINT") else {
            return Ok(());
        };
        let (name, hit) = wanted
            .split_once(':')
            .and_then(|(name, hit)| Some((name, hit.parse::<u32>().ok()?)))
            .filter(|(name, hit)| NAMES.contains(name) && *hit > 0)
            .ok_or_else(|| format!("ADJOURN_FAILPOINT must be NAME:N, not {wanted:?}"))?;
        let hits = AtomicU32::new(0);
        fail::cfg_callback(name, move || {
            if hits.fetch_add(1, Ordering::Relaxed) + 1 == hit {
                die();
            }
        })
    }

    /// A point is reached.
    pub fn hit(name: &'static str) {
        debug_assert!(NAMES.contains(&name), "{name} is not in the list");
        fail::eval(name, |_| ());
    }

    /// As sudden as a power cut: nothing of this process runs on.
    fn die() -> ! {
        loop {
            // It cannot be refused; should it be late, nothing goes on meanwhile.
            let _ = raise(Signal::SIGKILL);
            std::thread::park();
        }
    }

    fn count(file: &Path, name: &str) {
        let opened = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file);
        if let Ok(mut file) = opened {
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }

    pub fn clock() -> Clock {
        let system = Clock::system();
        let Some(file) = std::env::var_os("ADJOURN_FAILPOINT_CLOCK") else {
            return system;
        };
        Clock::from_fn(move || {
            let step = std::fs::read_to_string(&file).ok();
            let seconds = step.and_then(|step| step.trim().parse().ok()).unwrap_or(0);
            system.now() + TimeDelta::seconds(seconds)
        })
    }
}
