//! The tmux servers of a look: which are asked, how long an answer is waited for, and what each answers. One client call for each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Looking;
use crate::desired::Server;
use crate::host::Gap;
use crate::host::live::Live;
use crate::host::tmux::{Detail, Door, Layout, Listing, PATIENCE, ServerAt, Trouble, knock, listing, socket_path, wait_for_end};
use crate::observed::{Instance, Seat};

/// How long the end of a server is waited for that gave no answer.
const ENDING: Duration = Duration::from_millis(200);

/// A tmux server as this look finds it.
#[derive(Debug)]
pub(in crate::host) enum View {
    /// There is none.
    Absent,
    /// It could not be read.
    Unreadable(String),
    /// It was.
    Listed(ServerAt, Listing),
}

impl View {
    pub(super) fn listed(self) -> Option<Listed> {
        match self {
            Self::Listed(server, listing) => Some(Listed { server, listing, since: Instant::now() }),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

/// How long a listing is good enough to place starts by.
const FRESH: Duration = Duration::from_secs(2);

/// The panes of a server as the last look before some starts found them, with their ids.
#[derive(Debug)]
pub(in crate::host) struct Listed {
    server: ServerAt,
    pub(in crate::host) listing: Listing,
    since: Instant,
}

impl Listed {
    /// Whether it is of this server, and of just now.
    pub(in crate::host) fn holds(&self, server: &ServerAt) -> bool {
        self.server.id == server.id && self.since.elapsed() < FRESH
    }
}

/// The servers that gave no answer when they were asked last, and when they had the whole time for it.
#[derive(Debug, Default)]
pub(in crate::host) struct Silent(BTreeMap<PathBuf, Instant>);

/// How long such a server is waited for: everybody else waits with it.
const BRIEFLY: Duration = Duration::from_millis(500);

/// How often such a server has the whole time all the same: it may be slow.
const NOW_AND_THEN: Duration = Duration::from_secs(60);

impl Silent {
    fn patience(&self, socket: &Path) -> Duration {
        let had_time = self.0.get(socket).is_some_and(|at| at.elapsed() < NOW_AND_THEN);
        if had_time { BRIEFLY } else { PATIENCE }
    }

    fn hear(&mut self, socket: &Path, view: &View) {
        match view {
            View::Absent | View::Listed(..) => drop(self.0.remove(socket)),
            View::Unreadable(_) if self.patience(socket) == BRIEFLY => {}
            View::Unreadable(_) => drop(self.0.insert(socket.to_owned(), Instant::now())),
        }
    }
}

/// Asks the server that the next look needs, so that it answers while other things are read.
pub(in crate::host) fn expect(live: &mut Live, server: &Server) {
    if let Ok(path) = socket_path(&server.socket, live.tmpdir.as_deref()) {
        let asked = Asked::at(&path, Detail::Look, live.silent.patience(&path));
        live.asked = Some((path, asked));
    }
}

impl Looking<'_> {
    /// Starts one client for each server that may have instances.
    pub(super) fn ask_servers(&mut self) -> BTreeMap<PathBuf, Asked> {
        if self.ask.closely {
            return BTreeMap::new();
        }
        let mut sockets: BTreeSet<PathBuf> = self.ask.sockets.iter().cloned().collect();
        for known in &self.ask.known {
            if let Some(Instance { seat: Seat::Pane { socket, .. }, .. }) = &known.instance
                && !sockets.contains(socket)
            {
                sockets.insert(socket.clone());
            }
        }
        if let Some(server) = self.ask.server {
            match socket_path(&server.socket, self.live.tmpdir.as_deref()) {
                Ok(path) => drop(sockets.insert(path)),
                Err(why) => self.look.gaps.push(Gap::Server(PathBuf::from(&server.socket.0), why)),
            }
        }
        let detail = self.detail;
        let mut early = self.live.asked.take();
        let silent = &self.live.silent;
        let mut asked = |path: &PathBuf| match early.take_if(|(at, _)| at == path) {
            // What stands in the way of starts can be told without ids; for the starts themselves there is another listing then.
            Some((_, asked)) => asked,
            None => Asked::at(path, detail, silent.patience(path)),
        };
        sockets.into_iter().map(|path| (path.clone(), asked(&path))).collect()
    }

    /// What each of them answers.
    pub(super) fn hear_servers(&mut self, asked: BTreeMap<PathBuf, Asked>) -> BTreeMap<PathBuf, View> {
        let mut views = BTreeMap::new();
        for (socket, asked) in asked {
            let view = asked.heard();
            self.live.silent.hear(&socket, &view);
            match &view {
                View::Absent => {}
                View::Unreadable(why) => self.look.gaps.push(Gap::Server(socket.clone(), why.clone())),
                View::Listed(server, _) => drop(self.live.servers.insert(socket.clone(), server.id.clone())),
            }
            views.insert(socket, view);
        }
        views
    }
}

/// A server that was asked and has not answered yet.
#[derive(Debug)]
pub(in crate::host) enum Asked {
    Nobody,
    Unreadable(String),
    Answering(ServerAt, Box<Result<Layout, Trouble>>),
}

impl Asked {
    fn at(path: &Path, detail: Detail, patience: Duration) -> Self {
        match knock(path) {
            Door::Nobody => Self::Nobody,
            Door::Unreadable(why) => Self::Unreadable(why),
            Door::Open(server) => {
                let layout = listing(&server, detail, patience);
                Self::Answering(server, Box::new(layout))
            }
        }
    }

    fn heard(self) -> View {
        match self {
            Self::Nobody => View::Absent,
            Self::Unreadable(why) => View::Unreadable(why),
            Self::Answering(server, layout) => match layout.and_then(Layout::finish) {
                Ok(listing) => View::Listed(server, listing),
                // What a client says is no evidence of a server's end: the socket is. One that is just ending may still hold it.
                Err(trouble) => {
                    if trouble != Trouble::Timeout {
                        wait_for_end(&server.id, ENDING);
                    }
                    match knock(&server.socket) {
                        Door::Nobody => View::Absent,
                        Door::Open(_) | Door::Unreadable(_) => View::Unreadable(trouble.to_string()),
                    }
                }
            },
        }
    }
}
