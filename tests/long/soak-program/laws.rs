//! The laws: what must hold after every calm and at the end, whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::books::{self, Event, Line, Text, Way, now};
use super::commands::From;
use super::fleet::AGENTS;
use super::soak::{LIMIT, Soak};
use super::violation::must;
use super::{machine, trouble};

/// From the start of a watcher to its first round, and from a crash to its notice, at the most.
const SOON: u64 = 4_000;

/// So many ends within this time are told as one.
const TOGETHER: u64 = 32_000;
const MANY: usize = 3;

/// A look that was taken before something changed may still be acted upon for so long.
const LOOK: u64 = 3_000;

/// All that the laws are judged by.
struct Evidence {
    events: Vec<Event>,
    lives: BTreeMap<String, Vec<Line>>,
}

impl Evidence {
    fn of(soak: &Soak) -> Result<Self> {
        let place = &soak.tried.place;
        let events = books::journal(&place.join("small/state").join(&soak.fleet))?;
        Ok(Self { events, lives: books::lives(&place.join("lives"))? })
    }

    fn of_life<'a>(&'a self, agent: &'a str, generation: u64, whats: &'a [&'a str]) -> impl Iterator<Item = &'a Event> {
        let is_its = move |event: &&Event| event.agent == agent && event.generation == generation && whats.contains(&&*event.what);
        self.events.iter().filter(is_its)
    }

    fn starts(&self) -> impl Iterator<Item = &Line> {
        self.lives.values().flatten().filter(|line| line.what == "start")
    }
}

/// Whether nothing is due, and each agent is there once.
pub(crate) fn is_at_rest(soak: &mut Soak) -> Result<()> {
    let (code, text) = soak.finish(&["plan", "--detailed-exitcode"])?;
    must(code == Some(0) && text.contains("No changes"), || {
        format!("after an apply that came to rest, the plan is not empty, exit {code:?}:\n{text}")
    })?;
    each_agent_has_one_life(soak)
}

/// All else that must hold in a calm.
pub(crate) fn all(soak: &mut Soak) -> Result<()> {
    the_other_folder_is_refused(soak)?;
    let evidence = Evidence::of(soak)?;
    the_journal_is_whole(&evidence)?;
    generations_are_used_once(&evidence)?;
    each_death_is_told_once(soak, &evidence)?;
    nobody_is_ended_without_a_cause(soak, &evidence)?;
    nobody_is_ended_whose_successor_cannot_start(soak, &evidence)?;
    texts_arrive_once(soak, &evidence)?;
    crashes_are_noticed_once(soak, &evidence)
}

fn the_other_folder_is_refused(soak: &mut Soak) -> Result<()> {
    for words in [&["apply", "--auto-approve"][..], &["watch", "--once"]] {
        let (code, text) = soak.tried.finish(From::Second, words, LIMIT)?;
        must(code == Some(4), || format!("from another state folder, `{}` ended with {code:?}:\n{text}", words.join(" ")))?;
    }
    Ok(())
}

fn each_agent_has_one_life(soak: &Soak) -> Result<()> {
    let (keepers, marked) = (machine::keepers(&soak.fleet), machine::marked(&soak.fleet));
    for agent in AGENTS {
        let its = keepers.iter().filter(|(name, _, _)| name == agent.name).count();
        let marks: Vec<&String> = marked.get(agent.name).into_iter().flat_map(BTreeMap::keys).collect();
        must(its == 1 && marks.len() == 1, || format!("{} has {its} keepers, and processes of {marks:?}", agent.name))?;
    }
    Ok(())
}

fn the_journal_is_whole(evidence: &Evidence) -> Result<()> {
    let mut last = 0;
    for event in &evidence.events {
        must(last == 0 || event.number == last + 1, || format!("in the journal, {} follows on {last}: {}", event.number, event.line))?;
        last = event.number;
    }
    Ok(())
}

fn generations_are_used_once(evidence: &Evidence) -> Result<()> {
    for (agent, lines) in &evidence.lives {
        let mut last = 0;
        for line in lines.iter().filter(|line| line.what == "start") {
            must(line.generation > last, || format!("generation {} of {agent} came after {last}", line.generation))?;
            last = line.generation;
        }
    }
    Ok(())
}

fn each_death_is_told_once(soak: &Soak, evidence: &Evidence) -> Result<()> {
    let keepers = machine::keepers(&soak.fleet);
    let mut told: BTreeMap<(&str, u64), Vec<&str>> = BTreeMap::new();
    for event in evidence.events.iter().filter(|event| event.what == "exited") {
        told.entry((&event.agent, event.generation)).or_default().push(&event.line);
    }
    for ((agent, generation), lines) in &told {
        must(lines.len() == 1, || {
            format!("the end of generation {generation} of {agent} was told {} times:\n{}", lines.len(), lines.join("\n"))
        })?;
        let lives = keepers.iter().any(|(name, number, _)| name == agent && number == generation);
        must(!lives, || format!("the end of generation {generation} of {agent} was told, and its keeper lives:\n{}", lines.join("\n")))?;
    }
    for line in evidence.starts().filter(|line| !machine::lives(line.pid, line.start)) {
        let is_told = told.contains_key(&(&*line.agent, line.generation));
        must(is_told, || format!("generation {} of {} has ended, and the journal does not say so", line.generation, line.agent))?;
    }
    Ok(())
}

/// Whether the disk was full at that time.
fn was_full(soak: &Soak, at: u64) -> bool {
    soak.full.iter().any(|(from, until)| *from <= at && until.is_none_or(|until| at <= until + LOOK))
}

/// Each end was brought about by the soak, or was asked for.
fn nobody_is_ended_without_a_cause(soak: &Soak, evidence: &Evidence) -> Result<()> {
    for start in evidence.starts() {
        let (agent, generation) = (&*start.agent, start.generation);
        let lost = soak.losses.iter().any(|loss| loss.agent == agent && loss.generation == generation);
        let ended: Vec<&Event> = evidence.of_life(agent, generation, &["drain", "kill"]).collect();
        for event in &ended {
            let covers = |order: &&books::Order| {
                order.agent == agent && order.from <= event.at && order.until.is_none_or(|until| until.saturating_add(LOOK) >= start.at)
            };
            must(soak.orders.iter().any(|order| covers(&order)), || format!("nobody asked for the end of {agent}: {}", event.line))?;
        }
        let sweeps = evidence.of_life(agent, generation, &["sweep"]).count();
        let exited = evidence.of_life(agent, generation, &["exited"]).next();
        let unwritten = exited.is_some_and(|event| was_full(soak, event.at));
        let dead = !machine::lives(start.pid, start.start);
        must(!dead || lost || unwritten || !ended.is_empty() || sweeps > 0, || {
            format!("generation {generation} of {agent} has ended without anybody's doing: {}", exited.map_or("", |event| &event.line))
        })?;
    }
    Ok(())
}

fn nobody_is_ended_whose_successor_cannot_start(soak: &Soak, evidence: &Evidence) -> Result<()> {
    for (agent, from, until) in &soak.were_pipes {
        let is_in = |event: &&Event| {
            event.agent == *agent && matches!(&*event.what, "drain" | "kill") && event.at > from + LOOK && event.at < *until
        };
        for event in evidence.events.iter().filter(is_in) {
            let stops = |order: &books::Order| {
                order.agent == *agent
                    && matches!(order.verb, "stop" | "kill")
                    && order.from < *until
                    && order.until.is_none_or(|until| until + TOGETHER > *from)
            };
            must(soak.orders.iter().any(stops), || {
                format!("{agent} could not be started again, for a pipe was in the way, and was ended: {}", event.line)
            })?;
        }
    }
    Ok(())
}

fn texts_arrive_once(soak: &Soak, evidence: &Evidence) -> Result<()> {
    let state = soak.tried.place.join("small/state").join(&soak.fleet);
    for text in &soak.texts {
        let typed = evidence.lives.values().flatten().filter(|line| line.what == "text" && line.text.contains(&text.token));
        let typed: Vec<&Line> = typed.collect();
        let mut copies = Vec::new();
        for folder in ["small/read".to_owned(), format!("small/state/{}/inbox", soak.fleet)] {
            copies.extend(holding(&soak.tried.place.join(folder).join(&text.agent), &text.token));
        }
        let is_note = matches!(text.way, Way::Put | Way::Source);
        let known = |what: &str| format!("{text:?} {what}; typed: {typed:?}, as a note: {copies:?}");
        must(typed.len() <= 1 && copies.len() <= 1, || known("came more than once"))?;
        must(typed.iter().all(|line| line.agent == text.agent), || known("came to another agent"))?;
        must(is_note || copies.is_empty(), || known("became a note"))?;
        if is_note {
            let waits = soak.tried.place.join("notes").join(format!("{}.md", text.agent)).exists();
            let is_given = text.way == Way::Source || text.code == Some(0);
            let dead = || holding(&state.join("dead").join(&text.agent), &text.token);
            must(!is_given || copies.len() == 1 || text.way == Way::Source && waits || !dead().is_empty(), || known("is lost"))?;
        } else if let (Some(0), Some(until)) = (text.code, text.until) {
            must(typed.len() == 1 || ended_about(soak, evidence, text, until), || known("was confirmed and did not come"))?;
        } else if text.code == Some(4) {
            must(typed.is_empty(), || known("was refused and came"))?;
        }
    }
    Ok(())
}

/// The files below a folder that have this text in them.
fn holding(folder: &std::path::Path, token: &str) -> BTreeSet<std::path::PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    // A token may be the beginning of another one.
    let holds = |path: &std::path::PathBuf| {
        let text = super::commands::read(path);
        text.match_indices(token).any(|(at, _)| !text[at + token.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    files.filter(holds).collect()
}

/// Whether the life that a text was for ended at about this time: it may have read it and not written that down.
fn ended_about(soak: &Soak, evidence: &Evidence, text: &Text, until: u64) -> bool {
    let lost = soak.losses.iter().any(|loss| loss.agent == text.agent && loss.at >= text.from && loss.at <= until + LOOK);
    let asked = evidence.events.iter().any(|event| {
        event.agent == text.agent
            && matches!(&*event.what, "drain" | "kill" | "sweep" | "exited")
            && event.at >= text.from
            && event.at <= until + LOOK
    });
    lost || asked
}

fn crashes_are_noticed_once(soak: &Soak, evidence: &Evidence) -> Result<()> {
    let told = books::told(&soak.tried.place.join("told.jsonl"))?;
    let mut crashes: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for notice in told.iter().filter(|notice| notice.on == "crash") {
        *crashes.entry((&notice.agent, notice.generation)).or_default() += 1;
    }
    for ((agent, generation), count) in &crashes {
        // What a watcher sent on a full disk it could not write down: where it was killed then, the next one sends it again.
        let at = evidence.events.iter().find(|event| event.what == "exited" && event.agent == *agent && event.generation == *generation);
        let most = if at.is_none_or(|event| was_full(soak, event.at)) { 2 } else { 1 };
        must(*count <= most, || format!("the crash of generation {generation} of {agent} was noticed {count} times"))?;
    }
    let is_watched = |at: u64| {
        let now = now();
        soak.watched.iter().any(|(from, until)| from + SOON <= at && at + SOON <= until.unwrap_or(now))
    };
    for event in evidence.events.iter().filter(|event| event.what == "exited" && event.reason == "failed" && is_watched(event.at)) {
        let many =
            told.iter().any(|notice| notice.on == "mass_death" && notice.at + TOGETHER > event.at && notice.at < event.at + TOGETHER);
        // While ends go on like that, those that come to it are not told for themselves.
        let is_near = |other: &&Event| other.what == "exited" && other.at + TOGETHER > event.at && other.at < event.at + TOGETHER;
        let near: BTreeSet<&str> = evidence.events.iter().filter(is_near).map(|other| &*other.agent).collect();
        let one = crashes.contains_key(&(&*event.agent, event.generation));
        must(one || many || near.len() >= MANY, || format!("nobody was told of a crash though a watcher ran: {}", event.line))?;
    }
    Ok(())
}

/// The end: nothing is left behind, and the fleet's name is free for the other folder.
pub(crate) fn down(soak: &mut Soak) -> Result<()> {
    trouble::end_watcher(soak)?;
    let (code, text) = soak.finish(&["down", "--auto-approve", "--timeout", "60s"])?;
    must(code == Some(0), || format!("down ended with {code:?}:\n{text}"))?;
    let place = soak.tried.place.display().to_string();
    let nothing_is_left = || {
        let mut own = reconcile::process::ancestors(std::process::id());
        own.push(1);
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let left: Vec<String> = machine::naming(&place)
                .into_iter()
                .filter(|pid| !own.contains(pid))
                .map(|pid| {
                    format!("{pid}: {}", super::commands::read(std::path::Path::new(&format!("/proc/{pid}/cmdline"))).replace('\0', " "))
                })
                .collect();
            if left.is_empty() || Instant::now() > until {
                return must(left.is_empty(), || format!("after down, processes are left:\n{}", left.join("\n")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    nothing_is_left()?;
    let records = std::fs::read_dir(soak.tried.place.join("small/state").join(&soak.fleet).join("agents"))?;
    let records: Vec<_> =
        records.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    must(records.is_empty(), || format!("after down, records are left: {records:?}"))?;
    for words in [&["apply", "--auto-approve", "--timeout", "60s"][..], &["down", "--auto-approve", "--timeout", "60s"]] {
        let (code, text) = soak.tried.finish(From::Second, words, LIMIT * 2)?;
        must(code == Some(0), || format!("after down, `{}` of the other folder ended with {code:?}:\n{text}", words.join(" ")))?;
    }
    nothing_is_left()
}
