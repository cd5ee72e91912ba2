//! Taking over the record of what another state folder has started. Whose an instance is is said by one file, in the folder that it was started for; it
//! is written in one step. The record follows: until that step it lies beside, and what a take-over left that was killed is finished by whoever takes
//! the lock of either folder next.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::files::{Folder, Lasting};
use super::{Fleet, Record, StateDir};
use crate::desired::{AgentName, Mark};
use crate::paths::{Paths, moved_text, moved_to};
use crate::time::Duration;

/// An instance that is another state folder's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its agent.
    pub agent: AgentName,
    /// Its mark.
    pub mark: Mark,
    /// The state folder for which its keeper was started.
    pub home: PathBuf,
}

/// A take-over that is under way: `moving/AGENT`, in the folder that the record leaves and, with the record, in the one that it comes to.
#[derive(Debug, Serialize, Deserialize)]
struct Move {
    agent: AgentName,
    mark: Mark,
    home: PathBuf,
    to: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<Record>,
}

const MOVING: &str = "moving";

impl Fleet {
    /// Takes over instances of another state folder of this fleet, with their records and what was asked of them. Only for the holder of the lock.
    ///
    /// # Errors
    ///
    /// If the other folder is no folder of this fleet, another run works with it, or a record cannot be read or written: what was moved by then
    /// stays moved.
    pub fn take_over(&self, folder: &Path, instances: &[Foreign]) -> Result<()> {
        let other = self.sibling(folder)?;
        let _lock = other.lock("take-over", Duration::from_secs(5)).map_err(|held| anyhow::anyhow!("{}: {held}", folder.display()))?;
        self.prepare()?;
        for Foreign { agent, mark, home } in instances {
            // Somebody else may have been quicker.
            if owner(home, mark) != other.paths.folder() {
                continue;
            }
            let to = self.paths.folder().to_owned();
            let record = other.record(agent)?.transpose().map_err(anyhow::Error::msg)?;
            let record = record.map(|record| self.succeeding(record, mark)).transpose()?;
            let step = Move { agent: agent.clone(), mark: mark.clone(), home: home.clone(), to, record };
            self.make(MOVING)?.replace(agent.as_str(), &serde_json::to_vec(&step)?, Lasting::ForGood)?;
            let leaving = Move { record: None, ..step };
            other.make(MOVING)?.replace(agent.as_str(), &serde_json::to_vec(&leaving)?, Lasting::ForGood)?;
            self.become_owner(mark, home)?;
            self.finish_moves()?;
            other.finish_moves()?;
        }
        Ok(())
    }

    /// Finishes or takes back what a take-over left that was killed. Only for the holder of the lock.
    pub(super) fn finish_moves(&self) -> Result<()> {
        let Some(moving) = self.open(MOVING)? else { return Ok(()) };
        for name in moving.names()? {
            let mut text = Vec::new();
            moving.read(&name, &mut text).with_context(|| format!("cannot read {}", moving.path_of(&name).display()))?;
            if let Ok(Move { agent, mark, home, to, record }) = serde_json::from_slice(&text) {
                let own = self.paths.folder();
                // Whoever has it now, be it a third one.
                match (record, to == own, owner(&home, &mark) == own) {
                    (Some(record), true, true) => {
                        self.write_wish(&record)?;
                        self.note_home(&agent, &home)?;
                    }
                    (_, false, false) => self.remove(&agent)?,
                    (_, _, _) => {}
                }
            }
            moving.remove(&name)?;
        }
        Ok(())
    }

    /// The record that comes, with what is known here of the lives before.
    fn succeeding(&self, record: Record, mark: &Mark) -> Result<Record> {
        let Some(Ok(own)) = self.record(&record.agent)? else { return Ok(record) };
        let predecessor_unproven = record.predecessor_unproven || own.may_have_left(Some(mark));
        Ok(Record { predecessor_unproven, spent: record.spent.max(own.spent).max(own.generation), ..record })
    }

    /// The one step after which the instance is this folder's.
    fn become_owner(&self, mark: &Mark, home: &Path) -> Result<()> {
        if home == self.paths.folder() {
            return self.open("moved")?.map_or(Ok(()), |moved| moved.remove(mark.agent.as_str()).map_err(Into::into));
        }
        let text = moved_text(mark, self.paths.folder()).context("the path of the state folder is not UTF-8")?;
        self.sibling(home)?.make("moved")?.replace(mark.agent.as_str(), text.as_bytes(), Lasting::ForGood)
    }

    /// Notes the folder in which the keeper of an instance writes how it ended.
    fn note_home(&self, agent: &AgentName, home: &Path) -> Result<()> {
        if home == self.paths.folder() {
            return self.open("kept")?.map_or(Ok(()), |kept| kept.remove(agent.as_str()).map_err(Into::into));
        }
        let text = home.to_str().context("the path of the state folder is not UTF-8")?;
        self.make("kept")?.replace(agent.as_str(), text.as_bytes(), Lasting::ForGood)
    }

    /// Another state folder of this fleet.
    fn sibling(&self, folder: &Path) -> Result<Self> {
        let is_of_fleet = folder.file_name().is_some_and(|name| name == self.name.as_str());
        let root = folder.parent().filter(|_| is_of_fleet);
        let root = root.with_context(|| format!("{} is no state folder of the fleet {}", folder.display(), self.name))?;
        StateDir { root: root.to_owned() }.fleet(&self.name)
    }
}

/// The state folder whose instance it is that was started for the folder `home`.
fn owner(home: &Path, mark: &Mark) -> PathBuf {
    let mut text = Vec::new();
    let moved = Folder::open(&home.join("moved")).ok().flatten();
    let is_read = moved.is_some_and(|moved| moved.read(mark.agent.as_str(), &mut text).unwrap_or(false));
    let to = std::str::from_utf8(&text).ok().filter(|_| is_read).and_then(|text| moved_to(text, mark));
    to.unwrap_or_else(|| Paths::new(home.to_owned()).folder().to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::super::crash;
    use super::*;
    use crate::desired::Generation;

    struct World {
        _disk: tempfile::TempDir,
        folders: Vec<Fleet>,
        instance: Foreign,
    }

    /// Three state folders; the agent was started for the first one, whose record it is.
    fn world() -> World {
        let disk = tempfile::tempdir().unwrap();
        let fleet = |name: &str| StateDir { root: disk.path().join(name) }.fleet(&"f".parse().unwrap()).unwrap();
        let folders: Vec<Fleet> = ["a", "b", "c"].into_iter().map(fleet).collect();
        folders.iter().for_each(|folder| folder.prepare().unwrap());
        let mark: Mark = "v1/f/ada/3/0123456789abcdef0123456789abcdef/0123456789abcdef".parse().unwrap();
        let agent: AgentName = "ada".parse().unwrap();
        let record = Record { mark: Some(mark.clone()), generation: Generation(3), ..Record::new(agent.clone()) };
        folders[0].write(&record).unwrap();
        let home = folders[0].paths().folder().to_owned();
        World { _disk: disk, folders, instance: Foreign { agent, mark, home } }
    }

    impl World {
        fn take_over(&self, from: usize, to: usize) -> Result<()> {
            let own = &self.folders[to];
            let _lock = own.lock("apply", Duration::ZERO)?;
            own.take_over(self.folders[from].paths().folder(), std::slice::from_ref(&self.instance))
        }

        fn owner(&self) -> usize {
            let owner = owner(&self.instance.home, &self.instance.mark);
            self.folders.iter().position(|folder| folder.paths().folder() == owner).unwrap()
        }

        /// Those with the record of the instance, once each of them has had its lock.
        fn keep(&self) -> Vec<usize> {
            self.folders.iter().for_each(|folder| drop(folder.lock("apply", Duration::ZERO).unwrap()));
            let has = |folder: &Fleet| {
                let record = folder.record(&self.instance.agent).unwrap();
                record.is_some_and(|record| record.unwrap().mark.as_ref() == Some(&self.instance.mark))
            };
            (0..self.folders.len()).filter(|at| has(&self.folders[*at])).collect()
        }
    }

    #[test]
    fn a_take_over_that_is_killed_anywhere_leaves_the_record_in_one_folder() {
        // There and back again, and by way of a third one.
        let ways = [(0, 1), (1, 0), (0, 2), (2, 1), (1, 2), (2, 0)];
        for target in 0..ways.len() {
            for steps in 0.. {
                let world = world();
                ways[..target].iter().for_each(|(from, to)| world.take_over(*from, *to).unwrap());
                let (from, to) = ways[target];
                let (outcome, died) = crash::at(steps, || {}, || world.take_over(from, to));
                let owner = world.owner();
                assert!(owner == from || owner == to, "{target} {steps}");
                assert_eq!(world.keep(), [owner], "{target} {steps}: whose it is has the record, and no other one");
                assert_eq!(world.owner(), owner);
                if !died {
                    outcome.unwrap();
                    assert_eq!(owner, to);
                    break;
                }
            }
        }
    }

    #[test]
    fn what_a_killed_take_over_left_gives_way_to_a_later_one() {
        for steps in 0.. {
            let world = world();
            let (_, died) = crash::at(steps, || {}, || world.take_over(0, 1));
            let owner = world.owner();
            world.take_over(owner, 2).unwrap();
            assert_eq!((world.owner(), world.keep()), (2, vec![2]), "{steps}");
            if !died {
                break;
            }
        }
    }

    #[test]
    fn at_each_step_of_a_take_over_one_folder_has_the_instance() {
        let world = Rc::new(world());
        let before = Rc::new(Cell::new(0));
        let (seen, by) = (Rc::clone(&world), Rc::clone(&before));
        let watch = move || {
            let owner = seen.owner();
            assert!(owner >= by.replace(owner), "it does not go back");
        };
        let (outcome, _) = crash::at(usize::MAX, watch, || world.take_over(0, 1));
        outcome.unwrap();
        assert_eq!((world.owner(), before.get()), (1, 1));
        assert!(world.take_over(0, 2).is_ok(), "who comes too late takes nothing");
        assert_eq!(world.keep(), [1]);
    }

    #[test]
    fn another_instance_of_the_first_folder_is_its_own() {
        let world = world();
        world.take_over(0, 1).unwrap();
        let next: Mark = "v1/f/ada/4/0123456789abcdef0123456789abcdef/00000000000000ff".parse().unwrap();
        assert_eq!(owner(&world.instance.home, &next), world.instance.home);
        assert_eq!(world.owner(), 1);
    }
}
