//! What the program of an instance has used.

use crate::observed::Instance;
use crate::process::{boot_id, stat};

/// Processor time in seconds and resident memory in bytes of the instance's own program; none if it is not known or not there.
pub fn usage(instance: &Instance) -> Option<(f64, u64)> {
    let program = instance.program.as_ref()?;
    let facts = stat(program.pid).ok()??;
    let same = facts.start_time == program.start_time && facts.state.lives() && program.boot_id == boot_id();
    same.then_some((facts.cpu_seconds, facts.rss_bytes))
}
