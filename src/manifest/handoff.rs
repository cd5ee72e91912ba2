//! How notes reach one copy of an agent.

use super::context::Fields;
use super::file::{self, Runtime};
use super::probe;
use super::read::At;
use crate::desired::{self, Channel, Handoff};

/// Reads the table. What is wrong is reported.
pub(crate) fn handoff(written: &At<file::Handoff<'_>>, runtime: Runtime, fields: &Fields<'_>) -> Handoff {
    let file::Handoff { source, inbox, archive, from, deliver, keep, max_size, expires, ack, require, crash_note } = &written.value;
    let report = fields.context.report;
    let default = Handoff::default();
    let deliver = deliver.as_ref().map_or(default.deliver, |channels| {
        if channels.value.is_empty() {
            report.error(channels.spot, "a note arrives in some way: [\"inbox\"], [\"paste\"] or both", None);
        }
        if runtime == Runtime::Daemon && !channels.spot.defaults && channels.value.iter().any(|channel| channel.value == Channel::Paste) {
            let hint = Some("a daemon has no terminal: deliver into its inbox".to_owned());
            report.error(channels.spot, "`paste` makes no sense for a daemon", hint);
        }
        let fits = |channel: &Channel| runtime == Runtime::Tmux || *channel == Channel::Inbox;
        channels.value.iter().map(|channel| channel.value).filter(fits).collect()
    });
    if let Some(size) = max_size.filter(|size| size.value.0.0 == 0) {
        report.error(size.spot, "a note needs some room: `max_size` is larger than 0", None);
    }
    if let Some(size) = max_size.filter(|size| deliver.contains(&Channel::Paste) && size.value.0.0 > desired::MOST_TYPED) {
        report.error(
            size.spot,
            "a text of more than 1 MiB is not typed",
            Some("deliver it into the inbox only, or set a smaller `max_size`".to_owned()),
        );
    }
    if let Some(from) = from.filter(|from| !desired::is_name(from.value)) {
        // It becomes a part of the names of envelopes.
        report.error(from.spot, format!("`{}` cannot be who a note is from: it is written like a name", from.value.escape_debug()), None);
    }
    Handoff {
        source: source.map(|file| fields.file(file)),
        inbox: inbox.map(|folder| fields.path(folder)),
        archive: archive.map(|folder| fields.path(folder)),
        from: from.map(|from| from.value.to_owned()),
        deliver,
        keep: keep.unwrap_or(default.keep),
        max_size: max_size.map_or(default.max_size, |size| size.value.0.0),
        expires: expires.map(|age| age.value),
        ack: ack.as_ref().map(|ack| {
            if !probe::has_probe(&ack.value) {
                let hint = Some("write one such as { file = \"run/read\" }".to_owned());
                report.error_unless_inside(ack.spot, "`ack` needs a probe", hint);
            }
            probe::ready(ack, desired::Ready { owner: desired::Owner::Any, ..Default::default() }, runtime, fields)
        }),
        require: require.unwrap_or(default.require),
        crash_note: crash_note.unwrap_or(default.crash_note),
    }
}
