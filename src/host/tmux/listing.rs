//! All panes and attached people of a server, from one client call, in a form that no stranger's text can break.
//!
//! Every record is framed by a word that nobody outside of this process knows. What is not exactly a record makes the whole answer an
//! error: a pane that could not be read is not a pane that is not there.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::time::Duration;

use super::client::{Client, Output, Running, Trouble};
use super::server::{CONFIG_TROUBLE, OWNER, STARTER};
use super::socket::ServerAt;

/// What was read of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Listing {
    /// Its panes, each once.
    pub(in crate::host) panes: Vec<Pane>,
    /// People attached to each session.
    pub(in crate::host) attached: BTreeMap<String, u32>,
    /// The fleets that made sessions, by the name of the session, whatever is in it by now.
    pub(in crate::host) owners: BTreeMap<String, String>,
    /// What the server says of itself.
    pub(in crate::host) facts: Box<Facts>,
    /// What tells the answer from every other.
    pub(in crate::host) digest: Option<blake3::Hash>,
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Facts {
    /// The fleet that started it; empty if none did.
    pub(in crate::host) starter: String,
    /// Whether it stays when its last session is gone.
    pub(in crate::host) stays_empty: bool,
    /// Whether it ends as soon as no client is attached to it.
    pub(in crate::host) ends_unattached: bool,
    /// What it did not take of the configuration that it was to read.
    pub(in crate::host) config_trouble: String,
}

/// A pane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Pane {
    /// Its id, `%7`.
    pub(in crate::host) id: String,
    /// The process that was started in it; 0 if there is none, as after a start that failed.
    pub(in crate::host) pid: u32,
    /// Whether that has ended.
    pub(in crate::host) dead: bool,
    /// The sessions that show it: the first, and those that share its window.
    pub(in crate::host) sessions: Vec<String>,
    /// The name of its window.
    pub(in crate::host) window: String,
    /// The mark that an adopted one was given.
    pub(in crate::host) adopted: String,
    /// What it was started with, in tmux's quotes.
    pub(in crate::host) command: String,
    /// The process that its output is piped to: none if it is not, 0 where tmux does not name it.
    pub(in crate::host) piped_to: Option<u32>,
    /// The ids of its session and window, `$1` and `@2`; empty unless asked for.
    pub(in crate::host) ids: Option<(String, String)>,
}

/// How much is asked of each pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::host) enum Detail {
    /// What a look needs.
    Look,
    /// And the ids that a placement needs.
    Ids,
}

/// A listing that is on its way.
#[derive(Debug)]
pub(in crate::host) struct Layout {
    running: Running,
    client: Client,
    pid: u32,
}

/// Asks for all panes of a server.
pub(in crate::host) fn listing(server: &ServerAt, detail: Detail, patience: Duration) -> Result<Layout, Trouble> {
    let client = Client::of(server).within(patience);
    let frame = frame();
    let header = format!(
        "{frame}[{frame}server{frame}#{{pid}}{frame}#{{{STARTER}}}{frame}#{{exit-empty}}{frame}#{{exit-unattached}}{frame}#{{{CONFIG_TROUBLE}}}{frame}]"
    );
    let people = format!("{frame}[{frame}client{frame}#{{client_control_mode}}{frame}#{{client_session}}{frame}]");
    let ids = match detail {
        Detail::Look => String::new(),
        Detail::Ids => format!("{frame}#{{session_id}}{frame}#{{window_id}}"),
    };
    let panes = format!(
        "{frame}[{frame}#{{pane_id}}{frame}#{{pane_pid}}{frame}#{{pane_dead}}{frame}#{{session_name}}{frame}#{{window_name}}{frame}#{{@reconcile}}\
         {frame}#{{pane_start_command}}{frame}#{{{OWNER}}}{frame}#{{pane_pipe}}:#{{pane_pipe_pid}}{ids}{frame}]"
    );
    let running =
        client.start(&["display-message", "-p", &header, ";", "list-clients", "-F", &people, ";", "list-panes", "-a", "-F", &panes], "")?;
    Ok(Layout { running, client, pid: server.id.pid })
}

impl Layout {
    /// The answer. Errors when it is not whole or not of the server that was asked.
    pub(in crate::host) fn finish(self) -> Result<Listing, Trouble> {
        let output = self.running.finish()?;
        if !output.success && !is_empty(&self.client, &output)? {
            return Err(Trouble::Broken(format!("list-panes: {}", output.complaint)));
        }
        let listing = parse(&String::from_utf8_lossy(&output.stdout), &frame(), self.pid).map_err(Trouble::Broken)?;
        Ok(Listing { digest: Some(blake3::hash(&output.stdout)), ..listing })
    }

    /// What tells the answer from every other, without reading it.
    pub(in crate::host) fn digest(self) -> Result<blake3::Hash, Trouble> {
        self.running.finish().map(|output| blake3::hash(&output.stdout))
    }
}

/// Whether a listing failed because there is nothing to list: tmux says "no current target" then, and that is not an answer to rely on.
fn is_empty(client: &Client, listing: &Output) -> Result<bool, Trouble> {
    if !listing.complaint.contains("no current") {
        return Ok(false);
    }
    let sessions = client.run(&["list-sessions", "-F", "#{session_id}"])?;
    Ok(sessions.success && sessions.stdout.is_empty())
}

/// A word that stands in no name and on no screen.
pub(in crate::host) fn frame() -> String {
    static FRAME: OnceLock<String> = OnceLock::new();
    FRAME
        .get_or_init(|| {
            let mut bytes = [0; 4];
            // Without random numbers the word is one that could be known, which only a hostile process of our own user would use.
            let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::NONBLOCK);
            format!("|{:08x}|", u32::from_le_bytes(bytes))
        })
        .clone()
}

fn parse(text: &str, frame: &str, server: u32) -> Result<Listing, String> {
    let (begin, end) = (format!("{frame}[{frame}"), format!("{frame}]"));
    let mut listing = Listing::default();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut header = false;
    let mut pieces = text.split(begin.as_str());
    if pieces.next().is_some_and(|before| !before.is_empty()) {
        return Err("something stands before the first record".to_owned());
    }
    for piece in pieces {
        let record = piece.strip_suffix('\n').unwrap_or(piece).strip_suffix(end.as_str());
        let record = record.ok_or_else(|| format!("a record without its end: {}", shown(piece)))?;
        let mut fields = record.split(frame);
        let first = fields.next().unwrap_or_default();
        // One more than any record has: what has too many is none.
        let fields: [Option<&str>; 11] = std::array::from_fn(|_| fields.next());
        match (first, fields) {
            ("server", [Some(pid), Some(starter), Some(exit_empty), Some(exit_unattached), Some(config_trouble), None, ..]) => {
                if pid.parse() != Ok(server) {
                    return Err(format!("another server answered: {}", shown(pid)));
                }
                *listing.facts = Facts {
                    starter: starter.to_owned(),
                    stays_empty: matches!(exit_empty, "0" | "off"),
                    ends_unattached: matches!(exit_unattached, "1" | "on"),
                    config_trouble: config_trouble.to_owned(),
                };
                header = true;
            }
            ("client", [Some(control), Some(session), None, ..]) => {
                if control != "1" && !session.is_empty() {
                    *listing.attached.entry(session.to_owned()).or_default() += 1;
                }
            }
            (
                id,
                [
                    Some(pid),
                    Some(dead),
                    Some(session),
                    Some(window),
                    Some(adopted),
                    Some(command),
                    Some(owner),
                    Some(pipe),
                    session_id,
                    window_id,
                    None,
                ],
            ) => {
                if !owner.is_empty() {
                    listing.owners.insert(session.to_owned(), owner.to_owned());
                }
                if let Some(at) = known.get(id) {
                    let pane: &mut Pane = &mut listing.panes[*at];
                    pane.sessions.push(session.to_owned());
                    continue;
                }
                let is_id = id.strip_prefix('%').is_some_and(|number| number.parse::<u32>().is_ok());
                // A pane in which no process could be started has -1, which says nothing of the others.
                let pid = pid.parse::<i64>().ok().and_then(|pid| u32::try_from(pid.max(0)).ok()).filter(|_| is_id);
                let pid = pid.ok_or_else(|| format!("a record that is not of a pane: {}", shown(record)))?;
                known.insert(id.to_owned(), listing.panes.len());
                listing.panes.push(Pane {
                    id: id.to_owned(),
                    pid,
                    dead: dead == "1",
                    sessions: vec![session.to_owned()],
                    window: window.to_owned(),
                    adopted: adopted.to_owned(),
                    command: command.to_owned(),
                    // Before 3.7, tmux does not say which process it is.
                    piped_to: pipe.strip_prefix("1:").map(|pid| pid.parse().unwrap_or(0)),
                    ids: session_id.zip(window_id).map(|(session, window)| (session.to_owned(), window.to_owned())),
                });
            }
            (_, _) => return Err(format!("a record with other fields: {}", shown(record))),
        }
    }
    if header { Ok(listing) } else { Err("the answer is empty".to_owned()) }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect::<String>().escape_debug().to_string()
}

/// The words of a command as tmux writes it in `#{pane_start_command}`. What cannot be read back is no word of ours.
pub(in crate::host) fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, ' ') => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), letter) if letter == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (None | Some(_), letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const F: &str = "|x|";

    fn pane(fields: &[&str]) -> String {
        format!("{F}[{F}{}{F}]\n", fields.join(F))
    }

    fn server() -> String {
        pane(&["server", "42", "f", "0", "0", ""])
    }

    fn answer(records: &[String]) -> String {
        format!("{}{}", server(), records.concat())
    }

    #[test]
    fn panes_of_shared_windows_count_once_and_people_are_counted_by_session() {
        let text = answer(&[
            pane(&["client", "0", "a"]),
            pane(&["client", "1", "a"]),
            pane(&["client", "0", "b"]),
            pane(&["%1", "7", "0", "a", "w", "", "/x keep v1/f/a/1/00/11 /s", "f", "1:"]),
            pane(&["%1", "7", "0", "b", "w", "", "/x keep v1/f/a/1/00/11 /s", "f", "1:"]),
            pane(&["%2", "8", "1", "odd\nname\t|y|", "w]", "@", "sleep \"1", "", "1:77"]),
        ]);
        let listing = parse(&text, F, 42).unwrap();
        assert_eq!(listing.attached, BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]));
        assert_eq!(listing.panes.len(), 2);
        assert_eq!(listing.owners, BTreeMap::from([("a".to_owned(), "f".to_owned()), ("b".to_owned(), "f".to_owned())]));
        assert_eq!(*listing.facts, Facts { starter: "f".to_owned(), stays_empty: true, ..Facts::default() });
        assert_eq!(listing.panes[0].sessions, ["a", "b"]);
        assert_eq!((listing.panes[1].sessions[0].as_str(), listing.panes[1].dead), ("odd\nname\t|y|", true));
        assert_eq!((listing.panes[0].piped_to, listing.panes[1].piped_to), (Some(0), Some(77)));
        assert_eq!(parse(&answer(&[]), F, 42).unwrap().panes, []);
    }

    #[test]
    fn what_is_not_exactly_an_answer_is_an_error() {
        let whole = answer(&[pane(&["%1", "7", "0", "a", "w", "", "c", "", "0:"])]);
        assert!(parse(&whole, F, 42).is_ok());
        assert!(parse(&whole, F, 43).is_err(), "another server");
        assert!(parse("", F, 42).is_err(), "empty");
        assert!(parse(&format!("warning\n{whole}"), F, 42).is_err());
        for cut in (1..whole.len() - 1).filter(|cut| *cut != server().len() && *cut != server().len() - 1) {
            assert!(parse(&whole[..cut], F, 42).is_err(), "cut at {cut}");
        }
        assert!(parse(&answer(&[pane(&["%1", "x", "0", "a", "w", "", "c", "", "0:"])]), F, 42).is_err());
        assert!(parse(&answer(&[pane(&["1", "7", "0", "a", "w", "", "c", "", "0:"])]), F, 42).is_err());
        assert!(parse(&answer(&[pane(&["%1", "7", "0", "a", "w", ""])]), F, 42).is_err());
        assert!(parse(&answer(&[pane(&["%1", "7", "0", "a", "w", "", "c", "d", "0:", "e", "f", "g"])]), F, 42).is_err());
    }

    #[test]
    fn a_pane_without_a_process_says_nothing_of_the_others() {
        let text = answer(&[pane(&["%1", "-1", "1", "a", "w", "", "c", "", "0:"]), pane(&["%2", "8", "0", "b", "w", "", "c", "", "0:"])]);
        let listing = parse(&text, F, 42).unwrap();
        assert_eq!(listing.panes.iter().map(|pane| (pane.id.as_str(), pane.pid)).collect::<Vec<_>>(), [("%1", 0), ("%2", 8)]);
    }

    #[test]
    fn a_command_is_read_as_tmux_writes_it() {
        assert_eq!(words("/bin/x keep v1/f/a/1/0/1 /s/t"), ["/bin/x", "keep", "v1/f/a/1/0/1", "/s/t"]);
        assert_eq!(words(r#"sh -c "a \"b\" \$c" '' 'd "e"' \#"#), ["sh", "-c", "a \"b\" $c", "", "d \"e\"", "#"]);
        assert_eq!(words(""), Vec::<String>::new());
    }
}
