//! When a dialog that was answered counts as answered.

use crate::event::What;
use crate::observed::{Activity, Answering, Question, Sighting};
use crate::state::Record;
use crate::time::Timestamp;

/// A dialog that is gone after it was answered counts as answered.
pub(super) fn learn(record: &mut Record, sighting: &Sighting, tell: &mut impl FnMut(What, String), now: Timestamp) -> bool {
    let Some(answering) = &record.answering else { return false };
    match &sighting.screen.activity {
        // The answer takes effect, and until it did the dialog may be drawn once more.
        Activity::Starting if answering.answers > 0 => {
            record.answering = Some(Answering { at: now, ..answering.clone() });
            return true;
        }
        // It is being redrawn: that says nothing yet.
        Activity::Starting | Activity::Unclear => return false,
        Activity::Unwatched
        | Activity::Idle
        | Activity::Draft
        | Activity::Busy
        | Activity::Asks(_)
        | Activity::Permission
        | Activity::Login
        | Activity::Limit { .. }
        | Activity::Exhausted
        | Activity::Crashed => {}
    }
    let asks = |dialog: &String| matches!(&sighting.screen.activity, Activity::Asks(Question { name: Some(name), .. }) if name == dialog);
    if asks(&answering.dialog) {
        return false;
    }
    if answering.answers > 0 {
        tell(What::Answered, answering.dialog.clone());
        *record.answered.entry(answering.dialog.clone()).or_default() += 1;
    }
    record.answering = None;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Screen;

    #[test]
    fn a_dialog_counts_as_answered_when_something_else_is_shown() {
        let now = Timestamp::from_millis(10_000);
        let asks = |name: &str| Activity::Asks(Question { name: Some(name.to_owned()), next: Err(String::new()) });
        // What is shown then, whether the dialog counts as answered, and from when on it has time to go.
        for (activity, counts, at) in [
            (asks("trust"), false, Some(5_000)),
            (Activity::Unclear, false, Some(5_000)),
            (Activity::Starting, false, Some(10_000)),
            (Activity::Idle, true, None),
            (Activity::Busy, true, None),
            (asks("bypass"), true, None),
        ] {
            let begun = Answering {
                dialog: "trust".to_owned(),
                at: Timestamp::from_millis(5_000),
                presses: 1,
                answers: 1,
                row: None,
                doubled: false,
            };
            let mut record = Record { answering: Some(begun), ..Record::new("a".parse().unwrap()) };
            let sighting = Sighting { screen: Screen { activity: activity.clone(), ..Screen::default() }, ..Sighting::default() };
            let mut told = Vec::new();
            learn(&mut record, &sighting, &mut |what, _| told.push(what), now);
            assert_eq!(record.answered.contains_key("trust"), counts, "{activity:?}");
            assert_eq!(told, if counts { vec![What::Answered] } else { vec![] }, "{activity:?}");
            assert_eq!(record.answering.map(|begun| begun.at.as_millis()), at, "{activity:?}");
        }
    }
}
