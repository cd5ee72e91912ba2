//! What secrets are now, as digests to compare with those of the spawn. What an instance gets is looked up by its keeper, not here.
//!
//! A value is sealed where it is read and goes no further. Commands are asked beside each other, and no more often than once in a while.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::helpers::Helpers;
use super::live::now;
use super::news::Bell;
use crate::desired::SecretSource;
use crate::process::{self, ProcId};
use crate::quit;
use crate::safe_open;
use crate::time::{self, Timestamp};

/// How long a command may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The longest value in bytes: what one variable can hold on Linux.
const LONGEST: u64 = 128 * 1024;

/// Makes of a variable and its value a digest that tells nobody the value.
pub type Seal = Arc<dyn Fn(&str, &str) -> String + Send + Sync>;

/// A question about the present value of a secret.
#[derive(Clone, Copy, Debug)]
pub struct SecretQuery<'a> {
    /// The variable that it is the value of.
    pub variable: &'a str,
    /// Where it comes from.
    pub source: &'a SecretSource,
    /// Where a command runs.
    pub cwd: &'a Path,
    /// An answer to an earlier question is none.
    pub since: Option<Timestamp>,
}

/// A command that has answered is not asked again for this time.
const EVERY: time::Duration = time::Duration::from_secs(60);

/// An answer that nobody wanted to have again for so long is forgotten.
const KEPT: time::Duration = time::Duration::from_secs(60 * 60);

/// Answers that come this soon count at once, also where nobody waits.
const AT_ONCE: Duration = Duration::from_millis(20);

/// So many commands run at the same time; the others have their turn later.
const MOST: usize = 64;

/// Whether answers of commands are waited for.
pub(super) enum Wait<'a> {
    /// They are, all together, for so long at most.
    For(Duration),
    /// They are not: those of before count, and the bell rings for another one.
    ForNone(Option<&'a Bell>),
}

/// What commands have said, and which of them are at work.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<BTreeMap<Asked, Known>>,
    answered: Condvar,
}

/// The variable, the words of the command and where it runs.
type Asked = (String, Vec<String>, PathBuf);

#[derive(Debug, Default)]
struct Known {
    /// The digest, if there was a value, and when it was asked for.
    answer: Option<(Timestamp, Option<String>)>,
    is_asked: bool,
}

impl Known {
    /// The answer to this question, however old it is.
    fn to(&self, since: Option<Timestamp>) -> Option<(Timestamp, Option<&str>)> {
        let (at, digest) = self.answer.as_ref()?;
        since.is_none_or(|since| *at >= since).then_some((*at, digest.as_deref()))
    }
}

impl Secrets {
    /// The digest for each question, in their order; none for a secret that cannot be had, or not yet.
    pub(super) fn ask(&self, questions: &[SecretQuery<'_>], seal: &Seal, wait: &Wait<'_>) -> Vec<Option<String>> {
        let begun = now();
        let patience = match wait {
            Wait::For(patience) => quit::patience(*patience),
            Wait::ForNone(_) => Duration::ZERO,
        };
        let end = Instant::now() + patience + AT_ONCE;
        let commands: Vec<(Asked, Option<Timestamp>)> = questions.iter().filter_map(command).collect();
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, one| one.is_asked || one.answer.as_ref().is_some_and(|(at, _)| begun.since(*at) < KEPT));
        loop {
            let mut is_open = false;
            for (asked, since) in &commands {
                // What was answered once is not waited for again: another value counts when it comes.
                let answered = known.get(asked).and_then(|one| one.to(*since)).map(|(at, _)| at);
                is_open |= answered.is_none();
                if answered.is_some_and(|at| begun.since(at) < EVERY) {
                    continue;
                }
                let busy = known.values().filter(|one| one.is_asked).count();
                let one = known.entry(asked.clone()).or_default();
                if !one.is_asked && busy < MOST {
                    one.is_asked = true;
                    if self.begin(asked.clone(), Arc::clone(seal), wait).is_err() {
                        // Where no thread can be started it cannot be had now, and is asked again later.
                        *one = Known { answer: Some((begun, None)), is_asked: false };
                    }
                }
            }
            let rest = end.saturating_duration_since(Instant::now());
            if !is_open || rest.is_zero() {
                break;
            }
            known = self.0.answered.wait_timeout(known, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        let answer = |query: &SecretQuery<'_>| match command(query) {
            Some((asked, since)) => known.get(&asked)?.to(since)?.1.map(str::to_owned),
            None => Some(seal(query.variable, &secret(query.source, query.cwd).ok()?)),
        };
        questions.iter().map(answer).collect()
    }

    fn begin(&self, asked: Asked, seal: Seal, wait: &Wait<'_>) -> std::io::Result<()> {
        let shared = Arc::clone(&self.0);
        let bell = match wait {
            Wait::ForNone(Some(bell)) => Some((*bell).clone()),
            Wait::ForNone(None) | Wait::For(_) => None,
        };
        let work = move || {
            let (variable, argv, cwd) = &asked;
            let at = now();
            let digest = printed(argv, cwd).ok().map(|value| seal(variable, without_end(&value)));
            let mut known = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
            let one = known.entry(asked).or_default();
            let is_news = one.answer.as_ref().is_none_or(|(_, before)| *before != digest);
            *one = Known { answer: Some((at, digest)), is_asked: false };
            shared.answered.notify_all();
            if let (true, Some(bell)) = (is_news, bell) {
                bell.ring();
            }
        };
        std::thread::Builder::new().name("secret".to_owned()).spawn(work).map(drop)
    }
}

/// The digest for each question that no command answers, in their order.
pub(super) fn without_commands(questions: &[SecretQuery<'_>], seal: &Seal) -> Vec<Option<String>> {
    let digest = |query: &SecretQuery<'_>| match command(query) {
        Some(_) => None,
        None => Some(seal(query.variable, &secret(query.source, query.cwd).ok()?)),
    };
    questions.iter().map(digest).collect()
}

/// What is asked by a command, if it is.
fn command(query: &SecretQuery<'_>) -> Option<(Asked, Option<Timestamp>)> {
    match query.source {
        SecretSource::Command(argv) => Some(((query.variable.to_owned(), argv.clone(), query.cwd.to_owned()), query.since)),
        SecretSource::Env(_) | SecretSource::File(_) => None,
    }
}

/// The value without the end of its line.
fn without_end(value: &str) -> &str {
    value.strip_suffix('\n').unwrap_or(value)
}

fn secret(source: &SecretSource, cwd: &Path) -> Result<String, String> {
    let value = match source {
        SecretSource::Env(name) => return std::env::var(name).map_err(|_| format!("{name} is not set")),
        SecretSource::File(path) => {
            // By the rule that its keeper goes by.
            let file = safe_open::open_trusted(path, safe_open::Trust::System).map_err(|error| format!("{}: {error}", path.display()))?;
            text(file).map_err(|error| format!("{}: {error}", path.display()))?
        }
        SecretSource::Command(argv) => printed(argv, cwd).map_err(|why| format!("its command {why}"))?,
    };
    Ok(without_end(&value).to_owned())
}

fn text(source: impl Read) -> Result<String, String> {
    let mut text = String::new();
    source.take(LONGEST).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// What a command prints until it ends. What it leaves running in the background is neither waited for nor ended.
fn printed(argv: &[String], cwd: &Path) -> Result<String, String> {
    let (program, arguments) = argv.split_first().ok_or("is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(cwd).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let helpers = Helpers::default();
    let mut child = helpers.start(&mut command).map_err(|error| format!("was not started: {error}"))?;
    let said = child.stdout.take().ok_or("cannot be read")?;
    let heard = hear_until_exit(&child, said);
    // One that has ended by itself is only waited for.
    let ended = helpers.finish(child, Duration::ZERO).map_err(|error| error.to_string())?;
    match (heard?, ended) {
        (None, _) | (Some(_), None) => Err(format!("took longer than {} s", PATIENCE.as_secs())),
        (Some(_), Some(status)) if !status.success() => Err(format!("ended with {status}")),
        (Some(bytes), Some(_)) => String::from_utf8(bytes).map_err(|_| "printed what is not UTF-8".to_owned()),
    }
}

/// What a child has printed when it ends; none if it takes too long.
fn hear_until_exit(child: &Child, mut said: ChildStdout) -> Result<Option<Vec<u8>>, String> {
    let until = Instant::now() + quit::patience(PATIENCE);
    rustix::io::ioctl_fionbio(&said, true).map_err(|error| error.to_string())?;
    let id = ProcId::of(child.id()).map_err(|error| error.to_string())?;
    let notice = id.and_then(|id| process::death_notice(&id).transpose()).transpose().map_err(|error| error.to_string())?;
    let mut printed = Vec::new();
    let mut is_open = true;
    let mut has_ended = notice.is_none();
    loop {
        match said.by_ref().take(LONGEST + 1).read_to_end(&mut printed) {
            Ok(_) => is_open = false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
        if printed.len() as u64 > LONGEST {
            return Err(format!("printed more than {LONGEST} bytes"));
        }
        if has_ended {
            return Ok(Some(printed));
        }
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(None);
        }
        // Its end is waited for, not the end of its output; what it said last is read once more after it.
        let death = notice.as_ref().map(AsFd::as_fd);
        let waited: Vec<_> = death.into_iter().chain(is_open.then(|| said.as_fd())).collect();
        has_ended = process::wait_any(&waited, Some(rest)).map_err(|error| error.to_string())?.contains(&0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Arc::new(|variable, value| format!("{variable} {} letters", value.len()))
    }

    fn shell(line: &str) -> SecretSource {
        SecretSource::Command(["sh", "-c", line].map(str::to_owned).to_vec())
    }

    fn query<'a>(source: &'a SecretSource, cwd: &'a Path, since: Option<Timestamp>) -> SecretQuery<'a> {
        SecretQuery { variable: "K", source, cwd, since }
    }

    #[test]
    fn commands_are_asked_beside_each_other_and_not_again_before_their_time() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("value"), "hunter2\n").unwrap();
        let meets = |own: &str, other: &str| shell(&format!("echo x >>{own}; until [ -e {other} ]; do sleep 0.01; done; cat value"));
        let (one, other) = (meets("a", "b"), meets("b", "a"));
        let secrets = Secrets::default();
        let questions = [query(&one, folder.path(), None), query(&other, folder.path(), None)];
        for _ in 0..3 {
            assert_eq!(secrets.ask(&questions, &seal(), &Wait::For(PATIENCE)), vec![Some("K 7 letters".to_owned()); 2]);
        }
        let times = || std::fs::read_to_string(folder.path().join("a")).unwrap().lines().count();
        assert_eq!(times(), 1);
        let later = now() + time::Duration::from_millis(1);
        while now() < later {}
        let again = [query(&one, folder.path(), Some(later))];
        assert_eq!(secrets.ask(&again, &seal(), &Wait::For(PATIENCE)), [Some("K 7 letters".to_owned())]);
        assert_eq!(times(), 2, "an answer of before is none");
        assert!(!format!("{secrets:?}").contains("hunter2"), "{secrets:?}");
    }

    #[test]
    fn who_does_not_wait_gets_the_answer_later() {
        let folder = tempfile::tempdir().unwrap();
        let slow = shell("until [ -e go ]; do sleep 0.01; done; echo secret");
        let secrets = Secrets::default();
        let ask = || secrets.ask(&[query(&slow, folder.path(), None)], &seal(), &Wait::ForNone(None)).remove(0);
        let begun = Instant::now();
        assert_eq!((ask(), ask()), (None, None));
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::fs::write(folder.path().join("go"), "").unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        let mut answer = None;
        while answer.is_none() && Instant::now() < end {
            answer = ask();
        }
        assert_eq!(answer.as_deref(), Some("K 6 letters"));
    }
}
