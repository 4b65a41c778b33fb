//! The engine: workers that do steps, a triggerer that waits, a janitor that tidies.
//!
//! Decides when a step runs and writes how it came out; what a step does is the operators'
//! business. All that must survive is in the store: an engine that is killed at any instant loses
//! nothing, and one that is started on the same store goes on.
//!
//! Invariant: a task that is not final is held by a lease, waits for a trigger that some engine
//! watches, or has a moment at which it is taken up again.

mod attempt;
mod attend;
mod balance;
mod clock_step;
mod commit;
mod disposal;
mod janitor;
mod journal;
mod owner;
mod pace;
mod retention;
mod running;
mod settings;
mod spans;
mod triggerer;
mod worker;

pub use disposal::Disposer;
pub use owner::{Owner, is_provably_dead};
pub use running::{Engine, EngineOptions, live_daemon};
pub use settings::EngineSettings;
