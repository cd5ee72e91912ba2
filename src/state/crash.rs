//! Where a test lets the program die: before any change of the disk. Does nothing outside of tests.

/// One step towards a change of the disk. An error only where a test wants the program to die; from there on, every step fails.
#[cfg(not(test))]
pub(super) fn step() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use plan::step;

#[cfg(test)]
pub(crate) use plan::at;

#[cfg(test)]
mod plan {
    use std::cell::RefCell;
    use std::io;

    struct Plan {
        steps_left: usize,
        died: bool,
        watch: Box<dyn FnMut()>,
    }

    thread_local! {
        static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
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
