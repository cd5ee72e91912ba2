//! Paths and globs as text: joining, cleaning and matching. Looks at no disk; `glob` asks the caller for listings.

use std::path::{Component, Path, PathBuf};

use super::sources::{Kind, Sources};
use crate::desired::{glob as glob_of, is_glob};

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

/// Whether a name matches a pattern. As in a shell, a leading dot must be written out.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    (pattern.starts_with('.') || !name.starts_with('.')) && glob_of(pattern, name)
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
