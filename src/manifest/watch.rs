//! `[watch]` and `[[notify]]`.

use super::context::Fields;
use super::file::{Notify, Watch};
use super::read::At;
use crate::desired::{Notice, NoticeChannel as Channel, Watching};
use crate::time::Duration;

/// A watcher that looks more often than this would keep the machine busy.
const SHORTEST: Duration = Duration::from_secs(1);

/// How a watcher goes about its work. What is wrong is reported.
pub(crate) fn watching(written: Option<&Watch>, fields: &Fields<'_>) -> Watching {
    let usual = Watching::default();
    let Some(Watch { auto, resync }) = written else { return usual };
    if let Some(resync) = resync.filter(|resync| resync.value < SHORTEST) {
        let hint = Some("events wake a watcher at once; this is only the net behind them".to_owned());
        fields.context.report.error(resync.spot, format!("`resync` is at least \"{SHORTEST}\""), hint);
    }
    Watching { auto: auto.unwrap_or(usual.auto), resync: resync.map_or(usual.resync, |resync| resync.value) }
}

/// Who hears about what. What is wrong is reported.
pub(crate) fn notices(written: &[At<Notify<'_>>], fields: &Fields<'_>) -> Vec<Notice> {
    written.iter().filter_map(|notice| one(notice, fields)).collect()
}

fn one(written: &At<Notify<'_>>, fields: &Fields<'_>) -> Option<Notice> {
    let Notify { on, command, file } = &written.value;
    let report = fields.context.report;
    let on = match on {
        Some(on) if on.value.is_empty() => {
            report.error(on.spot, "nobody would ever hear of anything", Some("name what it is about, such as \"crash\"".to_owned()));
            return None;
        }
        Some(on) => on.value.iter().copied().collect(),
        None => {
            report.error_unless_inside(written.spot, "`on` says about what, and is missing", Some("add: on = [\"crash\"]".to_owned()));
            return None;
        }
    };
    let to = match (command, file) {
        (Some(command), None) => Channel::Command { argv: fields.argv(command), cwd: fields.context.folder_of(written.spot).into() },
        (None, Some(file)) => Channel::File(fields.file(*file)),
        (Some(_), Some(_)) => {
            report.error(written.spot, "`command` and `file` exclude each other", Some("write two tables".to_owned()));
            return None;
        }
        (None, None) => {
            let hint = Some("add a `command` or a `file`".to_owned());
            report.error_unless_inside(written.spot, "nobody is named who would hear of it", hint);
            return None;
        }
    };
    Some(Notice { on, to })
}
