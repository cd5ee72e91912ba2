//! What can only be seen with all agents at hand: who waits for whom, and who is in whose way.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::PathBuf;

use super::context::Fields;
use super::read::At;
use super::report::{Report, Spot};
use super::suggest;
use super::words::After;
use crate::desired::{AgentName, Declared, Milestone, Place};

/// The most "waits for" of a fleet: groups that wait for groups multiply.
const MAX_EDGES: usize = 1_000_000;

/// The most agents of one cycle that are spelled out.
const MAX_SPELLED: usize = 12;

/// The most cycles that are looked for.
const MAX_CYCLES: usize = 100;

/// The names of all agents; each agent has a number, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Names<'a> {
    numbers: HashMap<AgentName, usize>,
    names: Vec<AgentName>,
    /// Where each is declared.
    spots: Vec<Spot>,
    /// The copies of each agent that has copies.
    groups: HashMap<&'a str, Range<usize>>,
}

impl<'a> Names<'a> {
    /// Adds a name, if it is free. A name that is taken is reported with both places.
    pub(crate) fn add(&mut self, declared: At<&'a str>, name: &AgentName, report: &Report) -> bool {
        if let Some(first) = self.numbers.get(name).map(|number| self.spots[*number]) {
            if first == declared.spot {
                report.error(declared.spot, format!("two copies of `{}` are called `{name}`", declared.value), None);
            } else {
                let spots = vec![(declared.spot, String::new()), (first, "and this one too".to_owned())];
                report.clash(spots, format!("two agents are called `{name}`"), None);
            }
            return false;
        }
        self.numbers.insert(name.clone(), self.names.len());
        self.names.push(name.clone());
        self.spots.push(declared.spot);
        true
    }

    /// How many there are, which is the number of the next.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Lets the name of an agent with copies mean all of them: those from this number on.
    pub(crate) fn group(&mut self, declared: At<&'a str>, from: usize) {
        self.groups.insert(declared.value, from..self.names.len());
    }

    fn find(&self, name: &str) -> Option<Range<usize>> {
        match self.numbers.get(name) {
            Some(number) => Some(*number..number + 1),
            None => self.groups.get(name).cloned(),
        }
    }

    /// For `clone-9`: which copies of `clone` there are.
    fn copies_hint(&self, name: &str) -> Option<String> {
        let (group, _) = name.rsplit_once('-')?;
        Some(match self.names.get(self.groups.get(group)?.clone())? {
            [] => format!("`{group}` has no copies now"),
            [only] => format!("the only copy of `{group}` is `{only}`"),
            [first, .., last] => format!("the copies of `{group}` are `{first}` to `{last}`; `{group}` means all of them"),
        })
    }

    fn known(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AgentName::as_str).chain(self.groups.keys().copied())
    }
}

/// A name in `after`, with its variables filled in.
pub(crate) struct Asked<'a> {
    /// The number of the agent that waits.
    pub(crate) agent: usize,
    name: Cow<'a, str>,
    spot: Spot,
    milestone: Milestone,
}

/// What one agent waits for, as it is written.
pub(crate) fn asked<'a>(after: &After<'a>, agent: usize, fields: &Fields<'_>, found: &mut Vec<Asked<'a>>) {
    let mut add = |written: At<&'a str>, milestone: Milestone| {
        let errors = fields.context.report.errors();
        let name = fields.text(written);
        if fields.context.report.errors() == errors {
            found.push(Asked { agent, name, spot: written.spot, milestone });
        }
    };
    match after {
        After::Names(list) => list.iter().for_each(|name| add(*name, Milestone::Ready)),
        After::Milestones(table) => table.0.iter().for_each(|(name, milestone)| add(*name, milestone.value)),
    }
}

/// Who waits for whom, in the order of those who wait, with the places where that is written.
#[derive(Default)]
pub(crate) struct Edges(Vec<(usize, usize, Spot)>);

impl Edges {
    fn of(&self, agent: usize) -> &[(usize, usize, Spot)] {
        let from = self.0.partition_point(|(from, ..)| *from < agent);
        let length = self.0[from..].partition_point(|(from, ..)| *from == agent);
        &self.0[from..from + length]
    }
}

/// Fills in what the agents wait for. Unknown names and cycles are reported.
pub(crate) fn after(asked: Vec<Asked<'_>>, names: &Names<'_>, agents: &mut [(AgentName, Declared)], report: &Report) {
    let mut edges = Edges::default();
    for Asked { agent, name, spot, milestone } in asked {
        let Some(meant) = names.find(&name) else {
            let hint = names.copies_hint(&name).or_else(|| suggest::did_you_mean(&name, names.known()));
            report.error(spot, format!("there is no agent `{}`", name.escape_debug()), hint);
            continue;
        };
        if edges.0.len() + meant.len() > MAX_EDGES {
            report.error(spot, format!("with this, agents wait for each other more than {MAX_EDGES} times"), None);
            break;
        }
        for other in meant {
            edges.0.push((agent, other, spot));
            // Named twice, the later milestone counts.
            let after = &mut agents[agent].1.spec.care.after;
            let kept = after.entry(names.names[other].clone()).or_insert(milestone);
            *kept = (*kept).max(milestone);
        }
    }
    cycles(&edges, names, report);
}

/// Reports the cycles of agents that wait for each other, spelled out.
fn cycles(edges: &Edges, names: &Names<'_>, report: &Report) {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        Open,
        Done,
    }
    let mut seen = vec![Seen::No; names.len()];
    // Copies make many cycles of the same lines; the first is told.
    let mut told: BTreeSet<Vec<Spot>> = BTreeSet::new();
    let mut found = 0;
    for start in 0..names.len() {
        if seen[start] != Seen::No {
            continue;
        }
        // A path instead of a recursion: a chain of ten thousand agents is allowed.
        seen[start] = Seen::Open;
        let mut path = vec![(start, edges.of(start).iter(), Spot::default())];
        while let Some((agent, next, _)) = path.last_mut() {
            let Some((_, other, spot)) = next.next() else {
                seen[*agent] = Seen::Done;
                path.pop();
                continue;
            };
            match seen[*other] {
                Seen::Done => {}
                Seen::Open => {
                    let from = path.iter().position(|(agent, ..)| agent == other).unwrap_or(0);
                    let spelled_out: Vec<_> = path[from..].iter().map(|(agent, ..)| *agent).chain([*other]).collect();
                    let mut spots = vec![*spot];
                    spots.extend(path[from + 1..].iter().map(|(_, _, spot)| *spot));
                    spots.truncate(MAX_SPELLED);
                    let mut lines = spots.clone();
                    lines.sort();
                    lines.dedup();
                    if told.insert(lines) {
                        let spots = spots.into_iter().map(|spot| (spot, String::new())).collect();
                        let cycle: Vec<_> = spelled_out.into_iter().map(|agent| names.names[agent].as_str()).collect();
                        report.clash(spots, format!("agents wait for each other in a cycle: {}", spelled(&cycle)), None);
                    }
                    found += 1;
                    if found == MAX_CYCLES {
                        return;
                    }
                }
                Seen::No => {
                    seen[*other] = Seen::Open;
                    path.push((*other, edges.of(*other).iter(), *spot));
                }
            }
        }
    }
}

fn spelled(names: &[&str]) -> String {
    match names {
        [first @ .., last] if first.len() > MAX_SPELLED => format!("{} → … → {last}", first[..MAX_SPELLED].join(" → ")),
        _ => names.join(" → "),
    }
}

/// Reports agents that are in each other's way: one pidfile, one log, one old name.
pub(crate) fn clashes(agents: &[(AgentName, Declared)], names: &Names<'_>, old_names: &[(usize, Spot)], report: &Report) {
    let mut files: HashMap<&PathBuf, usize> = HashMap::new();
    for (number, (name, declared)) in agents.iter().enumerate() {
        let pidfile = match &declared.spec.launch.place {
            Place::Daemon { pidfile } => pidfile.as_ref(),
            Place::Tmux { .. } => None,
        };
        let care = &declared.spec.care;
        let pane_log = care.pane_log.as_ref().and_then(|log| log.file.as_ref());
        for path in pidfile.into_iter().chain(&care.log.file).chain(pane_log) {
            if let Some(other) = files.insert(path, number) {
                let message =
                    format!("`{name}` and `{}` write the same file {}", agents[other].0, path.display().to_string().escape_debug());
                let hint = Some("copies can have a file each with `${name}` in its path".to_owned());
                report.clash(vec![(names.spots[number], String::new()), (names.spots[other], String::new())], message, hint);
            }
        }
    }
    let mut sources: HashMap<&PathBuf, usize> = HashMap::new();
    for (number, (name, declared)) in agents.iter().enumerate() {
        let Some(path) = &declared.spec.care.handoff.source else { continue };
        if let Some(other) = sources.insert(path, number) {
            let message = format!(
                "`{name}` and `{}` take their notes from the same file {}",
                agents[other].0,
                path.display().to_string().escape_debug()
            );
            let hint = Some("copies can have a file each with `${name}` in its path".to_owned());
            report.clash(vec![(names.spots[number], String::new()), (names.spots[other], String::new())], message, hint);
        }
    }
    let mut claimed: HashMap<&AgentName, (&AgentName, Spot)> = HashMap::new();
    for (number, spot) in old_names {
        let (name, declared) = &agents[*number];
        let Some(old) = &declared.renamed_from else { continue };
        if let Some(other) = names.numbers.get(old) {
            let spots = vec![(*spot, String::new()), (names.spots[*other], "declared here".to_owned())];
            report.clash(spots, format!("`{name}` cannot take over from `{old}`, which still exists"), None);
        }
        if let Some((other, first)) = claimed.insert(old, (name, *spot)) {
            let spots = vec![(*spot, String::new()), (first, String::new())];
            report.clash(spots, format!("`{other}` and `{name}` cannot both take over from `{old}`"), None);
        }
    }
}
