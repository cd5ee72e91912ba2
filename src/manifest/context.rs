//! What every step of loading needs, and the reading of single fields: variables filled in, paths made absolute, text checked.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Dependencies;
use super::file::Session;
use super::interpolate::{self, Quoting, Scope, Vars};
use super::paths;
use super::read::{At, Entries};
use super::report::{Report, Spot};
use super::sources::Sources;
use super::texts::Text;
use super::words::Scalar;
use crate::desired::{Preset, Socket, is_key};

/// What every step of loading needs.
pub(crate) struct Context<'c> {
    pub(crate) report: &'c Report,
    pub(crate) sources: &'c dyn Sources,
    /// By the number of a [`Spot`]'s file.
    pub(crate) texts: &'c [Text],
    pub(crate) vars: &'c Vars,
    pub(crate) fleet: &'c str,
    /// For `${dir.state}`.
    pub(crate) state: String,
    /// For `${dir.manifest}`.
    pub(crate) folder: String,
    pub(crate) socket: Socket,
    pub(crate) sessions: BTreeMap<&'c str, &'c Session<'c>>,
    pub(crate) sessions_used: RefCell<BTreeSet<String>>,
    pub(crate) depends_on: RefCell<Dependencies>,
    /// Answers about files that many agents may ask for.
    pub(crate) digests: RefCell<HashMap<PathBuf, Result<Option<String>, String>>>,
    /// Regular expressions that are known to be right: compiling one is slow.
    pub(crate) patterns: RefCell<HashSet<String>>,
    /// Presets that are known to be right, by the name or path that was written, with the names of their dialogs.
    pub(crate) presets: RefCell<HashMap<PathBuf, (Preset, BTreeSet<String>)>>,
}

impl<'c> Context<'c> {
    /// The part of a place at which this text stands, or all of it if the text is written with escapes.
    pub(crate) fn inside(&self, spot: Spot, part: &str) -> Spot {
        let text = self.texts.get(spot.file as usize).and_then(|text| text.text.get(spot.bytes()));
        match text.and_then(|text| text.find(part)) {
            Some(at) => Spot::new(spot.file, spot.defaults, &(spot.start as usize + at..spot.start as usize + at + part.len())),
            None => spot,
        }
    }

    /// The folder from which relative paths at this place start.
    pub(crate) fn folder_of(&self, spot: Spot) -> &'c Path {
        self.texts.get(spot.file as usize).map_or(Path::new("/"), |text| &text.folder)
    }

    /// The fields of something that is no agent.
    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields {
            context: self,
            scope: Scope {
                vars: self.vars,
                fleet: self.fleet,
                name: None,
                index: None,
                each: None,
                each_path: None,
                state: &self.state,
                manifest: &self.folder,
            },
        }
    }

    /// The text of a file that the fleet depends on.
    pub(crate) fn text(&self, path: &Path) -> Result<Option<String>, String> {
        self.depends_on.borrow_mut().files.insert(path.to_owned());
        self.sources.text(path)
    }

    /// The digest of a file, asked for once.
    pub(crate) fn digest(&self, path: &Path) -> Result<Option<String>, String> {
        if let Some(known) = self.digests.borrow().get(path) {
            return known.clone();
        }
        let answer = self.sources.digest(path);
        self.digests.borrow_mut().insert(path.to_owned(), answer.clone());
        self.depends_on.borrow_mut().files.insert(path.to_owned());
        answer
    }
}

/// Whether a text has control characters in it.
pub(crate) fn has_control(text: &str) -> bool {
    // Plain ASCII, which is the usual case, needs no decoding.
    !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.chars().any(char::is_control)
}

/// Reads fields with the variables of one agent. What is wrong is reported, and something harmless is returned.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'f> {
    pub(crate) context: &'f Context<'f>,
    pub(crate) scope: Scope<'f>,
}

impl<'f> Fields<'f> {
    /// Text with its variables filled in.
    pub(crate) fn text<'t>(&self, written: At<&'t str>) -> Cow<'t, str> {
        self.filled(written, Quoting::None)
    }

    /// A line for `sh -c`, with the values quoted as words.
    pub(crate) fn shell<'t>(&self, written: At<&'t str>) -> Cow<'t, str> {
        self.filled(written, Quoting::Shell)
    }

    fn filled<'t>(&self, written: At<&'t str>, quoting: Quoting) -> Cow<'t, str> {
        match interpolate::fill(written.value, &self.scope, quoting) {
            Ok(text) if text.as_bytes().contains(&0) => {
                self.context.report.error(written.spot, "a NUL character cannot be handed to a program", None);
                Cow::Borrowed("")
            }
            Ok(text) => text,
            Err(wrong) => {
                for wrong in wrong {
                    let spot = self.context.inside(written.spot, &written.value[wrong.bytes]);
                    self.context.report.error(spot, wrong.message, wrong.hint);
                }
                Cow::Borrowed("")
            }
        }
    }

    /// Text for people and terminals: without control characters.
    pub(crate) fn plain<'t>(&self, written: At<&'t str>) -> Cow<'t, str> {
        let text = self.text(written);
        if has_control(&text) {
            self.context.report.error(written.spot, "control characters have no place here", None);
        }
        text
    }

    /// The same, and not empty.
    pub(crate) fn word<'t>(&self, written: At<&'t str>) -> Cow<'t, str> {
        if written.value.is_empty() {
            self.context.report.error(written.spot, "this cannot be empty", None);
        }
        self.plain(written)
    }

    /// A name with a pattern of its own; none if it does not fit.
    pub(crate) fn name<N: FromStr<Err = String>>(&self, written: At<&str>) -> Option<N> {
        let errors = self.context.report.errors();
        let text = self.text(written);
        if self.context.report.errors() > errors {
            return None;
        }
        let hint = text.starts_with('_').then(|| "names that begin with `_` are the tool's own".to_owned());
        text.parse().map_err(|why: String| self.context.report.error(written.spot, why, hint)).ok()
    }

    /// A path, absolute.
    pub(crate) fn path(&self, written: At<&str>) -> PathBuf {
        let text = self.word(written);
        paths::absolute(&text, self.context.folder_of(written.spot), self.context.sources).unwrap_or_else(|why| {
            self.context.report.error(written.spot, why, None);
            PathBuf::new()
        })
    }

    /// The path of a file: not that of a folder.
    pub(crate) fn file(&self, written: At<&str>) -> PathBuf {
        if written.value.ends_with('/') {
            self.context.report.error(written.spot, "expected the path of a file, found that of a folder", None);
        }
        self.path(written)
    }

    /// A program and its arguments: the program is not empty.
    pub(crate) fn argv(&self, words: &At<Vec<At<&str>>>) -> Vec<String> {
        match words.value.first() {
            None => self.context.report.error(words.spot, "an empty command: the first word is the program", None),
            Some(program) if program.value.is_empty() => self.context.report.error(program.spot, "the program has no name", None),
            Some(_) => {}
        }
        words.value.iter().map(|word| self.text(*word).into_owned()).collect()
    }

    /// Keys by tmux's names. What is no key would be typed letter by letter.
    pub(crate) fn keys(&self, keys: &At<Vec<At<&str>>>) -> Vec<String> {
        let report = self.context.report;
        if keys.value.is_empty() {
            report.error(keys.spot, "no keys", Some("tmux's names for keys look like \"C-c\" or \"Enter\"".to_owned()));
        }
        let key = |written: &At<&str>| {
            let errors = report.errors();
            let key = self.word(*written).into_owned();
            if report.errors() == errors && !is_key(&key) {
                let hint = Some("tmux's names for keys look like \"C-c\" or \"Enter\"; a text to end by is { ask = \"…\" }".to_owned());
                report.error(written.spot, format!("tmux has no key `{}`", key.escape_debug()), hint);
            }
            key
        };
        keys.value.iter().map(key).collect()
    }

    /// A value where text is meant in the end.
    pub(crate) fn scalar(&self, written: At<Scalar<'_>>, [no, yes]: [&str; 2]) -> String {
        match written.value {
            Scalar::Text(text) => self.text(At { value: text, spot: written.spot }).into_owned(),
            Scalar::Number(number) => number.to_string(),
            Scalar::Flag(flag) => if flag { yes } else { no }.to_owned(),
        }
    }

    /// Options of tmux.
    pub(crate) fn options(&self, options: Option<&Entries<'_, At<Scalar<'_>>>>) -> BTreeMap<String, String> {
        let entries = options.map_or(&[][..], |options| &options.0);
        let entries = entries.iter().map(|(name, value)| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"@-_[]".contains(&byte);
            if name.value.is_empty() || name.value.starts_with('-') || !name.value.bytes().all(fits) {
                let hint = Some("options of tmux look like `history-limit` or `@mine`".to_owned());
                self.context.report.error(name.spot, format!("`{}` is no option of tmux", name.value.escape_debug()), hint);
            }
            let text = self.scalar(*value, ["off", "on"]);
            if has_control(&text) {
                self.context.report.error(value.spot, "control characters have no place here", None);
            }
            (name.value.to_owned(), text)
        });
        entries.collect()
    }
}
