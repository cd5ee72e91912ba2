//! The laws that hold whatever happens, on the simulated machine with the real planner, executor, watcher and state folders:
//!
//! - no instance is ended by us unless its successor could start or nothing should run,
//! - no more than one instance of an agent lives, ever, whoever acts,
//! - a protected or attended agent is not ended without its release,
//! - what runs as declared is not ended for nothing, and what another state folder remembers is left to that one,
//! - everything that died is told exactly once,
//! - one agent's trouble delays no other by more than a round.

mod explore;
mod law;
mod world;
