//! What agents and scripts ask for by files becomes a fact in the record of its agent. Nothing is done here: every request passes the planner, and
//! its guards, like all that is due.

use anyhow::Result;

use crate::desired::{AgentName, Desired, Place, Wish};
use crate::event::{Event, What};
use crate::host::Host;
use crate::observed::{Failures, Halt, Pause, Seat, as_typed};
use crate::state::handoff::{NoteId, archive, spool};
use crate::state::request::{Claimed, Request, STALE, Verb};
use crate::state::{Fleet, Posted, Record};
use crate::time::Timestamp;

/// So many texts at most wait for one agent.
const MOST_POSTED: usize = 16;

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
        let mut tell = |what, why| tell(Event { at, agent: agent.clone(), generation: None, what, reason: None, why });
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
    let Request { version: _, verb, agent, generation: _, until, text, interrupt: _, raw: _, message, ts: _ } = request;
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
            fleet.halt(Halt { since: now, why: message.clone(), frozen: false, doubt: None })?;
            return Ok(told);
        }
        (Verb::Resume, None) => {
            if fleet.halted()?.is_some_and(|halt| halt.frozen) {
                return Ok(Err("the processes are stopped; a person continues them with `reconcile resume`".to_owned()));
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
    if *verb == Verb::Send
        && !record.posted.iter().any(|posted| posted.id == claimed.note)
        && let Err(why) = is_reached(&record)
    {
        return Ok(Err(why));
    }
    if let (Some(text), true) = (text, *verb != Verb::Send) {
        lay_down(desired, fleet, claimed.note, agent, text, now)?;
    }
    if let Some(record) = asked(request, claimed, record, now) {
        fleet.write_wish(&record)?;
    }
    Ok(told)
}

/// Whether what is asked for and what is said of it belong together.
fn makes_sense(request: &Request) -> Result<(), String> {
    let Request { version: _, verb, agent, generation, until, text, interrupt, raw, message: _, ts: _ } = request;
    let asked = verb.as_str();
    match (verb, agent) {
        (Verb::Halt, Some(_)) => return Err("`halt` is for the whole fleet; one agent is left alone by `pause`".to_owned()),
        (Verb::Look, Some(_)) => return Err("`look` is for the whole fleet, and has no `agent`".to_owned()),
        (Verb::Restart | Verb::Stop | Verb::Start | Verb::Pause | Verb::Handoff | Verb::Send, None) => {
            return Err(format!("`{asked}` needs an `agent`"));
        }
        (Verb::Restart | Verb::Stop | Verb::Start | Verb::Pause | Verb::Handoff | Verb::Send | Verb::Resume, Some(_)) => {}
        (Verb::Halt | Verb::Look | Verb::Resume, None) if generation.is_some() => {
            return Err(format!("a `generation` is that of an agent, and `{asked}` without one is for the whole fleet"));
        }
        (Verb::Halt | Verb::Look | Verb::Resume, None) => {}
    }
    if until.is_some() && *verb != Verb::Pause {
        return Err(format!("`until` is for `pause`, and this is `{asked}`"));
    }
    if *interrupt && *verb != Verb::Send {
        return Err(format!("`interrupt` is for `send`, and this is `{asked}`"));
    }
    if *raw && *verb != Verb::Send {
        return Err(format!("`raw` is for `send`, and this is `{asked}`"));
    }
    match (verb, text) {
        (Verb::Send, None) => Err("`send` needs a `text`".to_owned()),
        (Verb::Send, Some(text)) if as_typed(text).trim().is_empty() => Err("there is nothing to send: the text is empty".to_owned()),
        (Verb::Handoff, None) => Err("a handoff needs a `text`".to_owned()),
        (Verb::Handoff | Verb::Restart, Some(text)) if text.trim().is_empty() => Err("an empty note says nothing".to_owned()),
        (Verb::Handoff | Verb::Restart | Verb::Send, _) | (_, None) => Ok(()),
        (_, Some(_)) => Err(format!("a `text` is for `send`, `handoff` and `restart`, and this is `{asked}`")),
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

/// Whether there is a life with a terminal that can be typed into, now or once it is ready.
fn is_reached(record: &Record) -> Result<(), String> {
    let agent = &record.agent;
    let place = record.instance.as_ref().map(|instance| matches!(instance.seat, Seat::Pane { .. }));
    let declared = record.spec.as_ref().map(|spec| matches!(spec.launch.place, Place::Tmux { .. }));
    if record.generation.0 == 0 || record.ended.is_some() {
        Err(format!("{agent} does not run; a `handoff` waits for its next life"))
    } else if !place.or(declared).unwrap_or(false) {
        Err(format!("{agent} is in no pane; a `handoff` reaches it without a terminal"))
    } else if record.posted.len() >= MOST_POSTED {
        Err(format!("{MOST_POSTED} texts wait for {agent} already"))
    } else {
        Ok(())
    }
}

/// The record with what is asked in it; none if nothing in it changes.
fn asked(request: &Request, claimed: &Claimed, mut record: Record, now: Timestamp) -> Option<Record> {
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
        // A run wrote it down and died before it took the request away.
        Verb::Send if record.posted.iter().any(|posted| posted.id == claimed.note) => {}
        Verb::Send => record.posted.extend(request.text.clone().map(|text| Posted {
            id: claimed.note,
            request: claimed.name.clone(),
            at: claimed.asked_at.min(now),
            text,
            interrupts: request.interrupt,
            raw: request.raw,
        })),
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

    use super::super::{Audience, Begin, converge};
    use super::*;
    use crate::event::Entry;
    use crate::host::sim::{Accident, Behaviour, Sim};
    use crate::manifest::{Memory, load};
    use crate::observed::{Exit, Observed};
    use crate::plan::{Plan, Terms};
    use crate::state::{StateDir, crash};
    use crate::time::Duration;

    /// A fleet in which `ada` and `bob` are declared.
    struct World {
        desired: Desired,
        fleet: Fleet,
        host: Sim,
        root: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            Self::with("")
        }

        /// With these fields of `ada`.
        fn with(fields: &str) -> Self {
            let text = "version = 1\nfleet = \"f\"\n[agents.bob]\ncommand = [\"x\"]\n[agents.ada]\ncommand = [\"x\"]\n".to_owned() + fields;
            let loaded = load("constellation.toml", &Memory::with_manifest(&text), &Default::default());
            let root = tempfile::tempdir().unwrap();
            let fleet = StateDir::locate(Some(root.path())).unwrap().fleet(&"f".parse().unwrap()).unwrap();
            fleet.prepare().unwrap();
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            // A moment later, so that nothing is still being written.
            let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap() + 2000);
            Self { desired: loaded.desired.unwrap(), fleet, host: Sim::new(now), root }
        }

        /// Where `ada` runs and works for long on each text.
        fn busy() -> Self {
            let mut world = Self::with("preset = \"claude\"");
            let mut behaviour = Behaviour::default();
            behaviour.terminal.works_for = Duration::from_secs(3600);
            world.host.behaviours.insert("ada".parse().unwrap(), behaviour);
            run(&mut world);
            world
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
            (r#""do":"stop","agent":"ada","text":"x""#, "a `text` is for `send`, `handoff` and `restart`, and this is `stop`"),
            (r#""do":"send","agent":"ada""#, "`send` needs a `text`"),
            (r#""do":"send","text":"go on""#, "`send` needs an `agent`"),
            (r#""do":"send","agent":"ada","text":"\u001b\n""#, "there is nothing to send: the text is empty"),
            (r#""do":"send","agent":"ada","text":"go on""#, "ada does not run; a `handoff` waits for its next life"),
            (r#""do":"stop","agent":"ada","interrupt":true"#, "`interrupt` is for `send`, and this is `stop`"),
            (r#""do":"handoff","agent":"ada","text":"x","raw":true"#, "`raw` is for `send`, and this is `handoff`"),
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

    /// Runs until nothing is due any more, or it dies.
    fn run(world: &mut World) {
        struct Deaf;
        impl Audience for Deaf {
            fn event(&mut self, _: &Entry) {}
            fn round(&mut self, _: &Plan, _: &Observed) {}
        }
        let World { desired, fleet, host, .. } = world;
        let deadline = host.now() + Duration::from_secs(60);
        let _ = take_requests(desired, fleet, host, &mut |_| Ok(()));
        let _ = converge(
            desired,
            fleet,
            host,
            Begin { terms: &Terms::default(), deadline, first: None },
            &mut Deaf,
            &mut super::super::Turns::alone(),
        );
    }

    fn typed(world: &World) -> Vec<String> {
        world.host.submitted().flat_map(|(_, texts)| texts.to_vec()).collect()
    }

    #[test]
    fn a_text_that_is_asked_for_is_typed_once_wherever_the_program_dies() {
        let attempt = |steps| {
            let mut world = World::new();
            run(&mut world);
            world.ask("a.json", r#"{"version":1,"do":"send","agent":"ada","text":"go on"}"#);
            let (_, died) = crash::at(steps, || {}, || run(&mut world));
            for _ in 0..2 {
                world.host.pass(Duration::from_secs(10));
                run(&mut world);
            }
            let journal = world.fleet.entries_after(0).unwrap();
            let unknown = journal.iter().any(|entry| entry.event.why.starts_with("text unconfirmed"));
            // It was written down before the first key, and never typed: that is told.
            assert!(typed(&world) == ["go on"] || (typed(&world).is_empty() && unknown), "dies at {steps}: {:?}", typed(&world));
            assert_eq!(world.names(&world.fleet.paths().requests()), [""; 0], "dies at {steps}");
            let record = world.fleet.record(&"ada".parse().unwrap()).unwrap().unwrap().unwrap();
            assert_eq!((record.posted, record.typing), (Vec::new(), None), "dies at {steps}");
            died
        };
        let steps = (0..200).find(|steps| !attempt(*steps)).unwrap();
        assert!(steps >= 12, "dies at {steps} steps only");
    }

    #[test]
    fn a_text_waits_for_one_that_works_and_for_its_own_life_only() {
        let mut world = World::busy();
        let send = |text: &str, more: &str| format!(r#"{{"version":1,"do":"send","agent":"ada","text":"{text}"{more}}}"#);
        let told = |world: &World| -> Vec<String> {
            let journal = world.fleet.entries_after(0).unwrap().into_iter().map(|entry| entry.event);
            journal.filter(|event| matches!(event.what, What::Receipt | What::Undelivered)).map(|event| event.why).collect()
        };
        for (name, text, more) in [("1.json", "one", ""), ("2.json", "two", ""), ("3.json", "three", r#","interrupt":true"#)] {
            world.ask(name, &send(text, more));
            run(&mut world);
        }
        assert_eq!((typed(&world), told(&world)), (vec!["one".to_owned(), "three".to_owned()], vec!["text confirmed".to_owned(); 2]));
        // What a new one is asked goes behind what waits.
        world.host.pass(Duration::from_secs(3600));
        world.ask("4.json", &send("four", &format!(r#","ts":"{}""#, world.host.now())));
        run(&mut world);
        assert_eq!(typed(&world), ["one", "three", "two"]);
        world.host.pass(Duration::from_secs(60));
        world.host.behaviours.values_mut().for_each(|behaviour| behaviour.terminal.works_for = Duration::from_secs(24 * 3600));
        world.host.accidents.entry(world.host.now()).or_default().push(Accident::End("ada".parse().unwrap(), Exit::Code(1)));
        world.host.pass(Duration::from_secs(60));
        run(&mut world);
        let ended = "text refused: the agent ended before it took it (request 4.json)";
        assert_eq!(told(&world).last().map(String::as_str), Some(ended));
        // Nobody's text waits for ever.
        world.host.pass(Duration::from_secs(60));
        run(&mut world);
        for (name, text) in [("5.json", "five"), ("6.json", "six")] {
            world.ask(name, &send(text, &format!(r#","ts":"{}""#, world.host.now())));
        }
        run(&mut world);
        world.host.pass(STALE - Duration::from_secs(60));
        run(&mut world);
        world.host.pass(Duration::from_secs(120));
        run(&mut world);
        let over = "text refused: the agent did not take it for 6h (request 6.json)";
        assert_eq!((typed(&world).last().map(String::as_str), told(&world).last().map(String::as_str)), (Some("five"), Some(over)));
    }

    #[test]
    fn more_texts_than_anybody_reads_are_refused() {
        let mut world = World::busy();
        for number in 0..=MOST_POSTED + 1 {
            world.ask(&format!("{number:02}.json"), r#"{"version":1,"do":"send","agent":"ada","text":"go on"}"#);
            if number == 0 {
                run(&mut world);
            }
        }
        let said = world.take();
        let refused = "Ignored the request 17.json was not carried out: 16 texts wait for ada already";
        assert_eq!((said.len(), said.last().map(String::as_str)), (MOST_POSTED + 1, Some(refused)));
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
