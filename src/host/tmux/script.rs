//! Lines for tmux's own command language, in which every word stands for itself.

use std::fmt::Write;

/// One command as it is built, word by word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Line(String);

impl Line {
    /// A line that begins with this command.
    pub(in crate::host) fn new(command: &str) -> Self {
        Self(command.to_owned())
    }

    /// With a flag or another word of ours that needs no quotes.
    pub(in crate::host) fn flag(mut self, flag: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(flag);
        self
    }

    /// With a word that may be any text.
    pub(in crate::host) fn word(mut self, word: &str) -> Self {
        self.0.push(' ');
        quote(word, &mut self.0);
        self
    }

    /// With commands that are run by this one, in braces.
    pub(in crate::host) fn block(mut self, lines: &[Self]) -> Self {
        let lines: Vec<&str> = lines.iter().map(|line| line.0.as_str()).collect();
        let _ = write!(self.0, " {{ {} }}", lines.join(" ; "));
        self
    }

    /// The line as text, without its end.
    pub(in crate::host) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Single quotes keep everything but themselves and control characters, which double quotes can write as escapes.
fn quote(word: &str, into: &mut String) {
    if word.contains(|letter: char| letter == '\'' || letter.is_control()) {
        into.push('"');
        for letter in word.chars() {
            match letter {
                '"' | '\\' | '$' | '~' => {
                    into.push('\\');
                    into.push(letter);
                }
                '\n' => into.push_str("\\n"),
                '\r' => into.push_str("\\r"),
                '\t' => into.push_str("\\t"),
                '\u{1b}' => into.push_str("\\e"),
                // Nothing that is declared can contain others: the loader refuses them.
                letter if letter.is_control() => {}
                letter => into.push(letter),
            }
        }
        into.push('"');
    } else {
        into.push('\'');
        into.push_str(word);
        into.push('\'');
    }
}

/// Text for an argument that tmux expands as a format: it comes out as it was, and control characters do not.
pub(in crate::host) fn as_format_text(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect::<String>().replace('#', "##")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_tmux_reads_back() {
        let line = Line::new("new-session").flag("-d").flag("-s").word("a b").flag("--").word("it's").word("$HOME \"x\" \\").word("");
        assert_eq!(line.as_str(), r#"new-session -d -s 'a b' -- "it's" '$HOME "x" \' ''"#);
        assert_eq!(Line::new("x").word("'$HOME' \"\\\n").as_str(), r#"x "'\$HOME' \"\\\n""#);
        let inner = [Line::new("send-keys").word("C-c"), Line::new("display-message").flag("-p").word("x")];
        assert_eq!(
            Line::new("if-shell").flag("-F").word("1").block(&inner).as_str(),
            "if-shell -F '1' { send-keys 'C-c' ; display-message -p 'x' }"
        );
    }

    #[test]
    fn formats_in_a_title_stay_text() {
        assert_eq!(as_format_text("#(rm -rf) #{x}\n\u{7}"), "##(rm -rf) ##{x}");
    }
}
