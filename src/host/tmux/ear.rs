//! What a tmux server says by itself, while somebody waits for it: that a client detaches, that a session comes or goes.
//!
//! Told to a control client that is attached to no session: nobody counts it as a person, no session has its size from it, and it ends with this
//! process, whose end of a pipe it reads. It waits on a channel that nobody signals, as a client without a command or a session ends at once.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::minimal_environment;
use super::socket::{Door, ServerAt, knock};
use crate::host::news::Bell;

/// After a client has ended by itself, the next one waits for so long: what it ended of may last.
const RETRY: Duration = Duration::from_secs(60);

/// What is listened to.
#[derive(Debug, Default)]
pub(in crate::host) struct Ear {
    client: Option<Client>,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Client {
    child: Child,
    server: ServerAt,
}

impl Ear {
    /// Listens to the server at `socket` from here on, or to none; says whether it does. What has happened before it could listen is unknown: as
    /// soon as it can, the bell rings too.
    pub(in crate::host) fn turn_to(&mut self, socket: Option<&Path>, bell: &Bell) -> bool {
        let Some(Door::Open(server)) = socket.map(knock) else {
            self.client = None;
            return false;
        };
        if self.client.as_mut().is_some_and(|client| !client.lives()) {
            self.client = None;
            self.not_before = Some(Instant::now() + RETRY);
        }
        if self.client.as_ref().is_some_and(|client| client.server == server) {
            return true;
        }
        self.client = None;
        if self.not_before.is_some_and(|time| Instant::now() < time) {
            return false;
        }
        self.client = Client::start(server, bell.clone()).ok();
        self.client.is_some()
    }
}

impl Client {
    fn start(server: ServerAt, bell: Bell) -> std::io::Result<Self> {
        let mut command = Command::new(&server.binary);
        let channel = format!("reconcile-{}", std::process::id());
        let words = ["-C", "wait-for", &channel].map(OsString::from);
        command.arg("-u").arg("-S").arg(&server.socket).args(words);
        command.env_clear().envs(minimal_environment());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let said = child.stdout.take().expect("it was asked for above");
        let client = Self { child, server };
        // Ends with the client, and that is news too.
        std::thread::Builder::new().name("ear".to_owned()).spawn(move || {
            let lines = BufReader::new(said).lines().map_while(Result::ok);
            lines.filter(|line| is_news(line)).for_each(|_| bell.ring());
            bell.ring();
        })?;
        Ok(client)
    }

    fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a line says that something may be otherwise than it was. Its first line says that it listens.
fn is_news(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    matches!(word, "%begin" | "%client-detached" | "%sessions-changed")
}
