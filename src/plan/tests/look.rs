//! Looks, read from text: the conditions of the fleet, and a line for each agent.

use super::*;

mod line;

use line::Line;

/// A point in time before the look, by a length such as `5s`.
pub(super) fn ago(length: &str) -> Timestamp {
    let length: Duration = length.parse().unwrap();
    Timestamp::from_millis(NOW.as_millis() - i64::try_from(length.as_millis()).unwrap())
}

/// The look that a text tells of: see the parent module.
#[track_caller]
pub(super) fn read(manifest: &str, desired: &Desired, look: &str) -> Observed {
    let (troubles, lines): (Vec<&str>, Vec<&str>) =
        look.lines().map(str::trim).filter(|line| !line.is_empty()).partition(|line| line.starts_with('!'));
    let lines: Vec<Line> = lines.into_iter().map(Line::read).collect();
    let was = super::desired(&as_it_was(manifest, &lines));
    let mut agents: BTreeMap<AgentName, Sighting> =
        desired.agents.iter().map(|(name, declared)| (name.clone(), settled(name, &declared.spec))).collect();
    for line in lines {
        let agent = name(&line.agent);
        let spec = &was.agents[&agent].spec;
        let sighting = line.sighting(&agent, spec);
        agents.insert(agent, sighting);
    }
    let conditions = troubles.into_iter().map(condition).collect();
    Observed { agents, conditions, ..Observed::nothing(desired.fleet.clone(), NOW) }
}

/// `!no_tmux`, `!server_unreachable`, `!state_unwritable`, `!too_many_panes`, `!tmux_fails=5s` and `!machine_fails=5s` (until then).
fn condition(line: &str) -> Condition {
    let (word, length) = line.split_once('=').unwrap_or((line, "0s"));
    let until = NOW + length.parse().unwrap();
    let why = "said so".to_owned();
    match word {
        "!no_tmux" => Condition::NoTmux { path: "/bin".to_owned() },
        "!server_unreachable" => Condition::ServerUnreachable { socket: "/tmux".into(), why },
        "!state_unwritable" => Condition::StateUnwritable { folder: "/state".into(), why },
        "!too_many_panes" => Condition::NoRoom { why },
        "!tmux_fails" => Condition::TmuxFails { why, until },
        "!machine_fails" => Condition::MachineFails { why, until },
        other => panic!("{other}"),
    }
}

/// An agent that runs as it should for an hour.
fn settled(agent: &AgentName, spec: &AgentSpec) -> Sighting {
    let phase = Phase::Running { since: ago("1h"), health: Health::Ready(ago("59m")) };
    Sighting {
        generation: Generation(1),
        digest: Some(canonical_digest(&spec.launch)),
        spec: Some(spec.clone()),
        phase,
        instance: Some(instance(agent, Generation(1), 100, &spec.launch.place)),
        ..Sighting::default()
    }
}

fn instance(agent: &AgentName, generation: Generation, pid: u32, place: &Place) -> Instance {
    let id = |pid| ProcId { pid, start_time: u64::from(pid), boot_id: Arc::from("test") };
    let process = |pid| Some(id(pid));
    let seat = match place {
        Place::Tmux { session, window, .. } => Seat::Pane {
            socket: PathBuf::from("/tmux"),
            server: id(2),
            session: session.to_string(),
            window: window.to_string(),
            pane: format!("%{pid}"),
        },
        Place::Daemon { .. } => Seat::Detached { pidfile: PathBuf::from("/run/pid") },
    };
    let label = format!("v1/atlas/{agent}/{}/00000000000000000000000000000000/{pid:016x}", generation.0.max(1));
    Instance {
        agent: agent.clone(),
        generation,
        mark: Some(label.parse::<Mark>().unwrap()),
        keeper: process(pid),
        program: process(pid + 1),
        seat,
    }
}

/// The manifest under which the agents of a look were started.
fn as_it_was(manifest: &str, lines: &[Line]) -> String {
    let mut document: toml::Table = manifest.parse().unwrap();
    document.remove("guard");
    let agents = document.entry("agents").or_insert_with(|| toml::Table::new().into()).as_table_mut().unwrap();
    for (_, agent) in agents.iter_mut() {
        agent.as_table_mut().unwrap().remove("renamed_from");
    }
    let declared = super::desired(manifest);
    for line in lines {
        if !agents.contains_key(&line.agent) && !declared.agents.contains_key(line.agent.as_str()) {
            agents.insert(line.agent.clone(), "command = [\"run\"]".parse::<toml::Table>().unwrap().into());
        }
        for (field, value) in &line.fields {
            let parsed: toml::Table = format!("x = {value}").parse().unwrap_or_else(|error| panic!("{field} = {value}: {error}"));
            agents.get_mut(&line.agent).unwrap().as_table_mut().unwrap().insert(field.clone(), parsed["x"].clone());
        }
    }
    document.to_string()
}
