//! Says things without waiting for whoever hears them: a reader that pauses, such as a terminal after Ctrl-S, stops no watcher.

use std::io::{self, Write};
use std::sync::mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use crate::render::{Style, defused};

/// So many lines wait for a reader that pauses; the journal has all of them.
const WAITING: usize = 16_384;

/// How long a reader is waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is said, and where.
enum Words {
    Data(String),
    Talk(String),
    /// Nothing; but whoever asks hears that all before it was said.
    Over(Sender<()>),
}

/// Whether data and talk are coloured.
#[derive(Clone, Copy)]
struct Colors {
    data: bool,
    talk: bool,
}

/// Says things, one after the other.
pub(super) struct Speaker {
    words: SyncSender<Words>,
    colors: Colors,
    /// How much was not said since the last that was.
    unsaid: u64,
}

impl Speaker {
    /// One that speaks in these styles: of data, and of talk.
    pub(super) fn new(data: Style, talk: Style) -> Self {
        let colors = Colors { data: data.color, talk: talk.color };
        let (words, waiting) = sync_channel::<Words>(WAITING);
        // If no thread can be started, each message is written by the thread that has it.
        let _ = std::thread::Builder::new()
            .name("speaker".to_owned())
            .spawn(move || waiting.into_iter().for_each(|words| speak(words, colors)));
        Self { words, colors, unsaid: 0 }
    }

    pub(super) fn print(&mut self, text: String) {
        self.add(Words::Data(text));
    }

    pub(super) fn say(&mut self, text: String) {
        self.add(Words::Talk(text));
    }

    fn add(&mut self, words: Words) {
        if self.unsaid > 0 {
            let note = format!("warning: {} lines were not said, as nobody read them; `reconcile events` has them\n", self.unsaid);
            if self.words.try_send(Words::Talk(note)).is_ok() {
                self.unsaid = 0;
            }
        }
        match self.words.try_send(words) {
            Err(TrySendError::Full(_)) => self.unsaid += 1,
            Err(TrySendError::Disconnected(words)) => speak(words, self.colors),
            Ok(()) => {}
        }
    }
}

fn speak(words: Words, colors: Colors) {
    // A reader that went away is no reason to leave the agents alone.
    let _ = match words {
        Words::Data(text) => io::stdout().lock().write_all(defused(&text, colors.data).as_bytes()).and_then(|()| io::stdout().flush()),
        Words::Talk(text) => io::stderr().lock().write_all(defused(&text, colors.talk).as_bytes()),
        Words::Over(asked) => {
            let _ = asked.send(());
            Ok(())
        }
    };
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let (over, heard) = channel();
        if self.words.try_send(Words::Over(over)).is_ok() {
            let _ = heard.recv_timeout(LAST_WORDS);
        }
    }
}
