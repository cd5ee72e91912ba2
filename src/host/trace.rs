//! What a look found, as far as it can be compared with the machine of a later moment without another look.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Look;
use super::look::View;
use super::tmux::{Detail, Door, PATIENCE, knock, listing};
use crate::process::ProcId;

/// The tmux servers of a look: who listened at each socket, and what tells its answer from every other; none where nobody did.
#[derive(Debug)]
pub(super) struct Trace {
    servers: BTreeMap<PathBuf, Option<(ProcId, blake3::Hash)>>,
    detail: Detail,
}

impl Trace {
    /// That of a look; none if it missed something.
    pub(super) fn of(look: &Look, views: &BTreeMap<PathBuf, View>, detail: Detail) -> Option<Self> {
        if !look.gaps.is_empty() {
            return None;
        }
        let server = |view: &View| match view {
            View::Absent => Some(None),
            View::Unreadable(_) => None,
            View::Listed(server, listing) => Some(Some((server.id.clone(), listing.digest?))),
        };
        let servers = views.iter().map(|(socket, view)| Some((socket.clone(), server(view)?))).collect::<Option<_>>()?;
        Some(Self { servers, detail })
    }

    /// Whether every server is who it was and says what it said.
    pub(super) fn holds(&self) -> bool {
        self.servers.iter().all(|(socket, before)| match (knock(socket), before) {
            (Door::Nobody, None) => true,
            (Door::Open(server), Some((id, digest))) if server.id == *id => {
                listing(&server, self.detail, PATIENCE).and_then(|layout| layout.digest()).is_ok_and(|now| now == *digest)
            }
            (Door::Nobody | Door::Open(_) | Door::Unreadable(_), _) => false,
        })
    }
}
