//! Programs that a manifest asks about and that nobody owns.

use std::collections::BTreeSet;

use crate::observed::{Instance, Observed, Seat, Stranger};
use crate::process::unowned;

/// The programs of our own user with one of these names that belong to no fleet and that the look did not name already.
///
/// # Errors
///
/// If the processes could not be listed.
pub fn strangers(patterns: &[String], observed: &Observed) -> Result<Vec<Stranger>, String> {
    let sightings = observed.agents.values();
    let instances = sightings.flat_map(|sighting| sighting.instance.iter().chain(&sighting.remains));
    let owned: BTreeSet<u32> = instances.flat_map(pids).collect();
    let found = unowned(patterns, &owned).map_err(|error| format!("the processes could not be listed: {error}"))?;
    let is_known = |pid: u32| observed.strangers.iter().any(|stranger| stranger.pid == Some(pid));
    let strangers = found.into_iter().filter(|one| !is_known(one.process.pid)).map(|one| Stranger {
        place: one.cwd.map_or_else(|| "in a folder that cannot be read".to_owned(), |cwd| cwd.display().to_string()),
        pid: Some(one.process.pid),
        why: format!("matches [strangers] \"{}\", and no fleet's mark is on it", one.pattern),
    });
    Ok(strangers.collect())
}

fn pids(instance: &Instance) -> Vec<u32> {
    let adrift: &[_] = match &instance.seat {
        Seat::Adrift { processes } => processes,
        Seat::Pane { .. } | Seat::Detached { .. } => &[],
    };
    instance.keeper.iter().chain(&instance.program).chain(adrift).map(|process| process.pid).collect()
}
