//! The fleet of the contract's examples, for the tests of what is shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::*;
use crate::observed::*;
use crate::plan::{Plan, Terms, foresee, plan};
use crate::process::ProcId;
use crate::time::{Duration, Timestamp};

use super::{Basis, Invocation, PlanView, StatusView, Usage, Watcher};

/// What a view borrows.
pub(super) struct Sample {
    pub(super) manifest: Invocation,
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) plan: Plan,
    pub(super) rounds: Vec<Plan>,
    pub(super) usage: BTreeMap<AgentName, Usage>,
    pub(super) held_since: BTreeMap<AgentName, Timestamp>,
    pub(super) watcher: Watcher,
}

/// 2026-11-20T14:02:11Z.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_795_183_331_000);

pub(super) fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

pub(super) fn spec(who: &str, model: &str) -> AgentSpec {
    AgentSpec {
        launch: Launch {
            command: Command::Argv(["claude", "--model", model].map(str::to_owned).to_vec()),
            place: Place::Tmux { socket: Socket("atlas".to_owned()), session: who.parse().unwrap(), window: who.parse().unwrap() },
            cwd: "/src/atlas".into(),
            env: BTreeMap::new(),
            env_file: Vec::new(),
            inherit_env: Inherit::Minimal,
            unset_env: Vec::new(),
            secrets: BTreeMap::new(),
            stdin_file: None,
            replace_on: BTreeMap::new(),
            attributes: crate::desired::Attributes::default(),
            daemonizes: false,
        }
        .into(),
        care: Care::default().into(),
    }
}

pub(super) fn declared(spec: AgentSpec) -> Declared {
    Declared { spec, source: Source { file: "constellation.toml".into(), line: 41 }, renamed_from: None }
}

pub(super) fn running(who: &str, spec: AgentSpec, up: Duration) -> Sighting {
    let process = |pid| ProcId { pid, start_time: 1, boot_id: "b".into() };
    let since = Timestamp::from_millis(NOW.as_millis() - i64::try_from(up.as_millis()).unwrap());
    Sighting {
        generation: Generation(7),
        digest: Some(canonical_digest(&spec.launch)),
        spec: Some(spec),
        phase: Phase::Running { since, health: Health::Ready(since) },
        instance: Some(Instance {
            agent: name(who),
            generation: Generation(7),
            mark: None,
            keeper: Some(process(41770)),
            program: Some(process(41771)),
            seat: Seat::Pane {
                socket: "/tmp/tmux-1000/atlas".into(),
                server: process(40000),
                session: who.to_owned(),
                window: who.to_owned(),
                pane: "%3".to_owned(),
            },
        }),
        ..Sighting::default()
    }
}

pub(super) fn fleet(agents: &[(&str, AgentSpec)], sightings: Vec<(&str, Sighting)>) -> Sample {
    let desired = Desired {
        fleet: "atlas".parse().unwrap(),
        server: Server { socket: Socket("atlas".to_owned()), config: None, size: Size::default(), options: BTreeMap::new() },
        agents: agents.iter().map(|(who, spec)| (name(who), declared(spec.clone()))).collect(),
        guard: Guard::default(),
        strangers: Vec::new(),
        watch: crate::desired::Watching::default(),
        notify: Vec::new(),
        digest: "blake3:00".to_owned(),
    };
    let observed = Observed {
        halted: None,
        fleet: desired.fleet.clone(),
        at: NOW,
        agents: sightings.into_iter().map(|(who, sighting)| (name(who), sighting)).collect(),
        strangers: Vec::new(),
        server: None,
        gaps: Vec::new(),
        warnings: Vec::new(),
        foreign_server: false,
        conditions: Vec::new(),
    };
    let watcher = Watcher {
        pid: 900,
        since: NOW,
        last_round: Some(NOW),
        auto: Some(crate::desired::Auto::Safe),
        rounds: Some(120),
        round_ms: Some(4),
        overdue: false,
        manifest_error: None,
        error: None,
        blind: None,
    };
    let mut sample = Sample {
        manifest: Invocation::new("constellation.toml".to_owned(), &[]),
        desired,
        observed,
        plan: Plan::default(),
        rounds: Vec::new(),
        usage: BTreeMap::new(),
        held_since: BTreeMap::new(),
        watcher,
    };
    sample.plan_again();
    sample
}

/// One agent of each sort.
pub(super) fn all_sorts() -> Sample {
    let opus = |who| (who, spec(who, "opus"));
    let mut amended = spec("mailbox", "opus");
    amended.care.drain[0].wait = Duration::from_secs(5);
    let mut missing = Sighting { obstacle: Some(Obstacle::CwdMissing("/srv/relay".into())), ..Sighting::default() };
    missing.failures.restarts = 2;
    let day = Duration::from_secs(86_400);
    let steady = |who| (who, running(who, spec(who, "opus"), day));
    let mut sample = fleet(
        &["builder", "calm-1", "calm-2", "calm-3", "clone-3", "lead", "mailbox", "relay"].map(opus),
        vec![
            ("builder", running("builder", spec("builder", "sonnet"), Duration::from_secs(187_200))),
            ("lead", Sighting { attached: 1, ..running("lead", spec("lead", "sonnet"), day) }),
            ("mailbox", running("mailbox", amended, day)),
            ("relay", missing),
            ("scout", running("scout", spec("scout", "opus"), Duration::from_secs(22_320))),
            steady("calm-1"),
            steady("calm-2"),
            steady("calm-3"),
        ],
    );
    sample.desired.agents.get_mut("lead").unwrap().spec.care.hold = BTreeSet::from([HoldOn::Attached]);
    sample.observed.agents.get_mut("lead").unwrap().spec.as_mut().unwrap().care.hold = BTreeSet::from([HoldOn::Attached]);
    sample.observed.strangers = vec![Stranger { place: "atlas:notes".to_owned(), pid: Some(4242), why: "no mark".to_owned() }];
    sample.usage.insert(name("builder"), Usage { cpu_s: 12.4, rss_bytes: 91_750_400, stale: Some(false), stopped: false });
    sample.plan_again();
    sample
}

impl Sample {
    pub(super) fn plan_again(&mut self) {
        self.plan = plan(&self.desired, &self.observed, &Terms::default());
        self.rounds = foresee(&self.desired, &self.observed, &Terms::default());
    }

    pub(super) fn plan_view(&self) -> PlanView<'_> {
        let Self { desired, observed, plan, rounds, .. } = self;
        PlanView { manifest: &self.manifest, desired, observed, plan, rounds, basis: Basis::Live }
    }

    pub(super) fn status_view(&self) -> StatusView<'_> {
        let Self { desired, observed, plan, usage, held_since, watcher, .. } = self;
        StatusView { manifest: &self.manifest, desired, observed, plan, usage, held_since, watcher: Some(watcher), lost_watcher: None }
    }
}

/// The time of the look in the zone of whoever runs the test, as the contract writes it.
pub(super) fn in_our_zone(text: &str) -> String {
    text.replace(&NOW.clock(), "14:02:11")
}
