//! The commands that messages name, with what makes them work when they are copied: which manifest is meant, and where everything is remembered.

use std::borrow::Cow;

use super::text::is_unsafe;

/// How the manifest was named when this program was called, and what has to be said again to mean the same fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The manifest as it was named or found.
    pub manifest: String,
    /// The flags, each with a space before it; empty where a command without them means the same.
    flags: String,
}

impl Invocation {
    /// For a manifest under this name, with the words that have to be said again.
    pub fn new(manifest: String, words: &[String]) -> Self {
        Self { manifest, flags: words.iter().map(|word| format!(" {}", quoted(word))).collect() }
    }

    /// The text with these flags at the end of each command of this program in it. A command is in backticks: `reconcile start lead`.
    pub fn complete<'a>(&self, text: &'a str) -> Cow<'a, str> {
        const COMMAND: &str = "`reconcile ";
        if self.flags.is_empty() || !text.contains(COMMAND) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + self.flags.len());
        let mut rest = text;
        while let Some(start) = rest.find(COMMAND) {
            let Some(length) = rest[start + COMMAND.len()..].find('`') else { break };
            let end = start + COMMAND.len() + length;
            let command = &rest[start..end];
            out.push_str(&rest[..end]);
            // One that names a manifest, and an ellipsis for what a person has to fill in, are as they should be.
            if !command.contains(" --file ") && !command.contains(" -f ") && !command.ends_with('…') {
                out.push_str(&self.flags);
            }
            out.push('`');
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

/// A word as a shell takes it. What a terminal would obey or hide is written out in a way that bash, zsh and ksh read.
fn quoted(word: &str) -> Cow<'_, str> {
    if word.contains(is_unsafe) {
        let written = |letter: char| match letter {
            '\'' | '\\' => format!("\\{letter}"),
            letter if !is_unsafe(letter) => letter.to_string(),
            letter if letter.is_ascii() => format!("\\x{:02x}", u32::from(letter)),
            letter => format!("\\u{:04x}", u32::from(letter)),
        };
        return Cow::Owned(format!("$'{}'", word.chars().map(written).collect::<String>()));
    }
    let is_plain = |letter: char| letter.is_alphanumeric() || "_./:@%+=,-".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Invocation {
        Invocation::new("m.toml".to_owned(), &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_means_the_same_fleet_when_it_is_copied() {
        let named = words(&["--file", "my fleet/it's.toml"]);
        assert_eq!(
            named.complete("it failed; try again: `reconcile start lead`, or see `reconcile logs lead`."),
            r"it failed; try again: `reconcile start lead --file 'my fleet/it'\''s.toml'`, or see `reconcile logs lead --file 'my fleet/it'\''s.toml'`."
        );
        assert_eq!(
            words(&["--file", "m.toml", "--var=a=b c"]).complete("`reconcile plan`"),
            "`reconcile plan --file m.toml '--var=a=b c'`"
        );
    }

    #[test]
    fn a_word_with_commands_for_a_terminal_is_written_out_and_can_be_copied() {
        let named = words(&["--file", "a\u{1b}]0;x\u{7}it's\u{202e}\\.toml"]);
        assert_eq!(named.complete("`reconcile plan`"), r"`reconcile plan --file $'a\x1b]0;x\x07it\'s\u202e\\.toml'`");
    }

    #[test]
    fn what_is_no_command_of_ours_stays_as_it_is() {
        let named = words(&["--file", "m.toml"]);
        for text in ["", "reconcile is a program", "`tmux ls`", "`reconcile plan", "`reconcile -f x logs a`", "`reconcile logs …`"] {
            assert_eq!(named.complete(text), text);
        }
        assert_eq!(words(&[]).complete("`reconcile plan`"), "`reconcile plan`");
    }
}
