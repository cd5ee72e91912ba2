//! What the bytes of a terminal mean: keys, typed text, bracketed pastes. Knows nothing of what they do.

/// What a person or a tmux command put in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Typed characters; a line feed is one of them.
    Text(String),
    /// What stood between the brackets of a paste.
    Paste(String),
    /// CR.
    Enter,
    /// ESC alone.
    Escape,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-U.
    Clear,
    /// Backspace.
    Backspace,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
}

/// What a CR is that comes in the same read as the end of a paste.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The key Enter.
    IsEnter,
    /// A line break in the text: Enter is swallowed.
    IsText,
}

const PASTE: &[u8] = b"\x1b[200~";
const PASTED: &[u8] = b"\x1b[201~";

/// Takes the bytes of one read after another.
pub(crate) struct Decoder {
    joined: Joined,
    /// The start of something whose rest is not read yet.
    pending: Vec<u8>,
    /// The paste that has begun.
    paste: Option<Vec<u8>>,
}

/// What stands at the start of some bytes, with its length.
enum Token {
    Key(Key, usize),
    Paste,
    Nothing(usize),
    Incomplete,
}

impl Decoder {
    pub(crate) fn new(joined: Joined) -> Self {
        Self { joined, pending: Vec::new(), paste: None }
    }

    /// Whether an ESC or half a character waits for its rest.
    pub(crate) fn waits(&self) -> bool {
        !self.pending.is_empty() && self.paste.is_none()
    }

    /// The keys in what one read returned.
    pub(crate) fn feed(&mut self, read: &[u8]) -> Vec<Key> {
        let mut bytes = std::mem::take(&mut self.pending);
        bytes.extend_from_slice(read);
        let mut rest = bytes.as_slice();
        let mut keys = Vec::new();
        let mut pasted = false;
        while !rest.is_empty() {
            if let Some(paste) = &mut self.paste {
                let Some(end) = rest.windows(PASTED.len()).position(|window| window == PASTED) else {
                    let sure = rest.len().saturating_sub(PASTED.len() - 1);
                    paste.extend_from_slice(&rest[..sure]);
                    rest = &rest[sure..];
                    break;
                };
                paste.extend_from_slice(&rest[..end]);
                keys.push(Key::Paste(String::from_utf8_lossy(paste).into_owned()));
                self.paste = None;
                pasted = true;
                rest = &rest[end + PASTED.len()..];
                continue;
            }
            let length = match token(rest) {
                Token::Key(Key::Enter, length) if pasted && self.joined == Joined::IsText => {
                    keys.push(Key::Text("\n".to_owned()));
                    length
                }
                Token::Key(key, length) => {
                    keys.push(key);
                    length
                }
                Token::Paste => {
                    self.paste = Some(Vec::new());
                    PASTE.len()
                }
                Token::Nothing(length) => length,
                Token::Incomplete => break,
            };
            rest = &rest[length..];
        }
        self.pending = rest.to_vec();
        keys
    }

    /// Nothing more came: an ESC that waits is the key; what else waits is dropped.
    pub(crate) fn flush(&mut self) -> Vec<Key> {
        if !self.waits() {
            return Vec::new();
        }
        if std::mem::take(&mut self.pending).first() == Some(&0x1b) { vec![Key::Escape] } else { Vec::new() }
    }
}

fn token(bytes: &[u8]) -> Token {
    match bytes[0] {
        0x1b => escape(bytes),
        b'\r' => Token::Key(Key::Enter, 1),
        b'\n' | b'\t' => Token::Key(Key::Text(char::from(bytes[0]).to_string()), 1),
        0x03 => Token::Key(Key::Interrupt, 1),
        0x15 => Token::Key(Key::Clear, 1),
        0x08 | 0x7f => Token::Key(Key::Backspace, 1),
        0x00..0x20 => Token::Nothing(1),
        _ => text(bytes),
    }
}

fn escape(bytes: &[u8]) -> Token {
    if bytes.starts_with(PASTE) {
        return Token::Paste;
    }
    match bytes.get(1) {
        None => Token::Incomplete,
        Some(b'[' | b'O') => match bytes[2..].iter().position(|byte| (0x40..0x7f).contains(byte)) {
            None => Token::Incomplete,
            Some(end) => match bytes[2 + end] {
                b'A' => Token::Key(Key::Up, 3 + end),
                b'B' => Token::Key(Key::Down, 3 + end),
                _ => Token::Nothing(3 + end),
            },
        },
        Some(_) => Token::Key(Key::Escape, 1),
    }
}

/// All characters up to the next control character.
fn text(bytes: &[u8]) -> Token {
    let end = bytes.iter().position(|byte| *byte < 0x20 || *byte == 0x7f).unwrap_or(bytes.len());
    let run = &bytes[..end];
    match std::str::from_utf8(run) {
        Ok(text) => Token::Key(Key::Text(text.to_owned()), end),
        Err(error) if error.valid_up_to() > 0 => {
            let valid = error.valid_up_to();
            Token::Key(Key::Text(String::from_utf8_lossy(&run[..valid]).into_owned()), valid)
        }
        Err(error) if error.error_len().is_none() && end == bytes.len() => Token::Incomplete,
        Err(error) => Token::Key(Key::Text('\u{fffd}'.to_string()), error.error_len().unwrap_or(end)),
    }
}
