//! Texts that a program takes for commands by their first character, and how they stay texts.

use std::borrow::Cow;

use serde::Deserialize;

/// Texts that a program takes for commands by their first character: `!` runs the rest in a shell.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// The first characters of such texts.
    pub first: Vec<char>,
    /// What is typed before such a text, so that the program takes it as text.
    pub escape: String,
}

/// The text as it is typed so that a program with these commands takes it as text.
pub fn as_text<'t>(commands: &[Commands], text: &'t str) -> Cow<'t, str> {
    let start = text.trim_start();
    let first = start.chars().next();
    match commands.iter().find(|commands| first.is_some_and(|first| commands.first.contains(&first))) {
        Some(Commands { escape, .. }) => Cow::Owned(format!("{escape}{start}")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Rules;

    #[test]
    fn a_text_stays_a_text_whatever_it_begins_with() {
        let commands = |name| &*Rules::preset(name).unwrap().commands;
        for (text, claude, codex) in [
            ("!ls", " !ls", " !ls"),
            (" \n/exit now", "> /exit now", " /exit now"),
            ("a /exit !", "a /exit !", "a /exit !"),
            ("", "", ""),
            ("żółć", "żółć", "żółć"),
        ] {
            assert_eq!(as_text(commands("claude"), text), claude, "{text}");
            assert_eq!(as_text(commands("codex"), text), codex, "{text}");
            assert_eq!(as_text(&[], text), text);
        }
    }
}
