//! The soak: troubles for a while, then a calm in which everything must come to rest and every law is judged, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use reconcile::process::{self, ProcId, Signal};

use super::books::{self, Line, Order, Text, now};
use super::commands::{From, Running, Tried};
use super::fleet::{self, Edits};
use super::monitor::{self, Shared};
use super::violation::{Violation, must};
use super::{Run, commands, laws, machine, trouble};

/// How long a command may take beyond its own timeout.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What the soak killed, by itself or with the server that it was in.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) agent: String,
    pub(crate) generation: u64,
    pub(crate) at: u64,
}

/// A command in the background, and what it may do.
#[derive(Debug)]
pub(crate) struct Background {
    pub(crate) running: Running,
    pub(crate) order: Option<usize>,
    pub(crate) text: Option<usize>,
    pub(crate) kill_at: Option<Instant>,
    /// From another state folder: it must be refused.
    pub(crate) refused: bool,
}

/// A soak with all that it did.
pub(crate) struct Soak {
    pub(crate) tried: Tried,
    pub(crate) fleet: String,
    pub(crate) small_disk: bool,
    pub(crate) namespaces: bool,
    pub(crate) rng: fastrand::Rng,
    pub(crate) edits: Edits,
    pub(crate) orders: Vec<Order>,
    pub(crate) texts: Vec<Text>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) background: Vec<Background>,
    pub(crate) watcher: Option<Running>,
    /// When there was a watcher.
    pub(crate) watched: Vec<(u64, Option<u64>)>,
    /// What is a pipe just now: the file, its agent and since when; and what was.
    pub(crate) pipes: BTreeMap<PathBuf, (&'static str, u64)>,
    pub(crate) were_pipes: Vec<(&'static str, u64, u64)>,
    /// When the disk was full.
    pub(crate) full: Vec<(u64, Option<u64>)>,
    pub(crate) stopped: BTreeSet<&'static str>,
    pub(crate) paused: BTreeSet<&'static str>,
    pub(crate) frozen: Vec<ProcId>,
    pub(crate) figures: BTreeMap<String, u64>,
    pub(crate) step: u64,
    shared: Arc<Shared>,
    log: File,
    began: Instant,
}

pub(crate) fn run(args: &Run) -> Result<ExitCode> {
    let fleet = format!("soak-{}", std::process::id());
    fleet::furnish(&args.place)?;
    fleet::write_manifest(&args.place, &fleet, &Edits::default())?;
    let mut soak = Soak {
        tried: Tried { program: args.program.clone(), place: args.place.clone() },
        fleet,
        small_disk: args.small_disk,
        namespaces: args.namespaces,
        rng: fastrand::Rng::with_seed(args.seed),
        edits: Edits::default(),
        orders: Vec::new(),
        texts: Vec::new(),
        losses: Vec::new(),
        background: Vec::new(),
        watcher: None,
        watched: Vec::new(),
        pipes: BTreeMap::new(),
        were_pipes: Vec::new(),
        full: Vec::new(),
        stopped: BTreeSet::new(),
        paused: BTreeSet::new(),
        frozen: Vec::new(),
        figures: BTreeMap::new(),
        step: 0,
        shared: Arc::new(Shared::default()),
        log: File::create(args.place.join("soak.log"))?,
        began: Instant::now(),
    };
    let shared = Arc::clone(&soak.shared);
    let (name, lives) = (soak.fleet.clone(), args.place.join("lives"));
    let monitor = std::thread::Builder::new().spawn(move || monitor::run(&name, &lives, &shared))?;
    let result = soak.go(Duration::from_millis(args.length.as_millis()));
    let ended = soak.shared.looks.load(Ordering::Relaxed);
    soak.shared.over.store(true, Ordering::Relaxed);
    let _ = monitor.join();
    soak.figures.insert("looks for twins".to_owned(), ended);
    soak.report(args, result)
}

impl Soak {
    fn go(&mut self, length: Duration) -> Result<()> {
        let (code, text) = self.finish(&["apply", "--auto-approve", "--timeout", "60s"])?;
        must(code == Some(0), || format!("the first apply ended with {code:?}:\n{text}"))?;
        trouble::begin_watcher(self)?;
        let until = Instant::now() + length;
        while Instant::now() < until {
            for _ in 0..self.rng.u32(8..24) {
                trouble::step(self)?;
                let pause = Duration::from_millis(self.rng.u64(20..700));
                let over = Instant::now() + pause;
                while Instant::now() < over {
                    self.attend()?;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            self.calm()?;
        }
        laws::down(self)
    }

    /// Nothing happens any more: the fleet must come to rest, and all laws must hold.
    fn calm(&mut self) -> Result<()> {
        self.note("calm")?;
        trouble::undo_all(self)?;
        while !self.background.is_empty() {
            self.background.iter_mut().for_each(|background| background.kill_at = None);
            self.attend()?;
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.watcher.is_none() && self.rng.bool() {
            trouble::begin_watcher(self)?;
        }
        for (verb, agents, flags) in
            [("resume", std::mem::take(&mut self.paused), &[][..]), ("start", std::mem::take(&mut self.stopped), &["--timeout", "30s"])]
        {
            if agents.is_empty() {
                continue;
            }
            let agents: Vec<&str> = agents.into_iter().collect();
            let words = [&[verb], &agents[..], flags].concat();
            let (code, text) = self.finish(&words)?;
            must(code == Some(0), || format!("`{}` ended with {code:?}:\n{text}", words.join(" ")))?;
        }
        // What ends by a trouble may take its time for it: one that takes no notice of the end of its terminal lives on for a second.
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let (code, text) = self.finish(&["apply", "--auto-approve", "--timeout", "60s"])?;
            must(code == Some(0), || format!("the apply after all troubles ended with {code:?}:\n{text}"))?;
            match laws::is_at_rest(self) {
                Ok(()) => break,
                Err(error) if Instant::now() > until || !error.is::<Violation>() => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
        laws::all(self)?;
        self.count("calms");
        Ok(())
    }

    /// Sees to what runs in the background.
    pub(crate) fn attend(&mut self) -> Result<()> {
        if let Some(twice) = self.shared.twice.lock().ok().and_then(|mut twice| twice.take()) {
            return Err(Violation(twice).into());
        }
        let mut running = Vec::new();
        for mut background in std::mem::take(&mut self.background) {
            if background.kill_at.is_some_and(|at| Instant::now() >= at) {
                let _ = background.running.child.kill();
                self.count("kills of commands");
                self.note(&format!("killed: {}", background.running.words))?;
                background.kill_at = None;
                background.refused = false;
            }
            match background.running.ended()? {
                None => running.push(background),
                Some((code, text)) => self.ended(&background, code, &text)?,
            }
        }
        self.background.extend(running);
        if let Some(watcher) = &mut self.watcher
            && let Some((code, text)) = watcher.ended()?
        {
            let tail: String = text.lines().rev().take(20).collect::<Vec<_>>().join("\n");
            return Err(Violation(format!("the watcher ended by itself with {code:?}; its last lines, newest first:\n{tail}")).into());
        }
        Ok(())
    }

    fn ended(&mut self, background: &Background, code: Option<i32>, text: &str) -> Result<()> {
        let words = &background.running.words;
        let verb = words.split(' ').nth(1).unwrap_or_default();
        self.count(&format!("{verb} → {}", code.map_or("killed".to_owned(), |code| code.to_string())));
        self.note(&format!("ended with {code:?}: {words}"))?;
        if let Some(order) = background.order {
            self.orders[order].until = Some(now());
        }
        if let Some(text) = background.text {
            self.texts[text].until = Some(now());
            self.texts[text].code = code;
        }
        let did_nothing =
            || code == Some(0) && (text.contains("Nothing was done") || text.contains("No changes")) && !text.contains("sweep");
        must(!background.refused || matches!(code, Some(4) | None) || did_nothing(), || {
            format!("`{words}` was not refused but ended with {code:?}:\n{text}")
        })
    }

    /// Runs a command of the owning folder to its end.
    pub(crate) fn finish(&mut self, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let (code, text) = self.tried.finish(From::Here, arguments, LIMIT * 2)?;
        self.note(&format!("ended with {code:?}: {}", arguments.join(" ")))?;
        self.attend()?;
        Ok((code, text))
    }

    /// The lives that there are by what their programs wrote down, and that have not ended.
    pub(crate) fn alive(&self) -> Result<Vec<Line>> {
        let books = books::lives(&self.tried.place.join("lives"))?;
        let last = books.into_values().filter_map(|book| book.into_iter().rfind(|line| line.what == "start"));
        Ok(last.filter(|line| machine::lives(line.pid, line.start)).collect())
    }

    /// Notes that these lives end by what the soak does now.
    pub(crate) fn lose(&mut self, lives: &[(String, u64)]) {
        let lost = lives.iter().map(|(agent, generation)| Loss { agent: agent.clone(), generation: *generation, at: now() });
        self.losses.extend(lost);
    }

    pub(crate) fn note(&mut self, what: &str) -> Result<()> {
        let at = jiff::Timestamp::now();
        Ok(writeln!(self.log, "{at:.3} step {:4} after {:7.2}s  {what}", self.step, self.began.elapsed().as_secs_f64())?)
    }

    pub(crate) fn count(&mut self, what: &str) {
        *self.figures.entry(what.to_owned()).or_default() += 1;
    }

    /// Says how it went.
    fn report(&mut self, args: &Run, result: Result<()>) -> Result<ExitCode> {
        let mut out = std::io::stdout();
        let place = &self.tried.place;
        let books = books::lives(&place.join("lives"))?;
        let of = |what: &str| books.values().flatten().filter(|line| line.what == what).count();
        let told = books::told(&place.join("told.jsonl"))?;
        writeln!(out, "seed {}, {} steps in {:.0} s", args.seed, self.step, self.began.elapsed().as_secs_f64())?;
        for (what, count) in &self.figures {
            writeln!(out, "{count:7}  {what}")?;
        }
        let figures = [("lives", of("start")), ("lines typed", of("text")), ("notes read", of("note")), ("notices", told.len())];
        for (what, count) in figures {
            writeln!(out, "{count:7}  {what}")?;
        }
        if !self.small_disk {
            writeln!(out, "not tried: a full disk; nothing can be mounted here")?;
        }
        if !self.namespaces {
            writeln!(out, "not tried: looks from another pid namespace; none can be made here")?;
        }
        let Err(error) = result else {
            writeln!(out, "all laws held")?;
            return Ok(ExitCode::SUCCESS);
        };
        writeln!(out, "\nseed {}, step {}: {error:#}\n", args.seed, self.step)?;
        let tail = |name: &str, count: usize| {
            let text = commands::read(&place.join(name));
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(count)..].join("\n")
        };
        writeln!(out, "what was done last:\n{}\n", tail("soak.log", 25))?;
        writeln!(out, "the journal:\n{}\n", tail(&format!("small/state/{}/journal.jsonl", self.fleet), 40))?;
        let status = self.tried.finish(From::Here, &["status"], LIMIT).map_or_else(|error| error.to_string(), |(_, text)| text);
        writeln!(out, "the status:\n{status}")?;
        self.end_all()?;
        Ok(ExitCode::FAILURE)
    }

    /// Ends everything of this run, where no namespace does.
    fn end_all(&self) -> Result<()> {
        let own = process::ancestors(std::process::id());
        for pid in machine::naming(&self.tried.place.display().to_string()).into_iter().filter(|pid| *pid != 1 && !own.contains(pid)) {
            if let Some(process) = ProcId::of(pid)? {
                process::signal(&process, Signal::KILL)?;
            }
        }
        Ok(())
    }
}
