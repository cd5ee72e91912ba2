//! Heartbeats: when a file was changed last.

use std::path::Path;

use super::Answer;
use crate::time::{Duration, Timestamp};

/// The clock of files stands still for so long: a change may seem to be older than it is.
const TICK: Duration = Duration::from_millis(10);

/// When a file was changed last; none if it is not there. Errors if it could not be looked at.
pub(super) fn beat(file: &Path) -> Result<Option<Timestamp>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    match std::fs::metadata(file).and_then(|facts| facts.modified()) {
        Ok(time) => {
            let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Ok(Some(Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)) + TICK))
        }
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Whether a file was changed in the life that began then, and not longer ago than `max_age`.
pub(super) fn fresh(file: &Path, max_age: Duration, since: Option<Timestamp>, now: Timestamp) -> Answer {
    let Some(since) = since else { return Answer::Unknown("since when it lives is not known".to_owned()) };
    match beat(file) {
        Ok(Some(last)) if last < since => Answer::No(format!("{} was not touched since it was started", file.display())),
        Ok(Some(last)) if now.since(last) > max_age => {
            Answer::No(format!("{} was not touched for {}", file.display(), now.since(last).rough()))
        }
        Ok(Some(_)) => Answer::Yes,
        Ok(None) => Answer::No(format!("{} is not there", file.display())),
        Err(why) => Answer::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_counts_if_it_is_of_this_life_and_not_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("beat");
        let minute = Duration::from_secs(60);
        let now = super::super::live::now();
        assert!(matches!(fresh(&file, minute, Some(now), now), Answer::No(_)));
        std::fs::write(&file, "").unwrap();
        let last = beat(&file).unwrap().unwrap();
        assert_eq!(fresh(&file, minute, Some(now), now), Answer::Yes);
        assert_eq!(fresh(&file, minute, Some(now), last + minute), Answer::Yes);
        assert!(matches!(fresh(&file, minute, Some(now), last + minute + Duration::from_millis(1)), Answer::No(_)));
        // Of the life before.
        assert!(matches!(fresh(&file, minute, Some(last + Duration::from_millis(1)), last + minute), Answer::No(_)));
        assert!(matches!(fresh(&file, minute, None, now), Answer::Unknown(_)));
    }
}
