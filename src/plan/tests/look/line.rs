//! One line of a look: the words that it may have, and what each says of the sighting.

use super::*;

/// One line of a look.
pub(super) struct Line {
    pub(super) agent: String,
    phase: String,
    /// Words and pairs that say something of the sighting.
    words: BTreeMap<String, String>,
    /// Fields of the manifest as they were.
    pub(super) fields: Vec<(String, String)>,
}

const WORDS: [&str; 67] = [
    "starting",
    "failing",
    "gen",
    "up",
    "ago",
    "attached",
    "record",
    "mark",
    "released",
    "sweeping",
    "spent",
    "elsewhere",
    "remains",
    "secret",
    "code",
    "signal",
    "failed",
    "lost",
    "asked",
    "by",
    "unready",
    "streak",
    "recent",
    "restarts",
    "drain",
    "kill",
    "purpose",
    "wanted",
    "paused",
    "replace_up_to",
    "unknown",
    "cwd_missing",
    "command_missing",
    "place_taken",
    "too_many_panes",
    "unreadable",
    "record_mismatch",
    "screen",
    "says",
    "key",
    "answering",
    "row",
    "stood",
    "doubled",
    "answered",
    "message",
    "typing",
    "late",
    "lines",
    "terminal",
    "suspended",
    "unstarted",
    "composer",
    "shell",
    "excuse",
    "drained",
    "note",
    "untyped",
    "unread",
    "noes",
    "said",
    "silent",
    "memory",
    "proven",
    "consent",
    "fault",
    "log",
];

impl Line {
    pub(super) fn read(line: &str) -> Self {
        let mut parts = split(line).into_iter();
        let agent = parts.next().unwrap();
        let phase = parts.next().unwrap_or_else(|| panic!("`{line}` has no phase"));
        let (phase, why) = phase.split_once('=').map_or((phase.clone(), None), |(phase, why)| (phase.to_owned(), Some(why.to_owned())));
        let mut words: BTreeMap<String, String> = why.into_iter().map(|why| ("unknown".to_owned(), why)).collect();
        let mut fields = Vec::new();
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((&part, ""));
            // `drain=1` is a step, `drain=[…]` a field.
            if WORDS.contains(&key) && !value.starts_with("[{") && value != "[]" {
                words.insert(key.to_owned(), value.to_owned());
            } else {
                assert!(!value.is_empty(), "`{part}` is no word of a look");
                fields.push((key.to_owned(), value.to_owned()));
            }
        }
        Self { agent, phase, words, fields }
    }

    fn has(&self, word: &str) -> bool {
        self.words.contains_key(word)
    }

    fn text(&self, word: &str) -> Option<&str> {
        self.words.get(word).map(|text| text.trim_matches('"'))
    }

    fn number(&self, word: &str) -> Option<u64> {
        self.text(word).map(|text| text.parse().unwrap_or_else(|_| panic!("{word}={text}")))
    }

    pub(super) fn sighting(&self, agent: &AgentName, spec: &AgentSpec) -> Sighting {
        let generation = Generation(self.number("gen").unwrap_or(u64::from(self.phase != "absent")));
        let never = generation == Generation(0);
        let record_is_lost = self.has("record");
        let lives = matches!(self.phase.as_str(), "running" | "leaving");
        Sighting {
            generation,
            spec: (!never && !record_is_lost).then(|| spec.clone()),
            digest: (!never && !self.has("mark")).then(|| canonical_digest(&spec.launch)),
            phase: self.phase(),
            instance: lives.then(|| {
                let instance = instance(agent, generation, 100, &spec.launch.place);
                let program = instance.program.clone().filter(|_| !self.has("unstarted"));
                Instance { program, ..instance }
            }),
            remains: (0..self.number("remains").unwrap_or(0))
                .map(|one| instance(agent, Generation(1), 200 + one as u32, &spec.launch.place))
                .collect(),
            sweeping: self.text("sweeping").map(ago),
            spent: Generation(self.number("spent").unwrap_or(0)),
            elsewhere: self.text("elsewhere").map(PathBuf::from),
            left: Vec::new(),
            complaints: Vec::new(),
            failures: self.failures(),
            wanted: if self.text("wanted") == Some("stopped") { Wish::Stopped } else { Wish::Running },
            paused: self.has("paused").then(|| Pause {
                since: ago("1m"),
                until: self.text("paused").filter(|text| !text.is_empty()).map(|left| NOW + left.parse().unwrap()),
                why: None,
            }),
            replace_up_to: Generation(self.number("replace_up_to").unwrap_or(0)),
            released: self.has("released"),
            attached: self.number("attached").unwrap_or(0) as u32,
            screen: self.screen(),
            log_pipe: self.text("log").map(|log| match log {
                "ours" => LogPipe::Ours,
                "closed" => LogPipe::Closed,
                "taken" => LogPipe::Taken { pid: None },
                other => panic!("log={other}"),
            }),
            drained: self.has("drained"),
            answering: self.text("answering").map(|text| {
                let [dialog, presses, answers, at] = parts(text);
                Answering {
                    dialog,
                    at: ago(&at),
                    presses: presses.parse().unwrap(),
                    answers: answers.parse().unwrap(),
                    row: self.number("stood").map(|row| row as usize),
                    doubled: self.has("doubled"),
                }
            }),
            answered: self.text("answered").map(|dialog| (dialog.to_owned(), 1)).into_iter().collect(),
            messages: self.text("message").map(message).into_iter().collect(),
            typing: self.text("typing").map(|text| {
                let [kind, enters, at] = parts(text);
                let Message { id, kind, body, .. } = message(&kind);
                let submits = matches!(body, Body::Text(_));
                Box::new(Typing {
                    id,
                    kind,
                    at: ago(&at),
                    enters: enters.parse().unwrap(),
                    submits,
                    cursor: Some((3, 7)),
                    tail: "the-end".to_owned(),
                    mode: self.has("lines").then_some(InputMode::Lines),
                    frees: false,
                })
            }),
            received: None,
            unsettled: self.text("late").map(|text| {
                let (at, enters) = text.split_once(':').unwrap_or((text, "0"));
                Box::new(Typing {
                    id: "prompt-1".to_owned(),
                    kind: MessageKind::Prompt,
                    at: ago(at),
                    enters: enters.parse().unwrap(),
                    submits: true,
                    cursor: Some((3, 7)),
                    tail: "the-end".to_owned(),
                    mode: None,
                    frees: false,
                })
            }),
            notes: self.text("note").into_iter().map(note).collect(),
            undelivered: None,
            untyped: self.number("untyped").unwrap_or(0) as usize,
            unread: self.text("unread").map(|text| {
                let [at, said] = parts(text);
                let answer = if said == "yes" { Ok(()) } else { Err(said) };
                Unread { id: "00000000000000aa".to_owned(), since: ago(&at), answer: Some(answer) }
            }),
            vitals: self.vitals(),
            obstacle: self.obstacle(),
            changed_secrets: self.text("secret").into_iter().map(str::to_owned).collect(),
        }
    }

    fn vitals(&self) -> Vitals {
        let said = || self.text("said").unwrap_or("refused").to_owned();
        let fault = self.text("fault").map(|fault| match fault {
            "hangs" => Fault::NotAlive("it hangs".to_owned()),
            "memory" => Fault::Memory { used: 5 << 30, limit: 4 << 30 },
            "runtime" => Fault::Runtime { ran: "9h".parse().unwrap(), limit: "8h".parse().unwrap() },
            other => panic!("fault={other}"),
        });
        let noes = self.number("noes").unwrap_or(0) as u32;
        Vitals {
            pulse: Pulse { noes, said: said(), proven: self.has("proven"), fault, ..Pulse::default() },
            silent_since: self.text("silent").map(ago),
            memory: self.number("memory"),
            unchanged_since: None,
            consent: self.text("consent").map(|text| match text {
                "yes" => Consent::Yes,
                "no" => Consent::No(said()),
                "unknown" => Consent::Unknown("timed out".to_owned()),
                other => panic!("consent={other}"),
            }),
        }
    }

    fn failures(&self) -> Failures {
        let number = |word| self.number(word).unwrap_or(0) as u32;
        let recent = self.text("recent").unwrap_or("").trim_matches(['[', ']']).split(',');
        Failures {
            streak: number("streak"),
            recent: recent.filter(|time| !time.is_empty()).map(ago).collect(),
            restarts: number("restarts"),
        }
    }

    fn phase(&self) -> Phase {
        let up = self.text("up").unwrap_or("1h");
        match self.phase.as_str() {
            "absent" => Phase::Absent,
            "unknown" => Phase::Unknown { why: self.text("unknown").unwrap().to_owned() },
            "running" => Phase::Running {
                since: ago(up),
                health: match self.text("failing") {
                    Some(why) => Health::Failing { why: why.to_owned() },
                    None if self.has("starting") => Health::Starting,
                    None => Health::Ready(ago(up)),
                },
            },
            "leaving" => Phase::Leaving(Leaving {
                step: self.number("drain").map_or(Step::Kill, |step| Step::Drain(step as usize - 1)),
                asked_at: ago(self.text("asked").unwrap_or("0s")),
                since: ago(up),
                purpose: self.purpose("purpose").unwrap_or(Purpose::Stop),
                if_killed: DrainOutcome::TimedOut,
            }),
            "exited" => Phase::Exited(self.ended(up)),
            other => panic!("`{other}` is no phase"),
        }
    }

    fn ended(&self, up: &str) -> Ended {
        let at = ago(self.text("ago").unwrap_or("0s"));
        let up: Duration = up.parse().unwrap();
        let code = || Exit::Code(self.text("code").unwrap_or_else(|| panic!("{} exited how?", self.agent)).parse().unwrap());
        let exit = match (self.number("signal"), self.text("failed")) {
            (Some(signal), _) => Exit::Signal(signal as i32),
            (None, Some(why)) => Exit::Failed(why.to_owned()),
            (None, None) if self.has("lost") => Exit::Unseen,
            (None, None) => code(),
        };
        let step = match self.text("by") {
            Some("kill") => Step::Kill,
            Some(other) => panic!("by={other}"),
            None => Step::Drain(0),
        };
        Ended {
            at,
            since: Timestamp::from_millis(at.as_millis() - up.as_millis() as i64),
            was_ready: !self.has("unready"),
            exit,
            asked: self.purpose("asked").map(|purpose| (purpose, step)),
            outcome: None,
            excuse: self.text("excuse").map(|text| match text.split_once(':') {
                None if text == "login" => Excuse::Login,
                None => Excuse::Limit { until: None },
                Some((_, left)) => Excuse::Limit { until: Some(NOW + left.parse().unwrap()) },
            }),
        }
    }

    /// `screen=busy`, `screen=limit:1h`, `screen=asks:trust key=Enter`.
    fn screen(&self) -> Screen {
        let Some(text) = self.text("screen") else { return Screen::default() };
        let key = self.text("key").unwrap_or("Enter");
        let row = self.number("row").map(|row| row as usize);
        let press = || Press { keys: vec![key.to_owned()], answers: key == "Enter", row };
        let activity = match text.split_once(':').unwrap_or((text, "")) {
            ("unwatched", _) => Activity::Unwatched,
            ("unclear", _) => Activity::Unclear,
            ("starting", _) => Activity::Starting,
            ("idle", _) => Activity::Idle,
            ("draft", _) => Activity::Draft,
            ("busy", _) => Activity::Busy,
            ("asks", "") => Activity::Asks(Question { name: None, next: Err("no rule knows it".to_owned()) }),
            ("asks", name) if key == "none" => {
                Activity::Asks(Question { name: Some(name.to_owned()), next: Err("no row fits".to_owned()) })
            }
            ("asks", name) => Activity::Asks(Question { name: Some(name.to_owned()), next: Ok(press()) }),
            ("permission", _) => Activity::Permission,
            ("login", _) => Activity::Login,
            ("limit", "") => Activity::Limit { until: None },
            ("limit", left) => Activity::Limit { until: Some(NOW + left.parse().unwrap()) },
            ("exhausted", _) => Activity::Exhausted,
            ("crashed", _) => Activity::Crashed,
            (other, _) => panic!("screen={other}"),
        };
        let composer = self.text("composer").map(|text| match text {
            "empty" => Composed::Empty,
            "pasted" => Composed::Pasted,
            text => Composed::Text(text.to_owned()),
        });
        let row = if self.text("says") == Some("moved") { 8 } else { 7 };
        Screen {
            activity,
            lines: vec!["what it says".to_owned()],
            composer,
            cursor: Some((0, row)),
            tail: format!("before{}", self.text("says").unwrap_or("")),
            written_at: Some(NOW),
            shell: self.text("shell").map(str::to_owned),
            input: self.text("terminal").map(|text| {
                let [mode, unread] = parts(text);
                let mode = if mode == "lines" { InputMode::Lines } else { InputMode::Keys };
                Input { mode, unread: unread.parse().unwrap() }
            }),
            suspended: self.number("suspended").map(|pid| pid as u32),
        }
    }

    fn purpose(&self, word: &str) -> Option<Purpose> {
        self.text(word).map(|text| match text {
            "stop" => Purpose::Stop,
            "replace" => Purpose::Replace,
            other => panic!("{word}={other}"),
        })
    }

    fn obstacle(&self) -> Option<Obstacle> {
        let said = || "said so".to_owned();
        [
            ("cwd_missing", Obstacle::CwdMissing(PathBuf::from("/gone"))),
            ("command_missing", Obstacle::CommandMissing(said())),
            ("place_taken", Obstacle::PlaceTaken(said())),
            ("too_many_panes", Obstacle::TooManyPanes(said())),
            ("unreadable", Obstacle::Unreadable(said())),
            ("record_mismatch", Obstacle::RecordMismatch(said())),
        ]
        .into_iter()
        .find_map(|(word, obstacle)| self.has(word).then_some(obstacle))
    }
}

fn parts<const N: usize>(text: &str) -> [String; N] {
    let parts: Vec<String> = text.split(':').map(str::to_owned).collect();
    parts.try_into().unwrap_or_else(|parts| panic!("{N} parts are needed: {parts:?}"))
}

/// `waits`, `begun`, or why it is unusable.
fn note(word: &str) -> Note {
    let id = (word == "begun").then(|| "00000000000000aa".to_owned());
    let unusable = (!matches!(word, "begun" | "waits" | "old")).then(|| word.to_owned());
    Note { id, source: PathBuf::from("/notes/lead.md"), bytes: 2150, unusable, written_at: None, expired: word == "old" }
}

/// `prompt`, `long`, `long-text` (a line that no terminal edits), `nudge`, `text`, `urgent` (interrupts), `keys`, `unreadable`.
fn message(word: &str) -> Message {
    let (kind, body) = match word {
        "prompt" => (MessageKind::Prompt, Body::Text("do the-end".to_owned())),
        "long" => (MessageKind::Prompt, Body::Text("x".repeat(4095))),
        "long-text" => (MessageKind::Sent, Body::Text("x".repeat(4095))),
        "nudge" => (MessageKind::Nudge, Body::Text("do the-end".to_owned())),
        "text" | "urgent" => (MessageKind::Sent, Body::Text("do the-end".to_owned())),
        "ask" => (MessageKind::Ask, Body::Text("do the-end".to_owned())),
        "keys" => (MessageKind::Sent, Body::Keys(vec!["C-l".to_owned()])),
        "unreadable" => (MessageKind::Prompt, Body::Unreadable("it is gone".to_owned())),
        other => panic!("message={other}"),
    };
    Message { id: format!("{word}-1"), kind, body, interrupts: word == "urgent" }
}

/// The words of a line: split at blanks that stand in no quotes and no brackets.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut depth, mut quoted) = (0, false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        if character.is_whitespace() && !quoted && depth == 0 {
            words.push(String::new());
        } else {
            words.last_mut().unwrap().push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
