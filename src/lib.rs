//! A declarative reconciler for fleets of AI agents.

pub mod desired;
pub mod diagnostic;
pub mod time;
