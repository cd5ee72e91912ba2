//! The rounds of a watcher, and what wakes it between them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};

use super::Args;
use super::follow::{Follow, Reread};
use super::health::{shown, supervisor_wants, tell_supervisor, tell_what_is_lost};
use super::listener::Listener;
use super::steady::Steady;
use crate::cli::ExitStatus;
use crate::cli::setup::{Global, Setup};
use crate::cli::terminal::Terminal;
use crate::desired::Auto;
use crate::event::{Event, What};
use crate::host::{Host, Interrupts, Live, Wake};
use crate::observed::Observed;
use crate::plan::Plan;
use crate::process::ProcId;
use crate::render;
use crate::state::{Lock, NoLock, WatchStatus};
use crate::time::{Duration, Timestamp};
use crate::watch::{Rest, Turn, Watch};

/// After news of files it is waited for this long for more: an editor takes several steps to write a file.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// But no longer than this.
const LONGEST_DEBOUNCE: Duration = Duration::from_millis(500);

/// The pause before it is tried again to act where somebody else acts just now.
const BUSY: Duration = Duration::from_millis(200);

/// What is in force while the manifest is not valid.
const BROKEN: &str = "the manifest is not valid, and what was declared before stays in force";

/// The first pause after a round that failed; each failure doubles it, up to the time without news after which it looks anyway.
const FAILED: Duration = Duration::from_secs(1);

/// A watcher at work.
pub(super) struct Rounds<'a> {
    follow: Follow<'a>,
    watch: Watch,
    host: Live,
    interrupts: Interrupts,
    listener: Listener,
    /// The lock that it holds for its life; none if it only looks on.
    lock: Option<Lock>,
    flag: Option<Auto>,
    dry_run: bool,
    once: bool,
    metrics: Option<PathBuf>,
    status: WatchStatus,
    failures: u32,
    news: Option<(Timestamp, Timestamp)>,
    /// What the last round that found something new came to.
    last: Option<Came>,
    /// Whether nothing was due after the last round.
    is_at_rest: bool,
    /// The time by which the files are looked at whether or not there was news.
    resync: Timestamp,
    steady: Steady,
}

/// What is waited for.
struct Pause {
    until: Timestamp,
    watched: Arc<[ProcId]>,
}

/// What a round came to, for those after which everything is the same.
struct Came {
    watched: Arc<[ProcId]>,
    summary: String,
    /// Only where it is written for somebody.
    metrics: Option<(Plan, Observed)>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(args: &Args, global: &'a Global, setup: Setup, lock: Option<Lock>, terminal: &Terminal) -> Result<Self> {
        let error = setup.broken.clone();
        setup.fleet.prepare()?;
        let mut host = setup.machine()?;
        let interrupts = Interrupts::install().context("cannot take over the signals")?;
        host.heed(interrupts.clone());
        host.be_watchful();
        let now = host.now();
        let auto = args.auto.unwrap_or(setup.desired.watch.auto);
        let watch = Watch::new(&setup.path, auto, now);
        let listener = Listener::new(terminal, args.json, &setup);
        let follow = Follow::new(global, terminal.err(), setup);
        let status = WatchStatus {
            pid: std::process::id(),
            since: now,
            last_round: None,
            auto,
            rounds: 0,
            round_ms: 0,
            next_round: now,
            manifest_error: error,
            error: None,
            blind: None,
            ended: None,
        };
        let (files, folders) = follow.interest();
        host.attend(&files, &folders);
        let mut rounds = Self {
            follow,
            watch,
            host,
            interrupts,
            listener,
            lock,
            flag: args.auto,
            dry_run: args.dry_run,
            once: args.once,
            metrics: args.metrics.clone(),
            status,
            failures: 0,
            news: None,
            last: None,
            is_at_rest: false,
            resync: now,
            steady: Steady::new(now),
        };
        match rounds.status.manifest_error.clone() {
            None => rounds.keep_in_mind(),
            Some(why) => rounds.tell_of_manifest(format!("{BROKEN}: {why}")),
        }
        // From here on, the end of an earlier one says nothing of this one.
        rounds.write_status(now);
        Ok(rounds)
    }

    /// Rounds until it is to end, and a word of that: without it, it was killed.
    pub(super) fn run(mut self) -> Result<ExitStatus> {
        let outcome = self.go_on();
        let now = self.host.now();
        if self.lock.as_ref().is_none_or(|lock| !lock.is_lost()) {
            self.status.ended = Some(now);
            self.write_status(now);
        }
        outcome
    }

    fn go_on(&mut self) -> Result<ExitStatus> {
        loop {
            let begun = self.host.now();
            let pause = match self.round() {
                Ok(Turn::Done(rest)) => {
                    let Rest { until, watched, plan, observed } = *rest;
                    // What a shadow would do, it will not have done by the next round either.
                    let is_over = self.once && (self.dry_run || !plan.has_acts());
                    let is_at_rest = plan.is_empty();
                    self.tell_of_rest(&plan);
                    self.last = Some(Came {
                        watched: watched.into(),
                        summary: summary(&plan),
                        metrics: self.metrics.is_some().then_some((plan, observed)),
                    });
                    let pause = self.report(until, begun);
                    if is_over {
                        return Ok(if is_at_rest { ExitStatus::Done } else { ExitStatus::NotAtRest });
                    }
                    pause
                }
                Ok(Turn::Still(until)) => self.report(until, begun),
                Ok(Turn::Begun) if self.interrupts.is_asked_to_stop() => return Ok(self.leave()),
                Ok(Turn::Begun) => continue,
                Ok(Turn::Busy(_)) => Pause { until: self.host.now() + BUSY, watched: Arc::default() },
                Ok(Turn::Displaced(other)) => {
                    let path = self.follow.path().display().to_string();
                    let other = other.display();
                    let why = anyhow!("the fleet belongs to {other} now, and no more to {path}: nothing is watched any more");
                    self.listener.error(&why);
                    return Ok(ExitStatus::Refused);
                }
                Err(error) if self.once => return Err(error),
                Err(error) => self.fail(&error),
            };
            self.wait(pause);
            if self.interrupts.is_asked_to_stop() {
                return Ok(self.leave());
            }
        }
    }

    /// Says that nothing is due, each time that this comes true: else nothing tells a fleet at rest from a watcher that does nothing.
    fn tell_of_rest(&mut self, plan: &Plan) {
        let is_at_rest = plan.is_empty();
        if is_at_rest && !self.is_at_rest {
            self.listener.converged(plan.at_rest);
        }
        self.is_at_rest = is_at_rest;
    }

    fn round(&mut self) -> Result<Turn> {
        self.keep_the_lock()?;
        let (desired, fleet) = (&self.follow.setup.desired, &self.follow.setup.fleet);
        if self.dry_run {
            return self.watch.shadow(desired, fleet, &mut self.host, &mut self.listener).map(|rest| Turn::Done(Box::new(rest)));
        }
        self.watch.round(desired, fleet, &mut self.host, &mut self.listener)
    }

    /// Takes the watcher's lock anew if the folder that it was in is not there any more: nobody else would find it.
    fn keep_the_lock(&mut self) -> Result<()> {
        if self.lock.as_ref().is_none_or(|lock| !lock.is_lost()) {
            return Ok(());
        }
        self.follow.setup.fleet.prepare()?;
        match self.follow.setup.fleet.watch_lock() {
            Ok(lock) => self.lock = Some(lock),
            Err(NoLock::Failed(error)) => return Err(error),
            Err(NoLock::Held(_)) => bail!("the state folder was replaced, and another watcher of this fleet is at work in the new one"),
        }
        self.listener.say("The state folder was removed or replaced: the watcher goes on with the one that is there now.\n".to_owned());
        let (files, folders) = self.follow.interest();
        self.host.attend(&files, &folders);
        Ok(())
    }

    /// Waits, and takes note of what ends the wait.
    fn wait(&mut self, pause: Pause) {
        let supervisor = supervisor_wants();
        loop {
            let now = self.host.now();
            if self.steady.is_set_back(now) {
                // What was to come at a time may be due: another look tells.
                (self.news, self.resync) = (None, now + self.follow.desired().watch.resync);
                self.reread(false);
                return;
            }
            let debounced = self.news.map(|(first, last)| (last + DEBOUNCE).min(first + LONGEST_DEBOUNCE));
            if debounced.is_some_and(|at| at <= now) {
                self.news = None;
                self.reread(false);
                return;
            }
            if now >= self.resync {
                self.resync = now + self.follow.desired().watch.resync;
                self.reread(false);
                return;
            }
            let ping = supervisor.map(|interval| now + interval);
            let until = [Some(pause.until), debounced, ping, Some(self.resync)].into_iter().flatten().min().unwrap_or(now);
            match self.host.wait(&pause.watched, until) {
                Wake::Signal => {
                    if self.interrupts.take_reread() {
                        self.watch.renew(self.auto());
                        self.reread(true);
                    }
                    if self.interrupts.take_hurry() {
                        self.watch.renew(self.auto());
                    }
                    return;
                }
                Wake::Death => return,
                Wake::News => {
                    let now = self.host.now();
                    self.news = Some((self.news.map_or(now, |(first, _)| first), now));
                }
                // At the time for it, the files are looked at too.
                Wake::Time if (pause.until..self.resync).contains(&self.host.now()) => return,
                Wake::Time if supervisor.is_some() => tell_supervisor(&self.status, false, "at rest"),
                Wake::Time => {}
            }
        }
    }

    fn auto(&self) -> Auto {
        self.flag.unwrap_or(self.follow.desired().watch.auto)
    }

    /// Reads the manifest anew where that may bring something else, and tells what came of it.
    fn reread(&mut self, in_any_case: bool) {
        let why = match self.follow.reread(in_any_case) {
            Reread::Same => None,
            Reread::Changed => {
                self.status.auto = self.auto();
                self.watch.renew(self.status.auto);
                self.keep_in_mind();
                Some("the manifest has changed".to_owned())
            }
            Reread::Broken { why, shown } => {
                self.listener.say(shown);
                Some(format!("{BROKEN}: {why}"))
            }
            Reread::Mended => Some("the manifest is valid again".to_owned()),
        };
        self.status.manifest_error = self.follow.error.clone();
        let (files, folders) = self.follow.interest();
        self.host.attend(&files, &folders);
        if let Some(why) = why {
            self.tell_of_manifest(why);
        }
        for warning in self.follow.take_warnings() {
            self.tell_of_manifest(format!("warning: {warning}"));
        }
    }

    /// Writes down what is in force, for a watcher that begins while the manifest is not valid.
    fn keep_in_mind(&mut self) {
        let Setup { desired, fleet, .. } = &self.follow.setup;
        if self.dry_run || fleet.in_force().is_ok_and(|before| before.as_ref() == Some(desired)) {
            return;
        }
        if let Err(error) = fleet.write_in_force(desired) {
            self.listener.error(&error);
        }
    }

    fn tell_of_manifest(&mut self, why: String) {
        let event = Event { at: self.host.now(), agent: None, generation: None, what: What::Manifest, reason: None, why };
        if self.dry_run {
            return self.listener.aside(event);
        }
        let (desired, fleet) = (&self.follow.setup.desired, &self.follow.setup.fleet);
        if let Err(error) = self.watch.tell(event, desired, fleet, &mut self.host, &mut self.listener) {
            // The rounds say so too, if it lasts.
            self.listener.error(&error);
        }
    }

    /// A round that failed is tried again, later each time.
    fn fail(&mut self, error: &anyhow::Error) -> Pause {
        let text = format!("{error:#}");
        if self.status.error.as_ref() != Some(&text) {
            self.listener.error(error);
            self.status.error = Some(text);
        }
        self.failures = self.failures.saturating_add(1);
        let pause = FAILED.scaled(f64::from(1_u32 << self.failures.min(10).saturating_sub(1))).min(self.follow.desired().watch.resync);
        let until = self.host.now() + pause;
        self.write_status(until);
        // What cannot be read will not be read at the next death either: only the clock, a signal and news count.
        Pause { until, watched: Arc::default() }
    }

    /// Says how it does after a round that took from `begun` until now, and what is waited for.
    fn report(&mut self, until: Timestamp, begun: Timestamp) -> Pause {
        self.failures = 0;
        self.status.error = tell_what_is_lost(&self.follow.setup.fleet, self.status.error.take(), &mut self.listener);
        let first = self.status.last_round.is_none();
        let now = self.host.now();
        self.status.last_round = Some(begun);
        self.status.rounds += 1;
        self.status.round_ms = now.since(begun).as_millis();
        let until = until.min(self.resync.max(now));
        self.write_status(until);
        let Some(last) = &self.last else { return Pause { until, watched: Arc::default() } };
        tell_supervisor(&self.status, first, &last.summary);
        if let (Some(path), Some((plan, observed))) = (&self.metrics, &last.metrics) {
            let text = render::metrics(self.follow.desired(), observed, plan, &shown(&self.status, begun));
            if let Err(error) = write_metrics(path, &text) {
                self.listener
                    .say(format!("warning: the metrics could not be written to {}: {error}\n", render::plain(&path.to_string_lossy())));
            }
        }
        Pause { until, watched: Arc::clone(&last.watched) }
    }

    fn write_status(&mut self, next_round: Timestamp) {
        self.status.next_round = next_round;
        self.status.blind = self.host.blind();
        // A shadow is no watcher; and what cannot be written is seen to be overdue.
        if !self.dry_run {
            let _ = self.follow.setup.fleet.write_watch_status(&self.status);
        }
    }

    fn leave(&mut self) -> ExitStatus {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        self.host.dismiss();
        self.listener.say("The watcher ends; the agents go on.\n".to_owned());
        ExitStatus::Done
    }
}

fn summary(plan: &Plan) -> String {
    match plan.changes.len() {
        0 => format!("{} at rest", plan.at_rest),
        due => format!("{} at rest, {due} not", plan.at_rest),
    }
}

/// Readers see the old text or the new one.
fn write_metrics(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    // They are made to be read by another user's collector.
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
