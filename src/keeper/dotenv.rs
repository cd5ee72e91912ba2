//! Files of variables in dotenv form. Nothing is expanded: a `$` is a `$`.

/// The variables of a file in their order. The error names the line and never a value.
///
/// `NAME=value`, also after `export `; comments from `#` at the start of a line or after a blank; 'single quotes' are literal, "double quotes" know
/// `\n`, `\r`, `\t`, `\"`, `\\` and `\$`, and both may span lines; a value without quotes ends with its line.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(variables);
        }
        if rest.starts_with('#') {
            rest = after_line(rest);
            continue;
        }
        let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
        let (name, value, after) = entry(rest).map_err(|why| format!("line {line}: {why}"))?;
        variables.push((name, value));
        rest = after;
    }
}

fn after_line(text: &str) -> &str {
    text.find('\n').map_or("", |end| &text[end + 1..])
}

fn entry(text: &str) -> Result<(String, String, &str), String> {
    let text =
        text.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map_or(text, |rest| rest.trim_start_matches([' ', '\t']));
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '.')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("this is not the name of a variable".to_owned());
    }
    let blank = [' ', '\t'];
    let rest = rest.trim_start_matches(blank).strip_prefix('=').ok_or_else(|| format!("a `=` is missing after `{name}`"))?;
    let rest = rest.trim_start_matches(blank);
    let (value, after) = match rest.chars().next() {
        Some('\'') => single_quoted(&rest[1..])?,
        Some('"') => double_quoted(&rest[1..])?,
        Some(_) | None => return Ok((name.to_owned(), bare(rest), after_line(rest))),
    };
    let tail = after.lines().next().unwrap_or_default().trim();
    if tail.is_empty() || tail.starts_with('#') {
        Ok((name.to_owned(), value, after_line(after)))
    } else {
        Err(format!("something follows the closing quote of `{name}`"))
    }
}

fn bare(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let comment = line.match_indices('#').find(|(at, _)| line[..*at].is_empty() || line[..*at].ends_with([' ', '\t']));
    comment.map_or(line, |(at, _)| &line[..at]).trim().to_owned()
}

fn single_quoted(text: &str) -> Result<(String, &str), String> {
    let (value, after) = text.split_once('\'').ok_or("the closing ' is missing")?;
    Ok((value.to_owned(), after))
}

fn double_quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, kept @ ('"' | '\\' | '$'))) => value.push(kept),
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("the closing \" is missing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse(text), Ok(expected), "{text:?}");
    }

    #[test]
    fn files_are_read_as_people_write_them() {
        check("", &[]);
        check("\u{feff}A=1\r\nB=2\r\n", &[("A", "1"), ("B", "2")]);
        check("# all\n\n  export A = x y  # why\nB=a#b\nC=\nD=#none", &[("A", "x y"), ("B", "a#b"), ("C", ""), ("D", "")]);
        check("A='x # \"$B\" \\n'\nB=\"a\\nb\\t\\\"\\\\ \\$ \\x $A\" # c", &[("A", "x # \"$B\" \\n"), ("B", "a\nb\t\"\\ $ \\x $A")]);
        check(
            "KEY=\"-----BEGIN\nabc\n-----END\"\nNEXT='1\n2'\nexported=3",
            &[("KEY", "-----BEGIN\nabc\n-----END"), ("NEXT", "1\n2"), ("exported", "3")],
        );
        check("URL=postgres://u:p@h/db?a=b&c=d", &[("URL", "postgres://u:p@h/db?a=b&c=d")]);
        check("export=1\nP=\"\"", &[("export", "1"), ("P", "")]);
    }

    #[test]
    fn slips_are_named_by_line_and_without_the_value() {
        for (text, line) in
            [("A", 1), ("\nA B=1", 2), ("A=1\n1A=2", 2), ("A=1\n=2", 2), ("A='secret", 1), ("A='x\ny'\nB=\"secret", 3), ("A='1' secret", 1)]
        {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("line {line}: ")), "{text:?}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
