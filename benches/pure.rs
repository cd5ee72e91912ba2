//! How long the planner takes for a fleet at rest: it runs in every round, and must grow with the fleet and not faster.

use std::collections::BTreeMap;

use divan::Bencher;
use reconcile::desired::{AgentName, Desired, Generation, Mark, canonical_digest};
use reconcile::manifest::{Memory, load};
use reconcile::observed::{Health, Instance, Observed, Phase, Seat, Sighting};
use reconcile::plan::{Terms, foresee, plan};
use reconcile::process::ProcId;
use reconcile::time::Timestamp;

fn main() {
    divan::main();
}

/// So many agents, each of which needs the one before.
fn desired(agents: usize) -> Desired {
    // So many copies of one agent at most.
    const COPIES: usize = 10_000;
    let mut text = "version = 1\nfleet = \"atlas\"\n[agents.first]\ncommand = [\"sleep\", \"1\"]\n".to_owned();
    for (group, start) in (0..agents - 1).step_by(COPIES).enumerate() {
        let copies = COPIES.min(agents - 1 - start);
        text += &format!(
            "[agents.g{group}]\ncommand = [\"sleep\", \"100000\"]\nlabels = {{ tier = \"prod\" }}\nafter = [\"first\"]\nreplicas = {copies}\n"
        );
    }
    let loaded = load("constellation.toml", &Memory::with_manifest(&text), &BTreeMap::new());
    loaded.desired.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics.first()))
}

/// All of them run and are ready.
fn at_rest(desired: &Desired) -> Observed {
    let at = Timestamp::from_millis(1_000_000);
    let process = |pid| ProcId { pid, start_time: 7, boot_id: "boot".into() };
    let sighting = |(pid, (name, declared)): (u32, (&AgentName, &reconcile::desired::Declared))| {
        let digest = canonical_digest(&declared.spec.launch);
        let mark = Mark {
            fleet: desired.fleet.clone(),
            agent: name.clone(),
            generation: Generation(1),
            digest: digest.clone(),
            id: format!("{pid:016x}").into(),
        };
        let seat = Seat::Pane {
            socket: "/run/atlas".into(),
            server: process(1),
            session: name.to_string(),
            window: name.to_string(),
            pane: format!("%{pid}"),
        };
        let instance = Instance {
            agent: name.clone(),
            generation: Generation(1),
            mark: Some(mark),
            keeper: Some(process(pid)),
            program: Some(process(pid + 1)),
            seat,
        };
        let sighting = Sighting {
            generation: Generation(1),
            spec: Some(declared.spec.clone()),
            digest: Some(digest),
            phase: Phase::Running { since: at, health: Health::Ready(at) },
            instance: Some(instance),
            ..Sighting::default()
        };
        (name.clone(), sighting)
    };
    Observed {
        halted: None,
        fleet: desired.fleet.clone(),
        at,
        agents: (1..).zip(&desired.agents).map(sighting).collect(),
        strangers: Vec::new(),
        server: Some(desired.server.clone()),
        gaps: Vec::new(),
        warnings: Vec::new(),
        foreign_server: false,
        conditions: Vec::new(),
    }
}

#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 20)]
fn plan_at_rest(bencher: Bencher<'_, '_>, agents: usize) {
    let desired = desired(agents);
    let observed = at_rest(&desired);
    bencher.bench_local(|| {
        let plan = plan(&desired, &observed, &Terms::default());
        assert!(plan.is_empty());
        plan
    });
}

#[divan::bench(args = [1_000, 10_000], sample_count = 10)]
fn plan_of_a_cold_start(bencher: Bencher<'_, '_>, agents: usize) {
    let desired = desired(agents);
    let observed = Observed { agents: BTreeMap::new(), ..at_rest(&desired) };
    bencher.bench_local(|| plan(&desired, &observed, &Terms::default()).changes.len());
}

#[divan::bench(args = [100, 1_000], sample_count = 10)]
fn foresee_a_cold_start(bencher: Bencher<'_, '_>, agents: usize) {
    let desired = desired(agents);
    let observed = Observed { agents: BTreeMap::new(), ..at_rest(&desired) };
    bencher.bench_local(|| foresee(&desired, &observed, &Terms::default()).len());
}
