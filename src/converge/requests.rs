//! What agents and scripts ask for by files becomes a fact in the record of its agent. Nothing is done here: every request passes the planner, and
//! its guards, like all that is due.

use anyhow::Result;

use crate::desired::{AgentName, Desired, Wish};
use crate::event::{Event, What};
use crate::host::Host;
use crate::observed::{Failures, Halt, Pause};
use crate::state::handoff::{NoteId, archive, spool};
use crate::state::request::{Claimed, Request, STALE, Verb};
use crate::state::{Fleet, Record};
use crate::time::Timestamp;

/// Takes every request that is there, and tells what came of each, before it is taken away: one that cannot be carried out is no failure, and in
/// nobody's way. Whoever calls it holds the fleet's lock.
///
/// # Errors
///
/// If the folder of requests cannot be read, or it cannot be told: then the others are taken the next time.
pub fn take_requests(desired: &Desired, fleet: &Fleet, host: &mut dyn Host, tell: &mut dyn FnMut(Event) -> Result<()>) -> Result<()> {
    for claimed in fleet.claim_requests(host.now())? {
        let at = host.now();
        let name = claimed.name.escape_debug().to_string();
        let agent = claimed.request.as_ref().ok().and_then(|request| request.agent.clone());
        let mut tell = |what, why| tell(Event { at, agent: agent.clone(), generation: None, what, why });
        let refused = |why: &str| format!("the request {name} was not carried out: {why}");
        let outcome = match &claimed.request {
            Ok(request) => carry_out(request, &claimed, desired, fleet, host),
            Err(why) => Ok(Err(why.clone())),
        };
        let finished = match outcome {
            Ok(Ok(told)) => {
                if let Some(why) = told {
                    tell(What::Requested, why)?;
                }
                fleet.finish_request(&claimed).map(drop)
            }
            Ok(Err(why)) => fleet.finish_request(&claimed).and_then(|aside| {
                let aside = aside.map(|path| format!("; it cannot be removed and is now {}: move it away", path.display()));
                tell(What::Ignored, refused(&why) + aside.as_deref().unwrap_or_default())
            }),
            // It may be carried out once that is mended: nothing of it is lost.
            Err(error) => fleet.set_request_aside(&claimed).and_then(|path| {
                let again = format!("; it is kept as {}: mend that, and give it a name that ends with .json again", path.display());
                tell(What::Ignored, refused(&format!("{error:#}")) + &again)
            }),
        };
        if let Err(error) = finished {
            tell(What::Failed, format!("the request {name} cannot be taken away: {error:#}"))?;
        }
    }
    Ok(())
}

/// What was done, if that is worth a word; or why nothing was.
type Outcome = Result<Option<String>, String>;

fn carry_out(request: &Request, claimed: &Claimed, desired: &Desired, fleet: &Fleet, host: &mut dyn Host) -> Result<Outcome> {
    let Request { version: _, verb, agent, generation: _, until, text, message, ts: _ } = request;
    let now = host.now();
    if let Err(why) = makes_sense(request) {
        return Ok(Err(why));
    }
    if until.is_some_and(|until| until <= now) {
        return Ok(Err("the pause would be over before it began".to_owned()));
    }
    let age = now.since(claimed.asked_at);
    if age > STALE {
        return Ok(Err(format!("it is {} old, and was meant for another day", age.rough())));
    }
    let because = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let told = Ok(Some(format!("{}{because}", verb.as_str())));
    match (verb, agent) {
        (Verb::Look, _) => return Ok(Ok(None)),
        (Verb::Halt, _) => {
            fleet.halt(Halt { since: now, why: message.clone(), frozen: false })?;
            return Ok(told);
        }
        (Verb::Resume, None) => {
            if fleet.halted()?.is_some_and(|halt| halt.frozen) {
                return Ok(Err("the processes are stopped; a person sets them going: reconcile resume".to_owned()));
            }
            fleet.end_halt()?;
            return Ok(told);
        }
        (_, _) => {}
    }
    let Some(agent) = agent else { return Ok(told) };
    let record = match fleet.record(agent)? {
        Some(Ok(record)) => record,
        Some(Err(why)) => return Ok(Err(why)),
        None if desired.agents.contains_key(agent) => Record::new(agent.clone()),
        None => return Ok(Err(format!("there is no agent {agent}"))),
    };
    if let Err(why) = is_meant(request, claimed, &record) {
        return Ok(Err(why));
    }
    if let Some(text) = text {
        lay_down(desired, fleet, claimed.note, agent, text, now)?;
    }
    if let Some(record) = asked(request, record, now) {
        fleet.write_wish(&record)?;
    }
    Ok(told)
}

/// Whether what is asked for and what is said of it belong together.
fn makes_sense(request: &Request) -> Result<(), String> {
    let Request { version: _, verb, agent, generation, until, text, message: _, ts: _ } = request;
    let asked = verb.as_str();
    match (verb, agent) {
        (Verb::Halt, Some(_)) => return Err("`halt` is for the whole fleet; one agent is left alone by `pause`".to_owned()),
        (Verb::Look, Some(_)) => return Err("`look` is for the whole fleet, and has no `agent`".to_owned()),
        (Verb::Restart | Verb::Stop | Verb::Start | Verb::Pause | Verb::Handoff, None) => {
            return Err(format!("`{asked}` needs an `agent`"));
        }
        (Verb::Restart | Verb::Stop | Verb::Start | Verb::Pause | Verb::Handoff | Verb::Resume, Some(_)) => {}
        (Verb::Halt | Verb::Look | Verb::Resume, None) if generation.is_some() => {
            return Err(format!("a `generation` is that of an agent, and `{asked}` without one is for the whole fleet"));
        }
        (Verb::Halt | Verb::Look | Verb::Resume, None) => {}
    }
    if until.is_some() && *verb != Verb::Pause {
        return Err(format!("`until` is for `pause`, and this is `{asked}`"));
    }
    match (verb, text) {
        (Verb::Handoff, None) => Err("a handoff needs a `text`".to_owned()),
        (Verb::Handoff | Verb::Restart, Some(text)) if text.trim().is_empty() => Err("an empty note says nothing".to_owned()),
        (Verb::Handoff | Verb::Restart, _) | (_, None) => Ok(()),
        (_, Some(_)) => Err(format!("a `text` is for `handoff` and `restart`, and this is `{asked}`")),
    }
}

/// Whether the life that is there is the one of which something is asked.
fn is_meant(request: &Request, claimed: &Claimed, record: &Record) -> Result<(), String> {
    match (request.generation, request.verb) {
        (Some(meant), _) if meant != record.generation => {
            Err(format!("it is about generation {meant} of {}, and this is generation {}", record.agent, record.generation))
        }
        // A restart that was asked of the life before is done.
        (None, Verb::Restart) if record.generation.0 > 0 && claimed.asked_at < record.asked_at => {
            Err(format!("it was written before the present life of {} began", record.agent))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// The record with what is asked in it; none if nothing in it changes.
fn asked(request: &Request, mut record: Record, now: Timestamp) -> Option<Record> {
    let before = record.clone();
    match request.verb {
        Verb::Restart => {
            record.wanted = Wish::Running;
            record.replace_up_to = record.generation;
        }
        Verb::Start => {
            record.wanted = Wish::Running;
            record.failures = Failures { restarts: record.failures.restarts, ..Failures::default() };
            if record.ended.is_some() {
                record.replace_up_to = record.generation;
            }
        }
        Verb::Stop => record.wanted = Wish::Stopped,
        Verb::Pause => record.paused = Some(Pause { since: now, until: request.until, why: request.message.clone() }),
        Verb::Resume => record.paused = None,
        Verb::Halt | Verb::Handoff | Verb::Look => {}
    }
    (record != before).then_some(record)
}

/// Puts a note aside, once however often this is done: it is called after its request.
fn lay_down(desired: &Desired, fleet: &Fleet, id: NoteId, agent: &AgentName, text: &str, now: Timestamp) -> Result<()> {
    fleet.prepare()?;
    let spool = fleet.paths().spool(agent);
    let declared = desired.agents.get(agent).and_then(|declared| declared.spec.care.handoff.archive.clone());
    let archive = declared.unwrap_or_else(|| fleet.paths().archive(agent));
    if !spool::list(&spool)?.iter().any(|note| note.id == id) && archive::find(&archive, id)?.is_none() {
        spool::put(&spool, id, text, now)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::sim::Sim;
    use crate::manifest::{Memory, load};
    use crate::state::{StateDir, crash};

    /// A fleet in which `ada` and `bob` are declared.
    struct World {
        desired: Desired,
        fleet: Fleet,
        host: Sim,
        root: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let text = "version = 1\nfleet = \"f\"\nagents = { ada = { command = [\"x\"] }, bob = { command = [\"x\"] } }\n";
            let loaded = load("constellation.toml", &Memory::with_manifest(text), &Default::default());
            let root = tempfile::tempdir().unwrap();
            let fleet = StateDir::locate(Some(root.path())).unwrap().fleet(&"f".parse().unwrap()).unwrap();
            fleet.prepare().unwrap();
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            // A moment later, so that nothing is still being written.
            let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap() + 2000);
            Self { desired: loaded.desired.unwrap(), fleet, host: Sim::new(now), root }
        }

        fn ask(&self, name: &str, text: &str) {
            std::fs::write(self.fleet.paths().requests().join(name), text).unwrap();
        }

        fn take(&mut self) -> Vec<String> {
            let mut events = Vec::new();
            let mut tell = |event| {
                events.push(event);
                Ok(())
            };
            take_requests(&self.desired, &self.fleet, &mut self.host, &mut tell).unwrap();
            let root = self.root.path().to_str().unwrap().to_owned();
            events.into_iter().map(|event| format!("{:?} {}", event.what, event.why.replace(&root, "STATE"))).collect()
        }

        fn names(&self, folder: &Path) -> Vec<String> {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut world = World::new();
        for (asked, why) in [
            (r#""do":"halt","agent":"ada""#, "`halt` is for the whole fleet; one agent is left alone by `pause`"),
            (r#""do":"halt","generation":3"#, "a `generation` is that of an agent, and `halt` without one is for the whole fleet"),
            (r#""do":"look","agent":"ada""#, "`look` is for the whole fleet, and has no `agent`"),
            (r#""do":"pause""#, "`pause` needs an `agent`"),
            (r#""do":"pause","agent":"ada","until":"2020-01-01T00:00:00Z""#, "the pause would be over before it began"),
            (r#""do":"stop","agent":"ada","until":"2099-01-01T00:00:00Z""#, "`until` is for `pause`, and this is `stop`"),
            (r#""do":"stop","agent":"ada","text":"x""#, "a `text` is for `handoff` and `restart`, and this is `stop`"),
            (r#""do":"handoff","agent":"ada""#, "a handoff needs a `text`"),
            (r#""do":"restart","agent":"ada","text":" ""#, "an empty note says nothing"),
        ] {
            world.ask("a.json", &format!(r#"{{"version":1,{asked}}}"#));
            assert_eq!(world.take(), [format!("Ignored the request a.json was not carried out: {why}")], "{asked}");
        }
        assert_eq!((world.fleet.halted().unwrap(), world.fleet.records().unwrap().len()), (None, 0));
        assert_eq!(world.names(&world.fleet.paths().spool(&"ada".parse().unwrap())), [""; 0]);
    }

    #[test]
    fn one_that_cannot_be_carried_out_is_told_once_and_keeps_nobody_from_the_others() {
        let mut world = World::new();
        world.ask("1.json", r#"{"version":1,"do":"stop","agent":"ada"}"#);
        std::fs::create_dir(world.fleet.paths().requests().join("2.json")).unwrap();
        // A file where the folder of its notes should be.
        let spool = world.fleet.paths().spool(&"bob".parse().unwrap());
        std::fs::create_dir_all(spool.parent().unwrap()).unwrap();
        std::fs::write(&spool, "").unwrap();
        world.ask("3.json", r#"{"version":1,"do":"handoff","agent":"bob","text":"go on"}"#);
        world.ask("4.json", r#"{"version":1,"do":"pause","agent":"bob"}"#);
        let mut said = world.take();
        said.sort();
        let requests = "STATE/f/requests";
        let expected = [
            format!(
                "Ignored the request 2.json was not carried out: it is no regular file; it cannot be removed and is now \
                 {requests}/2.json.ignored: move it away"
            ),
            format!(
                "Ignored the request 3.json was not carried out: STATE/f/spool/bob is not a folder: move it away, or name another place in the \
                 manifest; it is kept as {requests}/3.json.ignored: mend that, and give it a name that ends with .json again"
            ),
            "Requested pause".to_owned(),
            "Requested stop".to_owned(),
        ];
        assert_eq!(said, expected);
        assert_eq!(world.take(), [""; 0]);
        std::fs::remove_file(&spool).unwrap();
        let folder = world.fleet.paths().requests();
        std::fs::rename(folder.join("3.json.ignored"), folder.join("3.json")).unwrap();
        assert_eq!(world.take(), ["Requested handoff"]);
        assert_eq!(world.names(&spool).len(), 1);
    }

    #[test]
    fn a_note_that_is_asked_for_is_one_wherever_the_program_dies() {
        let ada = "ada".parse().unwrap();
        let run = |steps| {
            let mut world = World::new();
            world.ask("a.json", r#"{"version":1,"do":"restart","agent":"ada","text":"go on"}"#);
            let World { desired, fleet, host, .. } = &mut world;
            let (_, died) = crash::at(steps, || {}, || take_requests(desired, fleet, host, &mut |_| Ok(())));
            world.host.pass(crate::time::Duration::from_secs(5));
            world.take();
            let spool = world.fleet.paths().spool(&ada);
            let notes = spool::list(&spool).unwrap();
            assert_eq!(notes.len(), 1, "dies at {steps}: {:?}", world.names(&spool));
            let left: Vec<String> = world.names(&world.fleet.paths().requests());
            assert_eq!(left, [""; 0], "dies at {steps}");
            died
        };
        let steps = (0..100).find(|steps| !run(*steps)).unwrap();
        assert!(steps >= 8, "dies at {steps} steps only");
    }

    #[test]
    fn the_same_note_asked_for_twice_is_two() {
        use std::os::unix::fs::MetadataExt;
        let mut world = World::new();
        let asked = format!(r#"{{"version":1,"do":"handoff","agent":"ada","text":"go on","ts":"{}"}}"#, world.host.now());
        let path = world.fleet.paths().requests().join("a.json");
        let mut changed = 0;
        for _ in 0..2 {
            // As `cp -p` makes it; the time of the change is the kernel's.
            let write = || {
                std::fs::write(&path, &asked).unwrap();
                std::fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
                std::fs::metadata(&path).unwrap().ctime_nsec()
            };
            changed = std::iter::repeat_with(write).find(|now| *now != changed).unwrap();
            assert_eq!(world.take(), ["Requested handoff"]);
        }
        assert_eq!(spool::list(&world.fleet.paths().spool(&"ada".parse().unwrap())).unwrap().len(), 2);
    }
}
