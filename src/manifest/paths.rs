//! Paths and globs as text: joining, cleaning and matching. Looks at no disk; `glob` asks the caller for listings.

use std::path::{Component, Path, PathBuf};

use super::sources::{Kind, Sources};

/// `written` relative to `folder`, with `~` as the user's home, without `.` and `..` where they can be taken away.
///
/// Errors: no home is known, or the text names another user's.
pub(crate) fn absolute(written: &str, folder: &Path, sources: &dyn Sources) -> Result<PathBuf, String> {
    let path = match written.strip_prefix('~') {
        Some("") => home(sources)?,
        Some(rest) if rest.starts_with('/') => home(sources)?.join(rest.trim_start_matches('/')),
        Some(_) => return Err(format!("`{}`: only your own home can be written as `~`", written.escape_debug())),
        // Folders are clean already, so a clean path in one of them is too.
        None if written.split('/').all(|part| !matches!(part, "" | "." | "..")) => return Ok(folder.join(written)),
        None => folder.join(written),
    };
    Ok(clean(&path))
}

fn home(sources: &dyn Sources) -> Result<PathBuf, String> {
    sources.home().and_then(|home| home.ok_or_else(|| "no home folder is known: HOME is not set".to_owned()))
}

/// A path without `.`, and without `..` after a plain folder. A `..` that follows a link would go elsewhere, so manifests should not do that.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) => {
                cleaned.pop();
            }
            Component::ParentDir if cleaned.has_root() => {}
            Component::ParentDir | Component::Normal(_) | Component::RootDir | Component::Prefix(_) => cleaned.push(part),
        }
    }
    cleaned
}

/// Whether a text has wildcards in it.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a name matches a pattern of `*`, `?` and `[a-z]`. As in a shell, a leading dot must be written out.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut to) = (0, 0);
    // Where to go on if the last `*` has to take one character more.
    let mut retry: Option<(usize, usize)> = None;
    while to < name.len() {
        if pattern.get(at) == Some(&'*') {
            retry = Some((at, to));
            at += 1;
        } else if let Some(length) = matches_one(&pattern[at..], name[to]) {
            at += length;
            to += 1;
        } else if let Some((star, from)) = retry {
            (at, to) = (star + 1, from + 1);
            retry = Some((star, from + 1));
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
            // A `]` right at the beginning stands for itself.
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

/// All paths of this kind that match an absolute pattern, in order, and the folders that were listed.
///
/// Errors: the folder before the first wildcard is not there, or one could not be read. Either way it is not known what matches.
pub(crate) fn glob(pattern: &Path, kind: Kind, sources: &dyn Sources) -> Result<(Vec<PathBuf>, Vec<PathBuf>), String> {
    let mut found = vec![PathBuf::new()];
    let mut listed = Vec::new();
    let parts: Vec<_> = pattern.components().collect();
    let mut wild = false;
    for (number, part) in parts.iter().enumerate() {
        let text = part.as_os_str().to_string_lossy();
        if !is_glob(&text) || matches!(part, Component::RootDir) {
            found.iter_mut().for_each(|path| path.push(part));
            // Below a wildcard a fixed part may be missing in some of the folders, so the last one is looked up in its parent.
            if !wild || number + 1 < parts.len() {
                continue;
            }
            found.iter_mut().for_each(|path| {
                path.pop();
            });
        }
        let last = number + 1 == parts.len();
        let mut next = Vec::new();
        for folder in found {
            let Some(entries) = sources.entries(&folder).map_err(|why| format!("{} could not be read: {why}", folder.display()))? else {
                if wild {
                    continue;
                }
                return Err(format!("{} does not exist", folder.display()));
            };
            for entry in entries {
                let fits = if last { entry.kind == kind } else { entry.kind == Kind::Folder };
                if fits && matches(&text, &entry.name) {
                    next.push(folder.join(&entry.name));
                }
            }
            listed.push(folder);
        }
        next.sort();
        found = next;
        wild = true;
    }
    Ok((found, listed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*", "", true),
            ("*", ".a", false),
            (".*", ".a", true),
            ("a*b*c", "a-b-bc", true),
            ("a*b*c", "a-b-b", false),
            ("?x", "äx", true),
            ("[a-c]1", "b1", true),
            ("[!a-c]1", "b1", false),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            ("*.toml", "a.toml", true),
            ("*.toml", "a.tom", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, expected) in [("/a/./b/../c", "/a/c"), ("/../a", "/a"), ("/a//b/", "/a/b"), ("../a", "../a"), ("/a/..", "/")] {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
