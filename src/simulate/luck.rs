//! What a seed brings.

use crate::desired::{Desired, Place, Wish};
use crate::host::sim::Accident;
use crate::observed::Exit;
use crate::time::Duration;

/// How often something happens to an agent, on average.
const USUAL: Duration = Duration::from_secs(2 * 60 * 60);

/// Of so many accidents of an agent, one is a hang.
const HANGS: u32 = 4;

/// How often the tmux server ends, on average.
const SERVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What happens in this time to these agents: deaths, hangs, and the end of the tmux server.
pub(super) fn accidents(desired: &Desired, length: Duration, seed: u64) -> Vec<(Duration, Accident)> {
    let mut all = Vec::new();
    for (name, _) in desired.agents.iter().filter(|(_, declared)| declared.spec.care.desired == Wish::Running) {
        // Of its own for each agent: another agent in the manifest changes nothing for the others.
        let own = name.as_str().bytes().fold(seed, |hash, byte| hash.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte));
        let mut luck = fastrand::Rng::with_seed(own);
        for at in times(&mut luck, USUAL, length) {
            let accident = match luck.u32(..HANGS) {
                0 => Accident::Hang(name.clone()),
                _ => Accident::End(name.clone(), if luck.bool() { Exit::Signal(9) } else { Exit::Code(1) }),
            };
            all.push((at, accident));
        }
    }
    if desired.agents.values().any(|declared| matches!(declared.spec.launch.place, Place::Tmux { .. })) {
        let mut luck = fastrand::Rng::with_seed(seed);
        all.extend(times(&mut luck, SERVER, length).map(|at| (at, Accident::ServerEnds)));
    }
    all
}

/// Times before `length` at which something happens that happens at random, once in `usual` on average.
fn times(luck: &mut fastrand::Rng, usual: Duration, length: Duration) -> impl Iterator<Item = Duration> + use<> {
    let mut luck = luck.fork();
    let mut at = Duration::ZERO;
    std::iter::from_fn(move || {
        at = at + usual.scaled(-(1.0 - luck.f64()).ln());
        (at < length).then_some(at)
    })
}
