//! Where a test lets the program die, or the disk be full: before any change of the disk. Does nothing outside of tests.

/// One step towards a change of the disk. An error only where a test wants the program to die; from there on, every step fails.
#[cfg(not(test))]
pub(super) fn step() -> std::io::Result<()> {
    Ok(())
}

/// An error only where a test wants the disk to be full: for what needs room and is no step.
#[cfg(not(test))]
pub(super) fn room() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use plan::{room, step};

#[cfg(test)]
pub(crate) use plan::{at, full, make_room};

#[cfg(test)]
mod plan {
    use std::cell::{Cell, RefCell};
    use std::io;

    use rustix::io::Errno;

    struct Plan {
        steps_left: usize,
        died: bool,
        watch: Box<dyn FnMut()>,
    }

    thread_local! {
        static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
        static FULL: Cell<Option<Errno>> = const { Cell::new(None) };
    }

    /// Does some work while nothing can be written, for this reason.
    pub(crate) fn full<T>(why: Errno, work: impl FnOnce() -> T) -> T {
        FULL.set(Some(why));
        let outcome = work();
        FULL.set(None);
        outcome
    }

    /// Lets there be room again, in the middle of such work.
    pub(crate) fn make_room() {
        FULL.set(None);
    }

    pub(in super::super) fn room() -> io::Result<()> {
        FULL.get().map_or(Ok(()), |why| Err(why.into()))
    }

    /// Lets the program die after `steps`, and others act before each step. Says what came of it, and whether the program died.
    pub(crate) fn at<T>(steps: usize, watch: impl FnMut() + 'static, work: impl FnOnce() -> T) -> (T, bool) {
        PLAN.set(Some(Plan { steps_left: steps, died: false, watch: Box::new(watch) }));
        let outcome = work();
        let mut plan = PLAN.take().expect("it was set above, and a step gives it back");
        (plan.watch)();
        (outcome, plan.died)
    }

    pub(in super::super) fn step() -> io::Result<()> {
        room()?;
        // Taken out meanwhile, so that what the watch does is no step.
        let Some(mut plan) = PLAN.take() else { return Ok(()) };
        if !plan.died {
            (plan.watch)();
        }
        plan.died |= plan.steps_left == 0;
        plan.steps_left = plan.steps_left.saturating_sub(1);
        let died = plan.died;
        PLAN.set(Some(plan));
        if died { Err(io::Error::other("the program died here")) } else { Ok(()) }
    }
}
