//! Names with wildcards: the one language for agents, variables, programs, files and folders.

/// Whether a text has wildcards in it.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether the whole of `text` is what `pattern` stands for: `*` for anything, `?` for one character, `[a-z]` for one of these and `[!a-z]` for
/// one that is none of them, all else for itself.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut to) = (0, 0);
    // Where to go on if the last `*` has to take one character more: no other way back is ever needed, so this is quick for any pattern.
    let mut retry = None;
    while to < text.len() {
        if pattern.get(at) == Some(&'*') {
            retry = Some((at + 1, to));
            at += 1;
        } else if let Some(length) = matches_one(&pattern[at..], text[to]) {
            at += length;
            to += 1;
        } else if let Some((behind, from)) = retry {
            retry = Some((behind, from + 1));
            (at, to) = (behind, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

/// How much of the pattern one character uses up, if it matches.
fn matches_one(pattern: &[char], character: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => {
            let negated = matches!(pattern.get(1), Some('!' | '^'));
            let from = if negated { 2 } else { 1 };
            // A `]` right at the beginning is an ordinary character.
            let Some(end) = (from + 1..pattern.len()).find(|at| pattern[*at] == ']') else {
                return (character == '[').then_some(1);
            };
            let set = &pattern[from..end];
            let found = (0..set.len()).any(|at| match (set.get(at + 1), set.get(at + 2)) {
                (Some('-'), Some(last)) => (set[at]..=*last).contains(&character),
                _ => set[at] == character,
            });
            (found != negated).then_some(end + 1)
        }
        plain => (*plain == character).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn the_whole_text_must_match() {
        for (pattern, text, expected) in [
            ("A", "A", true),
            ("A", "AB", false),
            ("AWS_*", "AWS_", true),
            ("AWS_*", "AWS_KEY", true),
            ("*_KEY", "AWS_KEY", true),
            ("*_KEY", "AWS_KEYS", false),
            ("*A*B", "xAyB", true),
            ("*A*", "xAy", true),
            ("?B", "AB", true),
            ("?B", "B", false),
            ("A?", "A", false),
            ("*", "", true),
            ("", "A", false),
            ("é?", "éa", true),
            ("LC_*", "XLC_ALL", false),
            ("a*b*c", "a-b-bc", true),
            ("a*b*c", "a-b-b", false),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[!a-c]1", "b1", false),
            ("[!a-c]1", "d1", true),
            ("worker-[12]", "worker-2", true),
            ("*[12]", "worker-12", true),
            ("[]x]", "]", true),
            ("[x", "[x", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
