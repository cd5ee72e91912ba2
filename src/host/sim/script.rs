//! What is written down beforehand for a simulated machine: how agents behave, what happens by itself and what goes wrong.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use super::{Sim, Terminal};
use crate::desired::AgentName;
use crate::observed::Exit;
use crate::time::Duration;

/// How the instances of an agent behave.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// How long it lives by itself, and how it ends then; for ever without it.
    pub life: Option<(Duration, Exit)>,
    /// After how long every probe is answered with yes.
    pub ready_after: Duration,
    /// After how long it hangs: every probe is answered with no from then on, and its heart beats no more. Never without it.
    pub hangs_after: Option<Duration>,
    /// How long it takes to end after a drain step; it takes no notice without it.
    pub obeys: Option<Duration>,
    /// How long its tree takes to be gone after a kill.
    pub dies_after: Duration,
    /// What its terminal shows at the start, and how it takes what is typed.
    pub terminal: Terminal,
}

impl Default for Behaviour {
    /// Lives for ever, gets ready at once and ends at once when asked.
    fn default() -> Self {
        Self {
            life: None,
            ready_after: Duration::ZERO,
            hangs_after: None,
            obeys: Some(Duration::ZERO),
            dies_after: Duration::ZERO,
            terminal: Terminal::default(),
        }
    }
}

/// What happens to the living instance of an agent by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Accident {
    /// It ends.
    End(AgentName, Exit),
    /// It hangs: every probe is answered with no, its heart beats no more, and it obeys nothing but a kill.
    Hang(AgentName),
    /// Everything in tmux ends, and nobody sees how.
    ServerEnds,
    /// Its keeper is killed, and its program runs on.
    KeeperDies(AgentName),
    /// A folder or a program is gone; what runs runs on.
    Vanishes(PathBuf),
    /// It is there again.
    Returns(PathBuf),
    /// Somebody else acts.
    Other(Interlude),
}

/// The pid namespace of those who are in none of their own.
pub const NATIVE: u64 = 1;

/// Who looks at the machine and acts on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Viewer {
    /// The fleet's state folder that it works with: what it starts belongs to that folder. Without it, all viewers are one.
    pub folder: Option<PathBuf>,
    /// The pid namespace in which it is. It sees the processes of its own.
    pub namespace: u64,
}

/// What happens at a call of the host, between what is before it and what comes after it.
#[derive(Clone)]
pub struct Interlude(Rc<RefCell<Happening>>);

type Happening = dyn FnMut(&mut Sim);

impl Interlude {
    /// This happens.
    pub fn new(what: impl FnMut(&mut Sim) + 'static) -> Self {
        Self(Rc::new(RefCell::new(what)))
    }

    pub(super) fn happen(&self, sim: &mut Sim) {
        // What acts already at this moment does not begin once more.
        if let Ok(mut act) = self.0.try_borrow_mut() {
            act(sim);
        }
    }
}

impl PartialEq for Interlude {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Interlude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interlude")
    }
}

/// What goes wrong, by the number of the host call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Looks that see nothing of the tmux server.
    pub blind: BTreeSet<u64>,
    /// Acts that fail and do nothing.
    pub failing: BTreeSet<u64>,
    /// Acts that are done, but of which the answer is lost.
    pub unanswered: BTreeSet<u64>,
    /// The call at which the tool is killed; [`Crash`](super::Crash) is thrown.
    pub crash_at: Option<u64>,
}
