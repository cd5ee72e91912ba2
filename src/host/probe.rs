//! Answers to probes: all at once, each with its own patience, so that a slow one delays nobody.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regex::Regex;

use super::heart;
use super::helpers::Helpers;
use super::inquiry::{Inquiries, takes_long};
use super::live::now;
use super::news::Bell;
use super::port_owner::foreign_owner;
use super::screens::{Reach, Shown};
use super::story;
use super::{Answer, Query};
use crate::desired::{Owner, Probe};
use crate::observed::Instance;
use crate::paths::Paths;
use crate::process;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

/// How long an answer over a connection may take in all.
const ANSWER: Duration = Duration::from_secs(2);

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(5);

/// How many questions are asked at the same time.
const AT_ONCE: usize = 16;

/// How much of an HTTP answer is read: its first line is shorter.
const FIRST_LINE: u64 = 1024;

/// One answer for each question, in their order.
pub(super) fn probe(paths: &Paths, questions: &[Query]) -> Vec<Answer> {
    let screens = screens(questions);
    let helpers = Helpers::default();
    let answers: Vec<Mutex<Option<Answer>>> = questions.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(query) = questions.get(at) else { return };
            let answer = if takes_long(&query.probe) { ask_one(query, &helpers) } else { at_once(paths, query, screens.get(&at)) };
            if let Ok(mut slot) = answers[at].lock() {
                *slot = Some(answer);
            }
        }
    };
    // Files, clocks and screens need no company.
    let slow = questions.iter().filter(|query| takes_long(&query.probe)).count();
    std::thread::scope(|scope| {
        for _ in 1..slow.min(AT_ONCE) {
            // Where no more threads can be started, those that there are ask one after the other.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let unheard = || Answer::Unknown("nothing was heard of it".to_owned());
    answers.into_iter().map(|slot| slot.into_inner().ok().flatten().unwrap_or_else(unheard)).collect()
}

/// The same, with this answer to all that would run a command.
pub(super) fn probe_without_commands(paths: &Paths, questions: &[Query], why: &str) -> Vec<Answer> {
    let is_command = |query: &Query| matches!(query.probe, Probe::Command(_));
    let others: Vec<Query> = questions.iter().filter(|query| !is_command(query)).cloned().collect();
    let mut answers = probe(paths, &others).into_iter();
    let refused = || Answer::Unknown(why.to_owned());
    questions.iter().map(|query| if is_command(query) { refused() } else { answers.next().unwrap_or_else(refused) }).collect()
}

/// The same, without waiting for those that take long.
pub(super) fn probe_quickly(paths: &Paths, questions: &[Query], inquiries: &Inquiries, bell: Option<&Bell>) -> Vec<Answer> {
    let screens = screens(questions);
    let slow: Vec<&Query> = questions.iter().filter(|query| takes_long(&query.probe)).collect();
    let mut slow = inquiries.ask(&slow, bell).into_iter();
    let answer = |(at, query): (usize, &Query)| match takes_long(&query.probe) {
        true => slow.next().unwrap_or(Answer::Pending),
        false => at_once(paths, query, screens.get(&at)),
    };
    questions.iter().enumerate().map(answer).collect()
}

/// The answer to a question that may take long.
pub(super) fn ask_one(Query { instance, probe, owner, cwd, since: _ }: &Query, helpers: &Helpers) -> Answer {
    let whose = |address: &str, stream: &TcpStream| match owner {
        Owner::Any => Ok(()),
        Owner::Tree => is_own(instance, address, stream),
    };
    match probe {
        Probe::Tcp(address) => tcp(address, &whose),
        Probe::Http { url, status } => http(url, *status, &whose),
        Probe::Command(argv) => command(instance, cwd.as_deref(), argv, helpers),
        Probe::Screen(_) | Probe::File(_) | Probe::Delay(_) | Probe::Heartbeat { .. } | Probe::Preset => Answer::Pending,
    }
}

/// The answer to a question that takes no time.
fn at_once(paths: &Paths, Query { instance, probe, owner: _, cwd: _, since }: &Query, screen: Option<&Result<Shown, String>>) -> Answer {
    match probe {
        Probe::Screen(pattern) => on_screen(pattern, screen),
        Probe::File(path) => file(path),
        Probe::Delay(length) => delay(paths, instance, *length),
        Probe::Heartbeat { file, max_age } => heart::fresh(file, *max_age, *since, now()),
        Probe::Preset => Answer::Unknown("the rules that its screen is read by are not the host's".to_owned()),
        Probe::Tcp(_) | Probe::Http { .. } | Probe::Command(_) => Answer::Pending,
    }
}

/// The screens of all panes that are asked about, by the place of the question.
fn screens(questions: &[Query]) -> BTreeMap<usize, Result<Shown, String>> {
    let asked = questions.iter().enumerate().filter(|(_, query)| matches!(query.probe, Probe::Screen(_)));
    let (places, instances): (Vec<usize>, Vec<&Instance>) = asked.map(|(at, query)| (at, &query.instance)).unzip();
    places.into_iter().zip(super::screens::screens(&instances, Reach::Whole)).collect()
}

fn on_screen(pattern: &str, screen: Option<&Result<Shown, String>>) -> Answer {
    let pattern = match Regex::new(pattern) {
        Ok(pattern) => pattern,
        Err(error) => return Answer::Unknown(format!("`{pattern}` is no pattern: {error}")),
    };
    match screen {
        Some(Ok(shown)) if pattern.is_match(&shown.text) => Answer::Yes,
        Some(Ok(shown)) => {
            let last = shown.text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("(an empty screen)");
            let last: String = last.chars().filter(|letter| !letter.is_control()).take(120).collect();
            Answer::No(format!("the screen does not match; its last line: {last}"))
        }
        Some(Err(why)) => Answer::Unknown(why.clone()),
        None => Answer::Unknown("its screen was not read".to_owned()),
    }
}

fn file(path: &Path) -> Answer {
    match std::fs::metadata(path) {
        Ok(_) => Answer::Yes,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Answer::No(format!("{} is not there", path.display()))
        }
        Err(error) => Answer::Unknown(format!("{}: {error}", path.display())),
    }
}

/// A connection to the first of the addresses that takes one.
fn connect(address: &str) -> Result<TcpStream, Answer> {
    let until = Instant::now() + ANSWER;
    let addresses = address.to_socket_addrs().map_err(|error| Answer::Unknown(format!("{address}: {error}")))?;
    let mut last = format!("{address} stands for no address");
    for address in addresses {
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, rest.min(CONNECT)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(Answer::No(last))
}

/// Whether the server at the other end is part of the instance, as far as that can be told.
fn is_own(instance: &Instance, address: &str, stream: &TcpStream) -> Result<(), Answer> {
    foreign_owner(instance, stream).map_or(Ok(()), |owner| {
        let way_out = "end that process, or set `owner = \"any\"` in `ready`";
        Err(Answer::No(format!("{address} is served by {owner}, which is not part of the agent; {way_out}")))
    })
}

/// Says no where a connection is to a server that does not count.
type Whose<'a> = &'a dyn Fn(&str, &TcpStream) -> Result<(), Answer>;

fn tcp(address: &str, whose: Whose<'_>) -> Answer {
    match connect(address).and_then(|stream| whose(address, &stream)) {
        Ok(()) => Answer::Yes,
        Err(answer) => answer,
    }
}

fn http(url: &str, wanted: u16, whose: Whose<'_>) -> Answer {
    let Some((authority, path)) = parts(url) else { return Answer::Unknown(format!("`{url}` is no http:// address")) };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut stream = match connect(&address) {
        Ok(stream) => stream,
        Err(answer) => return answer,
    };
    if let Err(answer) = whose(&address, &stream) {
        return answer;
    }
    match status_line(&mut stream, authority, &path) {
        Ok(line) => match status_of(&line) {
            Some(status) if status == wanted => Answer::Yes,
            Some(status) => Answer::No(format!("{url} answered with status {status}")),
            None => Answer::No(format!("{url} did not answer as HTTP does")),
        },
        Err(error) => Answer::No(format!("{url}: {error}")),
    }
}

/// The authority and the path with its query of an `http://` address. Nothing in it can end the line of a request.
fn parts(url: &str) -> Option<(&str, String)> {
    let rest = url.strip_prefix("http://").filter(|rest| !rest.contains(|letter: char| letter.is_control() || letter == ' '))?;
    let rest = rest.split('#').next().unwrap_or_default();
    let cut = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(cut);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (!authority.is_empty()).then_some((authority, path))
}

fn status_line(stream: &mut TcpStream, authority: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let until = Instant::now() + ANSWER;
    stream.set_write_timeout(Some(CONNECT))?;
    // In one piece: who answers before having read all of it may have closed before the next piece.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: reconcile\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    let mut buffer = [0; 256];
    while !line.contains(&b'\n') && (line.len() as u64) < FIRST_LINE {
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(std::io::Error::other("no answer in time"));
        }
        stream.set_read_timeout(Some(rest))?;
        match stream.read(&mut buffer)? {
            0 => break,
            count => line.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(line)
}

fn status_of(line: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(line);
    let rest = line.strip_prefix("HTTP/1.")?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Runs a command where the agent runs, or ran, and with what it was started with.
fn command(instance: &Instance, cwd: Option<&Path>, argv: &[String], helpers: &Helpers) -> Answer {
    let Some((program, arguments)) = argv.split_first() else { return Answer::Unknown("the command is empty".to_owned()) };
    let agent = instance.program.as_ref().or(instance.keeper.as_ref());
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The number of a process that has ended may be another one's.
    let alive = agent.filter(|agent| agent.liveness() == process::Liveness::Alive);
    if let Some(cwd) = alive.and_then(|agent| process::cwd(agent.pid).ok()).or(cwd.map(Path::to_owned)) {
        command.current_dir(cwd);
    }
    let facts = instance.mark.as_ref().map(|mark| (mark.fleet.to_string(), mark.agent.to_string(), mark.generation.to_string()));
    if let Some((fleet, agent, generation)) = facts {
        // Not the mark itself: what a probe leaves behind is no part of the instance.
        command.env("RECONCILE_FLEET", fleet).env("RECONCILE_AGENT", agent).env("RECONCILE_GENERATION", generation);
    }
    command.env_remove(process::MARK_VARIABLE);
    let child = match helpers.start(&mut command) {
        Ok(child) => child,
        Err(error) => return Answer::Unknown(format!("`{program}` could not be started: {error}")),
    };
    match helpers.finish(child, COMMAND) {
        Ok(None) => Answer::Unknown(format!("`{program}` took longer than {} s", COMMAND.as_secs())),
        Ok(Some(status)) if status.success() => Answer::Yes,
        Ok(Some(status)) => Answer::No(format!("`{program}` ended with {status}")),
        Err(error) => Answer::Unknown(format!("`{program}`: {error}")),
    }
}

fn delay(paths: &Paths, instance: &Instance, length: crate::time::Duration) -> Answer {
    let started = instance.mark.as_ref().and_then(|mark| story::of(paths, mark).ok().flatten()).map(|status| status.started_at);
    match started {
        Some(since) if now().since(since) >= length => Answer::Yes,
        Some(since) => Answer::No(format!("it has lived for {}", now().since(since))),
        None => Answer::Unknown("since when it lives is not known".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_cannot_carry_a_second_request() {
        assert_eq!(parts("http://127.0.0.1:7411/healthz"), Some(("127.0.0.1:7411", "/healthz".to_owned())));
        assert_eq!(parts("http://[::1]:80?q=1#x"), Some(("[::1]:80", "/?q=1".to_owned())));
        assert_eq!(parts("http://host"), Some(("host", "/".to_owned())));
        for url in ["https://host/", "http://", "http:///x", "host", "http://host/ HTTP/1.1", "http://host/\r\nX: y"] {
            assert_eq!(parts(url), None, "{url:?}");
        }
    }

    #[test]
    fn a_status_is_read_from_the_first_line() {
        assert_eq!(status_of(b"HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status_of(b"HTTP/1.0 200\r\n"), Some(200));
        for line in [&b"SSH-2.0-x\r\n"[..], b"", b"HTTP/1.1\r\n", b"HTTP/1.1 x"] {
            assert_eq!(status_of(line), None);
        }
    }
}
