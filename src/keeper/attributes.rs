//! What the keeper has of the kernel and passes on to all that it starts: it is what was declared, and not that of the run that started the keeper.

use std::io;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit, umask};

use super::spec::Spec;
use crate::desired::Attributes;

/// Takes on the declared umask and niceness, and a limit of open files that depends on no caller.
///
/// Errors if the limit cannot be set. A niceness that may not be lowered stays as it is: the instance is worth more than its rank.
pub(super) fn take_on(spec: &Spec) -> io::Result<()> {
    if let Some(bits) = spec.umask {
        // Only rights of others are ever taken away, so the keeper's own files stay readable for it.
        umask(Mode::from_raw_mode(bits & 0o077));
    }
    if let Some(nice) = spec.nice
        && getpriority_process(None).is_ok_and(|own| own != nice)
    {
        match setpriority_process(None, nice) {
            Ok(()) | Err(Errno::ACCESS | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if spec.nofile.is_some() {
        limit_files(Some(Attributes::USUAL_FILES))?;
    }
    Ok(())
}

/// Sets the soft limit of open files, never above the hard one, and returns what it was.
pub(super) fn limit_files(wanted: Option<u64>) -> io::Result<Rlimit> {
    let own = getrlimit(Resource::Nofile);
    let Some(wanted) = wanted else { return Ok(own) };
    let current = own.maximum.map_or(wanted, |hard| wanted.min(hard));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: own.maximum })?;
    Ok(own)
}
