//! The table of an agent that is about notes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::read::At;
use super::super::words::Size;
use super::Ready;
use crate::desired::Channel;
use crate::time::Duration;

/// How notes reach an agent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { source = \"handoff/lead.md\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Handoff<'a> {
    /// A file that is a note as soon as it is there and not empty: it is delivered, archived and removed.
    #[schemars(length(min = 1))]
    pub(crate) source: Option<At<&'a str>>,
    /// The folder of envelopes. Default: one in the state folder, which the agent finds in `RECONCILE_INBOX`.
    #[schemars(length(min = 1))]
    pub(crate) inbox: Option<At<&'a str>>,
    /// The folder of copies of what was delivered. Default: one in the state folder.
    #[schemars(length(min = 1))]
    pub(crate) archive: Option<At<&'a str>>,
    /// Who the envelopes say they are from. Default: the agent itself.
    #[schemars(with = "Option<crate::schema::Name>")]
    pub(crate) from: Option<At<&'a str>>,
    /// In which ways a note arrives: as an envelope in the inbox, typed into its terminal, or both. Default `["inbox"]`.
    #[schemars(length(min = 1))]
    pub(crate) deliver: Option<At<Vec<At<Channel>>>>,
    /// How many notes the archive keeps. Default 100.
    pub(crate) keep: Option<u32>,
    /// The most that a note may have; a larger one becomes a dead letter. Default `"1MiB"`.
    pub(crate) max_size: Option<At<Size>>,
    /// The age from which a note is delivered no more, and becomes a dead letter. Default: never.
    pub(crate) expires: Option<At<Duration>>,
    /// The probe by which the agent says that it has read a note.
    pub(crate) ack: Option<At<Ready<'a>>>,
    /// Whether a replacement waits until there is a note for the successor. Default false.
    pub(crate) require: Option<bool>,
    /// Whether the successor of one that ended unexpectedly gets a note about that. Default false.
    pub(crate) crash_note: Option<bool>,
}
