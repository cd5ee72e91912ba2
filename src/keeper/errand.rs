//! A hook that no keeper runs, because only the tool knows its moment: run by a process of its own, started as `reconcile run-hook ERRAND`, which
//! sees to its time and its tree and belongs to nobody's life.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{getpid, set_child_subreaper, setsid};
use serde::{Deserialize, Serialize};

use super::file;
use super::log::LogFile;
use super::spec::{Spec, Stdio};
use super::{NO_SPEC, attributes, environment, hook, inherited};
use crate::desired::Hook;
use crate::process::MARK_VARIABLE;
use crate::safe_open::{Trust, read_trusted};

/// The word that makes a process the runner of a hook.
const RUN_HOOK: &str = "run-hook";

/// A hook to be run.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    /// Its name.
    pub name: String,
    /// The hook.
    pub hook: Hook,
    /// What the agent would be started with; of it, the environment without secrets, the folder and the log are used.
    pub spec: Spec,
}

/// The words after the executable that make a process the runner of the hook in this file.
pub fn errand_arguments(errand: &Path) -> [OsString; 2] {
    [RUN_HOOK.into(), errand.into()]
}

/// The errand if the calling process was started for one. `main` asks this before anything else.
pub fn errand_asked_for() -> Option<PathBuf> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != RUN_HOOK {
        return None;
    }
    let errand = words.next()?;
    words.next().is_none().then(|| errand.into())
}

/// Runs the hook and returns the exit code: 0 if it did well, else 1, or [`NO_SPEC`].
pub fn run_errand(path: &Path) -> u8 {
    let Ok(Errand { name, hook, spec }) = inherited::close().and_then(|()| Errand::take(path)) else { return NO_SPEC };
    // Without any of these the hook runs all the same; only a part of its tree might outlive it.
    let _ = (setsid(), set_child_subreaper(Some(getpid())), attributes::take_on(&spec));
    let mut log = match &spec.stdio {
        Stdio::Terminal => None,
        Stdio::Detached { log, .. } => log.file.as_deref().and_then(|path| LogFile::beside_its_owner(path).ok()),
    };
    let mut variables = environment::of_hooks(&spec, None);
    // It is no part of the instance, and must not be taken for what that left behind.
    variables.remove(MARK_VARIABLE);
    let entered = std::env::set_current_dir(&spec.cwd).map_err(|error| hook::Failure::Why(format!("was not started: its folder: {error}")));
    let mut print = |bytes: &[u8]| {
        if let Some(log) = &mut log {
            log.write(bytes);
        }
    };
    let ran = entered.and_then(|()| hook::run(&name, &hook, &variables, &spec.label.to_string(), hook::Heed::Nothing, &mut print));
    match ran {
        Ok(()) => 0,
        Err(hook::Failure::Why(why)) => {
            if log.is_some() {
                hook::note(&hook::complaint(&name, &hook, &why), log.as_mut());
            }
            1
        }
        Err(hook::Failure::Asked) => 1,
    }
}

impl Errand {
    /// Writes the file that a runner is started with; mode 0600. Errors if one is there already.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = file::create_new(path)?;
        let written = serde_json::to_vec(self).map_err(io::Error::other).and_then(|text| io::Write::write_all(&mut file, &text));
        if written.is_err() {
            let _ = std::fs::remove_file(path);
        }
        written
    }

    fn take(path: &Path) -> io::Result<Self> {
        let text = read_trusted(path, Trust::Private)?;
        std::fs::remove_file(path)?;
        serde_json::from_slice(&text).map_err(io::Error::from)
    }
}
