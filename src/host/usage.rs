//! What the program of an instance has used, and whether it still is the one on the disk.

use super::limits::open_files;
use crate::observed::Instance;
use crate::process::{Stat, State, boot_id, is_outdated, memory_below, stat};

/// Resident memory in bytes of the program and all its descendants, also those that left it for the keeper; none if it is not known.
pub(super) fn memory(instance: &Instance) -> Option<u64> {
    let mark = instance.mark.as_ref().map(ToString::to_string).unwrap_or_default();
    if let Some(keeper) = &instance.keeper {
        return memory_below(keeper, &mark).ok().flatten();
    }
    let program = instance.program.as_ref()?;
    let (_, own) = usage(instance)?;
    Some(own + memory_below(program, &mark).ok().flatten()?)
}

/// Processor time in seconds and resident memory in bytes of the instance's own program; none if it is not known or not there.
pub fn usage(instance: &Instance) -> Option<(f64, u64)> {
    facts(instance).map(|facts| (facts.cpu_seconds, facts.rss_bytes))
}

/// Whether a signal or a debugger has stopped the instance's own program; false if that cannot be told.
pub fn is_stopped(instance: &Instance) -> bool {
    facts(instance).is_some_and(|facts| facts.state == State::Stopped)
}

/// The niceness of the instance's own program and its soft limit of open files, as far as they can be read.
pub fn attributes(instance: &Instance) -> (Option<i32>, Option<u64>) {
    let Some(facts) = facts(instance) else { return (None, None) };
    let files = instance.program.as_ref().and_then(|program| open_files(program.pid));
    (Some(facts.nice), files.map(|files| files.soft))
}

fn facts(instance: &Instance) -> Option<Stat> {
    let program = instance.program.as_ref()?;
    let facts = stat(program.pid).ok()??;
    let same = facts.start_time == program.start_time && facts.state.lives() && program.boot_id == boot_id();
    same.then_some(facts)
}

/// Whether the executable file of the instance's own program is another one on the disk now, or was written to since the start; none if that cannot be
/// told. Scripts are not looked into.
pub fn is_stale(instance: &Instance) -> Option<bool> {
    is_outdated(instance.program.as_ref()?)
}
