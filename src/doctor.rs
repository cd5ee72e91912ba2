//! Whether the ground that a fleet stands on is sound: tmux, limits, the state folder, and how the agents do. Decides, and looks at nothing itself.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::desired::{AgentName, Desired, Place};
use crate::observed::{Condition, Observed, Phase};
use crate::plan::{Next, Plan, Reason};

mod meddling;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// As it should be.
    Green,
    /// Worth a look.
    Yellow,
    /// Something does not work.
    Red,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub light: Light,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    fn green(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, light: Light::Green, found: found.into(), hint: None }
    }

    fn yellow(check: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, light: Light::Yellow, found: found.into(), hint: Some(hint.into()) }
    }

    fn red(check: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, light: Light::Red, found: found.into(), hint: Some(hint.into()) }
    }
}

/// What is known of the machine.
#[derive(Clone, Debug)]
pub struct Ground {
    /// What `tmux -V` says, or why it could not be asked.
    pub tmux: Result<String, String>,
    /// How many open files a tmux server that is started now may have.
    pub open_files: Option<u64>,
    /// How many more pseudo terminals the machine can make.
    pub terminals: Option<u64>,
    /// The fleet's state folder.
    pub state: String,
    /// The other manifest that the fleet belongs to.
    pub claimed_by: Option<String>,
    /// Records that are of no use, and why.
    pub unreadable: Vec<String>,
    /// Notes that could not be delivered.
    pub dead_letters: usize,
    /// Why the manifest in its present form is not in force, if it is not.
    pub manifest_error: Option<String>,
    /// How the watcher does, if there is one.
    pub watcher: Option<Watch>,
    /// What became of the last one, if it was killed and none took its place.
    pub lost_watcher: Option<String>,
    /// The hooks of the fleet's tmux server that are not empty, a line each as tmux shows them.
    pub hooks: Vec<String>,
    /// What the kernel says of the programs of agents that run.
    pub programs: BTreeMap<AgentName, Program>,
}

/// What the kernel says of a program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its process.
    pub pid: u32,
    /// Whether a signal has stopped it.
    pub stopped: bool,
    /// Its niceness.
    pub nice: Option<i32>,
    /// Its soft limit of open files.
    pub open_files: Option<u64>,
}

/// How a watcher does.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Its process.
    pub pid: u32,
    /// How long ago its last round was, and how long that took, in words.
    pub last_round: String,
    /// Whether its next round is late.
    pub overdue: bool,
    /// Why the manifest in its present form is not in force, if it is not.
    pub manifest_error: Option<String>,
    /// What went wrong in its last round, if something did.
    pub error: Option<String>,
    /// Why it does not notice all changes of files when they happen, if it does not.
    pub blind: Option<String>,
}

/// The oldest tmux that does all that is asked of it, and the oldest with which everything is told.
const OLDEST: (u32, u32) = (3, 2);
const FULL: (u32, u32) = (3, 3);

/// What is found on this ground, for this fleet.
pub fn examine(ground: &Ground, desired: &Desired, observed: &Observed, plan: &Plan) -> Vec<Finding> {
    let panes = desired.agents.values().filter(|declared| matches!(declared.spec.launch.place, Place::Tmux { .. })).count();
    let mut findings = vec![tmux(&ground.tmux, panes), state(ground, observed), look(observed)];
    findings.extend(room(ground, panes));
    let hint = "correct it, or change it in the server; a configuration is read when the server is started";
    findings.extend(observed.warnings.iter().map(|warning| Finding::yellow("server", warning.clone(), hint)));
    findings.extend(observed.conditions.iter().filter_map(|condition| ground_of(condition, observed)));
    if let Some(why) = &ground.manifest_error {
        let hint = "see all that is wrong with `reconcile validate`; what was declared before is in force";
        findings.push(Finding::yellow("manifest", why.clone(), hint));
    }
    findings.push(watcher(ground));
    findings.push(agents(observed, plan));
    findings.extend(stopped(ground, observed));
    findings.extend(attributes(ground, observed));
    findings.extend(meddling::logs(observed));
    findings.extend(meddling::hooks(&ground.hooks));
    if ground.dead_letters > 0 {
        let found = format!("{} notes could not be delivered", ground.dead_letters);
        findings.push(Finding::yellow("notes", found, "see them with `reconcile handoff list`"));
    }
    findings
}

fn tmux(version: &Result<String, String>, panes: usize) -> Finding {
    const CHECK: &str = "tmux";
    let said = match version {
        Ok(said) => said,
        Err(why) if panes == 0 => return Finding::yellow(CHECK, why.clone(), "no agent needs it; install it for those in panes"),
        Err(why) => return Finding::red(CHECK, why.clone(), "install tmux 3.2 or newer"),
    };
    match number(said) {
        Some(found) if found < OLDEST => Finding::red(CHECK, said.clone(), "install tmux 3.2 or newer"),
        Some(found) if found < FULL => Finding::yellow(CHECK, said.clone(), "from 3.3 on, it also tells by which signal a pane ended"),
        Some(_) => Finding::green(CHECK, said.clone()),
        None => Finding::yellow(CHECK, said.clone(), "its version could not be understood"),
    }
}

/// `tmux 3.3a` and `tmux next-3.6` as numbers.
fn number(said: &str) -> Option<(u32, u32)> {
    let digits = said.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let (major, rest) = digits.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn state(ground: &Ground, observed: &Observed) -> Finding {
    const CHECK: &str = "state";
    if let Some(other) = &ground.claimed_by {
        return Finding::red(
            CHECK,
            format!("the fleet belongs to {other}"),
            "give this manifest another `fleet` name, or apply it with --moved",
        );
    }
    if let Some(condition) = observed.conditions.iter().find(|condition| matches!(condition, Condition::StateUnwritable { .. })) {
        return Finding::red(CHECK, condition.to_string(), condition.hint());
    }
    match &ground.unreadable[..] {
        [] => Finding::green(CHECK, ground.state.clone()),
        unreadable => Finding::red(CHECK, unreadable.join("; "), "what is not usable can be moved away: marks tell whose the agents are"),
    }
}

fn look(observed: &Observed) -> Finding {
    match &observed.gaps[..] {
        [] => Finding::green("machine", "everything could be looked at"),
        gaps => Finding::red("machine", gaps.join("; "), "what cannot be looked at is neither started nor stopped"),
    }
}

/// What keeps agents from being started, but for what other findings tell.
fn ground_of(condition: &Condition, observed: &Observed) -> Option<Finding> {
    const CHECK: &str = "starts";
    let told = observed.gaps.contains(&condition.to_string());
    match condition {
        Condition::NoTmux { .. } | Condition::NoRoom { .. } | Condition::StateUnwritable { .. } => None,
        Condition::ServerUnreachable { .. } if told => None,
        Condition::ServerUnreachable { .. } | Condition::TmuxFails { .. } | Condition::MachineFails { .. } => {
            Some(Finding::red(CHECK, condition.to_string(), condition.hint()))
        }
    }
}

/// Whether there is room for all panes.
fn room(ground: &Ground, panes: usize) -> Option<Finding> {
    if panes == 0 {
        return None;
    }
    let of_files = ground.open_files.map(|files| (files, "open files of a process"));
    let (room, what) = of_files.into_iter().chain(ground.terminals.map(|free| (free, "pseudo terminals"))).min()?;
    Some(if room < panes as u64 {
        Finding::red("room", format!("room for {room} more panes, and {panes} are declared"), format!("raise the limit of {what}"))
    } else {
        Finding::green("room", format!("for {room} panes"))
    })
}

fn watcher(ground: &Ground) -> Finding {
    const CHECK: &str = "watcher";
    if let Some(story) = &ground.lost_watcher {
        return Finding::yellow(
            CHECK,
            story.clone(),
            "start it again with `reconcile watch`, or have the system do it: `reconcile service`",
        );
    }
    let Some(Watch { pid, last_round, overdue, manifest_error, error, blind }) = &ground.watcher else {
        return Finding::green(CHECK, "none: the fleet is looked after when somebody applies it");
    };
    if *overdue {
        let hint = "it may hang: end it with `reconcile watch --stop`, which no agent notices, and start it again";
        return Finding::red(CHECK, format!("pid {pid}: its next round is overdue; {last_round}"), hint);
    }
    if let Some(why) = error {
        return Finding::red(CHECK, format!("pid {pid}: its last round failed: {why}"), "mend that; it tries again by itself");
    }
    if let Some(why) = manifest_error {
        let hint = "see all that is wrong with `reconcile validate`; what was declared before is in force";
        return Finding::yellow(CHECK, format!("pid {pid}: the manifest is not valid: {why}"), hint);
    }
    if let Some(why) = blind {
        let hint = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances, or lower `resync`";
        return Finding::yellow(CHECK, format!("pid {pid}: it notices changes of files only at `resync`: {why}"), hint);
    }
    Finding::green(CHECK, format!("pid {pid}: {last_round}"))
}

fn agents(observed: &Observed, plan: &Plan) -> Finding {
    const CHECK: &str = "agents";
    let unknown =
        observed.agents.iter().filter(|(_, sighting)| matches!(sighting.phase, Phase::Unknown { .. })).map(|(name, _)| name.as_str());
    let unknown: Vec<&str> = unknown.collect();
    if !unknown.is_empty() {
        return Finding::red(CHECK, format!("it cannot be told how they are: {}", unknown.join(", ")), "see why with `reconcile status`");
    }
    let stuck = |wanted: &dyn Fn(Reason) -> bool| -> Vec<&str> {
        let is = |next: &Next| matches!(next, Next::Blocked(blocked) if wanted(blocked.reason));
        plan.changes.iter().filter(|(_, change)| is(&change.next)).map(|(name, _)| name.as_str()).collect()
    };
    let needs_a_person =
        |reason| matches!(reason, Reason::Dialog | Reason::Login | Reason::Permission | Reason::Stranded | Reason::Unconfirmed);
    let broken = stuck(&|reason| !needs_a_person(reason));
    if !broken.is_empty() {
        return Finding::red(CHECK, format!("blocked: {}", broken.join(", ")), format!("see why with `reconcile explain {}`", broken[0]));
    }
    let asking = stuck(&needs_a_person);
    if !asking.is_empty() {
        return Finding::yellow(
            CHECK,
            format!("need a person: {}", asking.join(", ")),
            format!("see what with `reconcile explain {}`", asking[0]),
        );
    }
    match plan.changes.len() {
        0 => Finding::green(CHECK, format!("{} at rest", plan.at_rest)),
        due => Finding::yellow(CHECK, format!("{due} not at rest"), "see what is due with `reconcile plan`"),
    }
}

/// Programs that a signal has stopped; where a person froze the fleet, that is what was asked for.
fn stopped(ground: &Ground, observed: &Observed) -> Option<Finding> {
    let stopped: Vec<(&AgentName, u32)> =
        ground.programs.iter().filter(|(_, program)| program.stopped).map(|(name, program)| (name, program.pid)).collect();
    if stopped.is_empty() || observed.halted.is_some() {
        return None;
    }
    let named: Vec<String> = stopped.iter().map(|(name, pid)| format!("{name} (pid {pid})")).collect();
    let pids: Vec<String> = stopped.iter().map(|(_, pid)| pid.to_string()).collect();
    let found = format!("stopped by a signal (T): {}", named.join(", "));
    Some(Finding::yellow("programs", found, format!("continue them: kill -CONT {}", pids.join(" "))))
}

/// Programs that did not get what is declared, because the run that started them could not give it.
fn attributes(ground: &Ground, observed: &Observed) -> Option<Finding> {
    let mut named = Vec::new();
    for (name, program) in &ground.programs {
        // Of one that was adopted, or was started before this was declared, nothing is promised.
        let sighting = observed.agents.get(name);
        let keeper = sighting.and_then(|sighting| sighting.instance.as_ref()?.keeper.as_ref());
        let Some(launch) = sighting.and_then(|sighting| Some(&sighting.spec.as_ref()?.launch)).filter(|_| keeper.is_some()) else {
            continue;
        };
        if let Some(nice) = program.nice.filter(|nice| *nice > launch.attributes.nice) {
            named.push(format!("{name} has niceness {nice}, and {} is declared", launch.attributes.nice));
        }
        if let (Some(files), Some(wanted)) = (program.open_files, launch.attributes.nofile)
            && files < wanted
        {
            named.push(format!("{name} may open {files} files, and {wanted} are declared"));
        }
    }
    let hint = "the run that started it could not give it more: raise `ulimit -He` and `ulimit -Hn`, or start it from elsewhere";
    (!named.is_empty()).then(|| Finding::yellow("priority", named.join("; "), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_tmux_are_told_apart() {
        let light = |said: &str, panes| tmux(&Ok(said.to_owned()), panes).light;
        assert_eq!(light("tmux 3.3a", 1), Light::Green);
        assert_eq!(light("tmux next-3.6", 1), Light::Green);
        assert_eq!(light("tmux 3.2a", 1), Light::Yellow);
        assert_eq!((light("tmux 3.1c", 1), light("tmux 2.9", 1), light("tmux master", 1)), (Light::Red, Light::Red, Light::Yellow));
        let missing = |panes| tmux(&Err("tmux is not in PATH".to_owned()), panes).light;
        assert_eq!((missing(1), missing(0)), (Light::Red, Light::Yellow));
    }

    #[test]
    fn room_is_that_of_the_scarcest() {
        let ground = |open_files, terminals| Ground {
            tmux: Ok(String::new()),
            open_files,
            terminals,
            state: String::new(),
            claimed_by: None,
            unreadable: Vec::new(),
            dead_letters: 0,
            manifest_error: None,
            watcher: None,
            lost_watcher: None,
            hooks: Vec::new(),
            programs: BTreeMap::new(),
        };
        let light = |files, terminals| room(&ground(files, terminals), 100).map(|finding| finding.light);
        assert_eq!(light(Some(1000), Some(100)), Some(Light::Green));
        assert_eq!(light(Some(1000), Some(99)), Some(Light::Red));
        assert_eq!(light(None, None), None);
    }
}
