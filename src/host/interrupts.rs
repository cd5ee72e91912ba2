//! Signals that ask this process to stop, to read its manifest anew or to work now: counted, and readable while something is waited for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use crate::quit::{self, INTERRUPTED};

/// The signals that came so far. Clones share them.
#[derive(Clone, Debug)]
pub struct Interrupts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// A byte for each SIGINT.
    interrupts: UnixStream,
    /// A byte for each of the others.
    others: UnixStream,
    counted: Mutex<u32>,
    terminate: Arc<AtomicBool>,
    reread: Arc<AtomicBool>,
    hurry: Arc<AtomicBool>,
}

impl Interrupts {
    /// Takes the signals over for the rest of this process's life.
    pub fn install() -> io::Result<Self> {
        let pair = || -> io::Result<(UnixStream, UnixStream)> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            theirs.set_nonblocking(true)?;
            Ok((ours, theirs))
        };
        let (interrupts, told) = pair()?;
        // In this order: the first one arms, and only a second one ends the process where it is.
        let armed = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&armed))?;
        signal_hook::flag::register(SIGINT, armed)?;
        signal_hook::low_level::pipe::register(SIGINT, told)?;
        let (others, told) = pair()?;
        let flag = |signal| -> io::Result<Arc<AtomicBool>> {
            let flag = Arc::new(AtomicBool::new(false));
            // First the flag, then the byte: who wakes up finds the flag set.
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, told.try_clone()?)?;
            Ok(flag)
        };
        let (terminate, reread, hurry) = (flag(SIGTERM)?, flag(SIGHUP)?, flag(SIGUSR1)?);
        quit::heeds_itself();
        Ok(Self(Arc::new(Inner { interrupts, others, counted: Mutex::new(0), terminate, reread, hurry })))
    }

    /// How often SIGINT came. A second one ends this process at once, with the exit code of an interrupted one.
    fn count(&self) -> u32 {
        let mut counted = self.0.counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *counted = counted.saturating_add(bytes(&self.0.interrupts));
        *counted
    }

    /// Whether a SIGINT or a SIGTERM came.
    pub fn is_asked_to_stop(&self) -> bool {
        self.count() > 0 || self.0.terminate.load(Ordering::SeqCst)
    }

    /// Whether a SIGHUP came since this was last asked: the manifest is to be read anew.
    pub fn take_reread(&self) -> bool {
        self.0.reread.swap(false, Ordering::SeqCst)
    }

    /// Whether a SIGUSR1 came since this was last asked: a round is to begin now.
    pub fn take_hurry(&self) -> bool {
        self.0.hurry.swap(false, Ordering::SeqCst)
    }

    /// Readable as soon as one came.
    pub(super) fn notices(&self) -> [BorrowedFd<'_>; 2] {
        [self.0.interrupts.as_fd(), self.0.others.as_fd()]
    }

    /// Makes the notices unreadable until the next one comes. What came is still counted.
    pub(super) fn acknowledge(&self) {
        self.count();
        bytes(&self.0.others);
    }
}

/// How many bytes are there, taken out.
fn bytes(mut stream: &UnixStream) -> u32 {
    let mut count: u32 = 0;
    let mut buffer = [0; 64];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return count,
            Ok(more) => count = count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return count,
        }
    }
}
