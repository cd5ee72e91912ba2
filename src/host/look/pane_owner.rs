//! Whose a pane is, by what the listing shows of it and by what is remembered. Pure: whether its processes live is looked at afterwards.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::desired::{FleetName, Mark};
use crate::host::tmux::{Pane, words};
use crate::host::{Known, adopted};
use crate::observed::{Instance, Seat};
use crate::process::{self, ProcId};

/// Why a pane without any mark is none of the fleet's.
pub(super) const NO_MARK: &str = "no mark";

/// Whose a pane is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PaneOwner<'p> {
    /// The keeper of the known instance at this place runs in it.
    Known(usize),
    /// A keeper of the fleet runs in it that no record knows.
    Unrecorded { mark: Mark, label: Cow<'p, str> },
    /// It is the pane of the known instance at this place, which was adopted.
    Adopted(usize),
    /// It was adopted, and its record is lost: it carries its mark as an option. The mark holds for one process only.
    UnrecordedAdopted(Mark),
    /// It belongs to a known instance in another pid namespace, of which nothing can be told from here.
    Elsewhere,
    /// The fleet has nothing to do with it, for this reason.
    Stranger(String),
}

/// The known instances, by what a pane shows of them.
pub(super) struct KnownInstances<'a> {
    fleet: FleetName,
    known: &'a [Known],
    /// Which of them live in another pid namespace.
    elsewhere: Vec<bool>,
    /// Their places, by the last part of their mark.
    by_id: HashMap<&'a str, usize>,
}

impl<'a> KnownInstances<'a> {
    /// These of a fleet, and which of them live in another pid namespace than the look.
    pub(super) fn new(fleet: &FleetName, known: &'a [Known], elsewhere: Vec<bool>) -> Self {
        let id = |(at, known): (usize, &'a Known)| Some((&*known.mark.as_ref()?.id, at));
        Self { fleet: fleet.clone(), known, elsewhere, by_id: known.iter().enumerate().filter_map(id).collect() }
    }

    /// The place of the instance whose mark is written like this.
    pub(super) fn bearing(&self, label: &str) -> Option<usize> {
        let at = *self.by_id.get(label.rsplit('/').next()?)?;
        self.known[at].mark.as_ref().is_some_and(|mark| mark.is_written(label)).then_some(at)
    }

    /// Whether an instance lives in another pid namespace than this look.
    pub(super) fn is_elsewhere(&self, at: usize) -> bool {
        self.elsewhere[at]
    }

    /// The panes of instances that were adopted on this server, by their ids.
    pub(super) fn adopted_on(&self, server: &ProcId) -> HashMap<&'a str, usize> {
        self.known.iter().enumerate().filter_map(|(at, known)| Some((adopted_pane(known, server)?, at))).collect()
    }

    /// Whose a pane is. `answered` says which known instances were found already, `unrecorded` which labels; a mark holds for one pane only.
    pub(super) fn owner<'p>(
        &self,
        pane: &'p Pane,
        adopted: &HashMap<&str, usize>,
        answered: &[bool],
        unrecorded: &HashSet<String>,
    ) -> PaneOwner<'p> {
        match label(&pane.command) {
            Some(label) => self.of_keeper(label, answered, unrecorded),
            None => match adopted.get(pane.id.as_str()).filter(|at| !answered[**at]) {
                Some(at) => PaneOwner::Adopted(*at),
                None => self.of_option(pane),
            },
        }
    }

    /// Of a pane whose command is that of a keeper.
    fn of_keeper<'p>(&self, label: Cow<'p, str>, answered: &[bool], unrecorded: &HashSet<String>) -> PaneOwner<'p> {
        let at = self.bearing(&label);
        match at {
            Some(at) if self.is_elsewhere(at) => return PaneOwner::Elsewhere,
            Some(at) if !answered[at] => return PaneOwner::Known(at),
            Some(_) | None => {}
        }
        let Ok(mark) = label.parse::<Mark>() else { return PaneOwner::Stranger(NO_MARK.to_owned()) };
        if mark.fleet != self.fleet {
            return of_another_fleet(&mark);
        }
        if at.is_some() || unrecorded.contains(&*label) {
            return PaneOwner::Stranger("it bears the mark of another pane".to_owned());
        }
        PaneOwner::Unrecorded { mark, label }
    }

    /// Of a pane that may carry the mark of an adoption as an option.
    fn of_option<'p>(&self, pane: &Pane) -> PaneOwner<'p> {
        let Some(mark) = adopted::mark_of(pane) else { return PaneOwner::Stranger(NO_MARK.to_owned()) };
        if mark.fleet != self.fleet {
            return of_another_fleet(&mark);
        }
        // Its record tells of another pane: this one was let go.
        if self.known.iter().any(|known| known.mark.is_none() && known.agent == mark.agent) {
            return PaneOwner::Stranger(NO_MARK.to_owned());
        }
        PaneOwner::UnrecordedAdopted(mark)
    }
}

fn of_another_fleet<'p>(mark: &Mark) -> PaneOwner<'p> {
    PaneOwner::Stranger(format!("it belongs to the fleet {}", mark.fleet))
}

/// The pane of an instance that was adopted, if it is on this server.
fn adopted_pane<'a>(known: &'a Known, at: &ProcId) -> Option<&'a str> {
    match (&known.mark, &known.instance) {
        (None, Some(Instance { seat: Seat::Pane { server, pane, .. }, .. })) if server == at => Some(pane),
        (None | Some(_), _) => None,
    }
}

/// The label in a command that is exactly `EXE keep LABEL SPEC`.
pub(in crate::host) fn label(command: &str) -> Option<Cow<'_, str>> {
    Some(keep_words(command)?.0)
}

/// The spec in such a command.
pub(super) fn spec_of(command: &str) -> Option<Cow<'_, str>> {
    Some(keep_words(command)?.1)
}

fn keep_words(command: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    if !command.contains(" keep v1/") {
        return None;
    }
    if !command.contains(['"', '\'', '\\']) {
        let mut words = command.split(' ');
        let (_, verb, label, spec, none) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next());
        let is_keep = verb == process::KEEP && !spec.is_empty() && none.is_none();
        return is_keep.then_some((Cow::Borrowed(label), Cow::Borrowed(spec)));
    }
    let [_, verb, label, spec] = <[String; 4]>::try_from(words(command)).ok()?;
    (verb == process::KEEP).then_some((Cow::Owned(label), Cow::Owned(spec)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{AgentName, Generation};

    const DIGEST: &str = "0123456789abcdef0123456789abcdef";

    fn mark(fleet: &str, agent: &str, id: &str) -> Mark {
        format!("v1/{fleet}/{agent}/1/{DIGEST}/{id}").parse().unwrap()
    }

    fn known(agent: &str, id: Option<&str>) -> Known {
        let mark = id.map(|id| mark("atlas", agent, id));
        Known { agent: agent.parse().unwrap(), mark, instance: None, is_daemon: false, namespace: None }
    }

    fn server() -> ProcId {
        ProcId { pid: 7, start_time: 1, boot_id: "boot".into() }
    }

    /// An agent whose pane `%5` was adopted.
    fn adopted(agent: &str) -> Known {
        let agent: AgentName = agent.parse().unwrap();
        let seat = Seat::Pane {
            socket: "/s".into(),
            server: server(),
            session: agent.to_string(),
            window: agent.to_string(),
            pane: "%5".to_owned(),
        };
        let instance = Instance { agent: agent.clone(), generation: Generation(1), mark: None, keeper: None, program: None, seat };
        Known { instance: Some(instance), ..known(agent.as_str(), None) }
    }

    fn pane(id: &str, command: &str, option: &str) -> Pane {
        Pane {
            piped_to: None,
            id: id.to_owned(),
            pid: 77,
            dead: false,
            sessions: vec!["s".to_owned()],
            window: "w".to_owned(),
            adopted: option.to_owned(),
            command: command.to_owned(),
            ids: None,
        }
    }

    #[test]
    fn whose_a_pane_is() {
        let all = [known("ada", Some("00000000000000a1")), known("far", Some("00000000000000f1")), adopted("bob")];
        let instances = KnownInstances::new(&"atlas".parse().unwrap(), &all, vec![false, true, false]);
        let panes = instances.adopted_on(&server());
        let keep = |fleet: &str, agent: &str, id: &str| format!("/x keep {} /state/f/specs/1", mark(fleet, agent, id));
        let option = |fleet: &str, agent: &str| mark(fleet, agent, "0000004d123").to_string();
        let stranger = |why: &str| PaneOwner::Stranger(why.to_owned());
        let unrecorded = |agent: &str, id: &str| {
            let mark = mark("atlas", agent, id);
            PaneOwner::Unrecorded { label: mark.to_string().into(), mark }
        };
        let other = "it bears the mark of another pane";
        for (what, pane, answered, expected) in [
            ("its keeper", pane("%1", &keep("atlas", "ada", "00000000000000a1"), ""), false, PaneOwner::Known(0)),
            ("a copy of it", pane("%1", &keep("atlas", "ada", "00000000000000a1"), ""), true, stranger(other)),
            ("in another namespace", pane("%1", &keep("atlas", "far", "00000000000000f1"), ""), false, PaneOwner::Elsewhere),
            ("in another namespace, twice", pane("%1", &keep("atlas", "far", "00000000000000f1"), ""), true, PaneOwner::Elsewhere),
            ("no record", pane("%1", &keep("atlas", "ada", "00000000000000a2"), ""), true, unrecorded("ada", "00000000000000a2")),
            ("no record, seen before", pane("%1", &keep("atlas", "ada", "00000000000000e1"), ""), false, stranger(other)),
            (
                "the id of a known one on another agent",
                pane("%1", &keep("atlas", "eve", "00000000000000a1"), ""),
                false,
                unrecorded("eve", "00000000000000a1"),
            ),
            ("another fleet", pane("%1", &keep("other", "ada", "00000000000000a1"), ""), false, stranger("it belongs to the fleet other")),
            ("no mark at all", pane("%1", "/x keep v1/nonsense /state", ""), false, stranger(NO_MARK)),
            ("adopted", pane("%5", "vim", ""), false, PaneOwner::Adopted(2)),
            ("adopted, found before", pane("%5", "vim", ""), true, stranger(NO_MARK)),
            (
                "an option",
                pane("%6", "vim", &option("atlas", "cyd")),
                false,
                PaneOwner::UnrecordedAdopted(mark("atlas", "cyd", "0000004d123")),
            ),
            ("an option of one that has another pane", pane("%6", "vim", &option("atlas", "bob")), false, stranger(NO_MARK)),
            ("an option of another fleet", pane("%6", "vim", &option("other", "cyd")), false, stranger("it belongs to the fleet other")),
            ("an option for another process", Pane { pid: 78, ..pane("%6", "vim", &option("atlas", "cyd")) }, false, stranger(NO_MARK)),
            ("a person's", pane("%7", "bash", ""), false, stranger(NO_MARK)),
            ("a keeper with a word too many", pane("%7", &(keep("atlas", "ada", "00000000000000a1") + " x"), ""), false, stranger(NO_MARK)),
        ] {
            let seen = HashSet::from([mark("atlas", "ada", "00000000000000e1").to_string()]);
            assert_eq!(instances.owner(&pane, &panes, &[answered; 3], &seen), expected, "{what}");
        }
        assert!(instances.adopted_on(&ProcId { pid: 8, ..server() }).is_empty(), "its pane is on another server");
    }

    #[test]
    fn only_the_exact_command_of_a_keeper_has_a_label() {
        let label_of = |command: &str| label(command).map(Cow::into_owned);
        assert_eq!(label_of("/x keep v1/f/a/1/00/11 /s"), Some("v1/f/a/1/00/11".to_owned()));
        assert_eq!(label_of(r#""/my exe" keep v1/f/a/1/00/11 "/my state""#), Some("v1/f/a/1/00/11".to_owned()));
        assert_eq!(spec_of(r#""/my exe" keep v1/f/a/1/00/11 "/my state""#).as_deref(), Some("/my state"));
        for command in [
            "",
            "bash",
            "/x keep v1/f/a/1/00/11",
            "/x keep v1/f/a/1/00/11 ",
            "/x keep v1/f/a/1/00/11 /s more",
            "sh -c \"/x keep v1/f/a/1/00/11 /s\"",
        ] {
            assert_eq!(label_of(command), None, "{command}");
        }
    }
}
