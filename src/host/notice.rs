//! Telling somebody of an event: a line in a file, or a program that gets it on its standard input. Nobody waits for it.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::desired::NoticeChannel;
use crate::process::{self, ProcId};

/// How long a program may take to hear it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pauses before it is tried again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// So many are told at the same time at most; beyond that somebody does not listen, and would only be told of the past.
const AT_ONCE: usize = 16;

/// How many programs are being told.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling(Arc<AtomicUsize>);

/// Tells it. What does not work is said on standard error, which is the log of a watcher.
pub(super) fn tell(to: &NoticeChannel, text: &str, env: BTreeMap<String, String>, telling: &Telling) {
    match to {
        NoticeChannel::File(path) => {
            if let Err(error) = append(path, text) {
                complain(&format!("{}: {error}", path.display()));
            }
        }
        NoticeChannel::Command { argv, cwd } => {
            let Some((program, _)) = argv.split_first() else { return };
            if telling.0.fetch_add(1, Ordering::SeqCst) >= AT_ONCE {
                telling.0.fetch_sub(1, Ordering::SeqCst);
                complain(&format!("{program}: {AT_ONCE} of them have not ended yet"));
                return;
            }
            let (argv, cwd, text, telling) = (argv.clone(), cwd.clone(), text.to_owned(), telling.clone());
            std::thread::spawn(move || {
                for pause in PAUSES.iter().map(Some).chain([None]) {
                    match (once(&argv, &cwd, &text, &env), pause) {
                        (Ok(()), _) => break,
                        (Err(_), Some(pause)) => std::thread::sleep(*pause),
                        (Err(why), None) => complain(&format!("{}: {why}", argv[0])),
                    }
                }
                telling.0.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
}

fn complain(why: &str) {
    let _ = writeln!(std::io::stderr(), "warning: somebody could not be told of an event: {why}");
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(nonblock).open(path)?;
    file.write_all(format!("{text}\n").as_bytes())
}

fn once(argv: &[String], cwd: &Path, text: &str, env: &BTreeMap<String, String>) -> Result<(), String> {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir(cwd).env_clear().envs(env).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not read it has what it needs; the pipe holds more than any event.
        let _ = input.write_all(text.as_bytes());
    }
    let id = ProcId::of(child.id()).ok().flatten();
    let notice = id.as_ref().and_then(|id| process::death_notice(id).ok().flatten());
    let end = Instant::now() + PATIENCE;
    let in_time = match &notice {
        Some(notice) => {
            use std::os::fd::AsFd;
            process::wait_any(&[notice.as_fd()], Some(end.saturating_duration_since(Instant::now()))).is_ok_and(|ready| !ready.is_empty())
        }
        None => matches!(child.try_wait(), Ok(Some(_))),
    };
    if !in_time && !matches!(child.try_wait(), Ok(Some(_))) {
        if let Some(id) = id {
            let _ = process::end_tree(&[id], "", Duration::from_millis(500));
        }
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it took longer than {} s", PATIENCE.as_secs()));
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
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
        tell(&channel(&script), "{\"on\":\"crash\"}\n", env(), &telling);
        tell(&channel("exit 0"), &"x".repeat(10_000), env(), &telling);
        eventually(|| telling.0.load(Ordering::SeqCst) == 0);
        assert_eq!(std::fs::read_to_string(&told).unwrap().lines().count(), 2);
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
