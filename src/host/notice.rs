//! Telling somebody of an event: a line in a file, or a program that gets it on its standard input. Nobody waits for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::helpers::Helpers;
use crate::desired::NoticeChannel;
use crate::safe_open;

/// How long a program may take to hear it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pauses before it is tried again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// So many are told at the same time at most…
const AT_ONCE: usize = 16;

/// …and so many wait for their turn; beyond that somebody does not listen, and would only be told of the past.
const WAITING: usize = 1000;

/// Whoever is being told, and what is still to be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    helpers: Helpers,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Job>,
    working: usize,
    /// The programs that hear something just now: each hears one thing after the other, as they happened.
    hearing: BTreeSet<Listener>,
    is_over: bool,
}

impl Queue {
    /// The first thing that waits for a program that hears nothing else.
    fn next(&mut self) -> Option<Job> {
        if self.is_over {
            return None;
        }
        let free = self.waiting.iter().position(|job| !self.hearing.contains(&job.to))?;
        let job = self.waiting.remove(free)?;
        self.hearing.insert(job.to.clone());
        Some(job)
    }
}

/// A program that gets events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listener {
    argv: Vec<String>,
    cwd: PathBuf,
}

/// What a program is to be told.
#[derive(Debug)]
struct Job {
    to: Listener,
    /// A line, with its end.
    text: String,
    env: BTreeMap<String, String>,
}

/// Tells it. What does not work is said on standard error, which is the log of a watcher.
pub(super) fn tell(to: &NoticeChannel, text: &str, env: BTreeMap<String, String>, telling: &Telling) {
    match to {
        NoticeChannel::File(path) => {
            if let Err(error) = append(path, text) {
                complain(&format!("{}: {error}", path.display()), text);
            }
        }
        NoticeChannel::Command { argv, .. } if argv.is_empty() => {}
        NoticeChannel::Command { argv, cwd } => {
            telling.add(Job { to: Listener { argv: argv.clone(), cwd: cwd.clone() }, text: format!("{text}\n"), env })
        }
    }
}

impl Telling {
    fn add(&self, job: Job) {
        let mut queue = self.queue();
        if queue.waiting.len() >= WAITING {
            return complain(&format!("{}: {WAITING} events wait already", job.to.argv[0]), &job.text);
        }
        queue.waiting.push_back(job);
        if queue.working < AT_ONCE {
            queue.working += 1;
            let telling = self.clone();
            if let Err(error) = std::thread::Builder::new().name("notice".to_owned()).spawn(move || telling.work()) {
                queue.working -= 1;
                if let Some(job) = queue.waiting.pop_back() {
                    complain(&format!("{}: no thread can be started: {error}", job.to.argv[0]), &job.text);
                }
            }
        }
    }

    /// Tells one after the other until there is none.
    fn work(&self) {
        loop {
            let mut queue = self.queue();
            let Some(job) = queue.next() else {
                queue.working -= 1;
                return;
            };
            drop(queue);
            job.tell(self);
            self.queue().hearing.remove(&job.to);
        }
    }

    /// Tells nobody any more.
    pub(super) fn end_all(&self) {
        self.queue().is_over = true;
        self.0.helpers.end_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn tell(&self, telling: &Telling) {
        for pause in PAUSES.iter().map(Some).chain([None]) {
            match (self.once(&telling.0.helpers), pause) {
                (Ok(()), _) => return,
                (Err(_), _) if telling.queue().is_over => return,
                (Err(_), Some(pause)) => std::thread::sleep(*pause),
                (Err(why), None) => complain(&format!("{}: {why}", self.to.argv[0]), &self.text),
            }
        }
    }

    fn once(&self, helpers: &Helpers) -> Result<(), String> {
        let Self { to: Listener { argv, cwd }, text, env } = self;
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).current_dir(cwd).env_clear().envs(env);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = helpers.start(&mut command).map_err(|error| error.to_string())?;
        if let Some(mut input) = child.stdin.take() {
            // Who does not read it has what it needs; the pipe holds more than any event.
            let _ = input.write_all(text.as_bytes());
        }
        match helpers.finish(child, PATIENCE) {
            Ok(None) => Err(format!("it took longer than {} s", PATIENCE.as_secs())),
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn complain(why: &str, text: &str) {
    let _ =
        writeln!(std::io::stderr(), "warning: an event could not be delivered: {}: {}", why.escape_debug(), text.trim_end().escape_debug());
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = safe_open::append(path, safe_open::Trust::Any)?;
    file.write_all(format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn eventually(mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < end, "it never came to be");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_that_fails_is_told_again_and_one_that_does_not_read_is_no_harm() {
        let root = tempfile::tempdir().unwrap();
        let told = root.path().join("told");
        let script = format!("cat >> {0}; test $(wc -l < {0}) -gt 1", told.display());
        let channel =
            |script: &str| NoticeChannel::Command { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), cwd: root.path().to_owned() };
        let env = || BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let telling = Telling::default();
        tell(&channel(&script), "{\"on\":\"crash\"}", env(), &telling);
        tell(&channel("exit 0"), &"x".repeat(10_000), env(), &telling);
        eventually(|| telling.queue().working == 0);
        assert_eq!(std::fs::read_to_string(&told).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_program_reads_whole_lines_one_after_the_other() {
        let root = tempfile::tempdir().unwrap();
        let told = root.path().join("told");
        // The first takes longer than the others, which wait for it.
        let script = format!("while read line; do test $line != 0 || sleep 0.3; echo $line >> {0}; done", told.display());
        let channel = NoticeChannel::Command { argv: ["sh", "-c", &script].map(str::to_owned).to_vec(), cwd: root.path().to_owned() };
        let env = || BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let telling = Telling::default();
        (0..5).for_each(|number| tell(&channel, &number.to_string(), env(), &telling));
        eventually(|| telling.queue().working == 0);
        assert_eq!(std::fs::read_to_string(&told).unwrap(), "0\n1\n2\n3\n4\n");
    }

    #[test]
    fn a_file_gets_a_line_each() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("events.jsonl");
        for text in ["a", "b"] {
            tell(&NoticeChannel::File(file.clone()), text, BTreeMap::new(), &Telling::default());
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nb\n");
    }
}
