//! An agent program: it writes down each life, each text and each note into a file outside of the state folder, in one write each, so that it can
//! be killed at any moment.

use std::fs::File;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::FdFlags;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{books, commands, machine};

/// How often it looks into its inbox, and whether a signal came.
const BEAT: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where it writes down what happens
    #[arg(long)]
    books: PathBuf,
    /// Another number is another launch
    #[arg(long, default_value_t = 0)]
    edition: u32,
    /// It takes no notice of being asked to end
    #[arg(long)]
    stubborn: bool,
    /// It has a process below it, in a session of its own
    #[arg(long)]
    helper: bool,
}

/// The file of an agent's lives, appended to in whole lines.
struct Book {
    file: File,
    life: Value,
}

impl Book {
    fn write(&mut self, what: &str, text: &str) -> Result<()> {
        let mut line = self.life.clone();
        let fields = [("at", json!(books::now())), ("what", json!(what)), ("text", json!(text))];
        for (name, value) in fields {
            line[name] = value;
        }
        self.file.write_all(format!("{line}\n").as_bytes()).context("the book could not be written")
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let (name, generation, inbox) = (variable("RECONCILE_AGENT")?, variable("RECONCILE_GENERATION")?, variable("RECONCILE_INBOX")?);
    let generation: u64 = generation.parse()?;
    let open = |path: PathBuf| File::options().create(true).append(true).open(path);
    let pid = std::process::id();
    let life = json!({ "agent": name, "generation": generation, "pid": pid, "start": machine::start_time(pid) });
    let mut book = Book { file: open(args.books.join("lives").join(format!("{name}.jsonl")))?, life };
    let one = open(args.books.join("one").join(&name))?;
    if flock(&one, FlockOperation::NonBlockingLockExclusive).is_err() {
        book.write("twice", "")?;
        return Ok(ExitCode::from(98));
    }
    // Whatever descends from it holds it too.
    rustix::io::fcntl_setfd(&one, FdFlags::empty())?;
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register_usize(number, Arc::clone(&signal), usize::try_from(number)?)?;
    }
    book.write("start", &format!("edition {}", args.edition))?;
    if args.helper {
        commands::clean("setsid").args(["sleep", "100000"]).env("RECONCILE", variable("RECONCILE")?).stdin(Stdio::null()).spawn()?;
    }
    let mut reader = Book { file: book.file.try_clone()?, life: book.life.clone() };
    let what = if std::io::stdin().is_terminal() { "text" } else { "stdin" };
    std::thread::Builder::new().spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = reader.write(what, &line);
        }
    })?;
    writeln!(std::io::stdout(), "life {generation} is ready")?;
    let read = args.books.join("small/read").join(&name);
    std::fs::create_dir_all(&read)?;
    loop {
        std::thread::sleep(BEAT);
        take_notes(Path::new(&inbox), &read, &mut book)?;
        let number = signal.swap(0, Ordering::Relaxed);
        if number != 0 && !args.stubborn {
            book.write("end", &format!("signal {number}"))?;
            // Where nobody asked for its end, such as when its terminal is gone, it is to be started again.
            return Ok(ExitCode::FAILURE);
        }
    }
}

/// Takes each note out of the inbox in one step, and then writes down that it did.
fn take_notes(inbox: &Path, read: &Path, book: &mut Book) -> Result<()> {
    for entry in std::fs::read_dir(inbox).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().ends_with(".json") || name.to_string_lossy().starts_with('.') {
            continue;
        }
        let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
        if std::fs::rename(entry.path(), read.join(&name)).is_ok() {
            let note: Value = serde_json::from_str(&content).unwrap_or_default();
            book.write("note", note["text"].as_str().unwrap_or(&content))?;
        }
    }
    Ok(())
}
