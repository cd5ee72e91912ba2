//! Names with wildcards, as `inherit_env`, `unset_env` and `--target` take them.

/// Whether the whole of `text` is what `pattern` stands for: `*` for anything, `?` for one character, all else for itself.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut to) = (0, 0);
    // Where to go on if the last `*` has to take one character more: no other way back is ever needed, so this is quick for any pattern.
    let mut retry = None;
    while to < text.len() {
        match (pattern.get(at), retry) {
            (Some('*'), _) => {
                retry = Some((at + 1, to));
                at += 1;
            }
            (Some(wanted), _) if *wanted == '?' || *wanted == text[to] => {
                at += 1;
                to += 1;
            }
            (_, Some((behind, from))) => {
                retry = Some((behind, from + 1));
                (at, to) = (behind, from + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
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
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
