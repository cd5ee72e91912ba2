//! The log in which tests read what arrived: a line of JSON each, whole once its line break is there. Decides nothing.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

/// The log, or none.
pub(crate) struct Log(Option<File>);

impl Log {
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.with_context(|| format!("the log `{}` could not be opened", path.display()))
        };
        path.map(open).transpose().map(Self)
    }

    /// A text was submitted, with whether some of it was pasted.
    pub(crate) fn submitted(&mut self, text: &str, pasted: bool) -> anyhow::Result<()> {
        self.write(&format!(r#"{{"text":{},"pasted":{pasted}}}"#, json!(text)))
    }

    /// A dialog was answered with this label; `None`: it was left.
    pub(crate) fn answered(&mut self, dialog: &str, chose: Option<&str>) -> anyhow::Result<()> {
        let chose = chose.map_or(Value::Null, Value::from);
        self.write(&format!(r#"{{"dialog":{},"chose":{chose}}}"#, json!(dialog)))
    }

    /// A key was pressed, in the words of tmux.
    pub(crate) fn pressed(&mut self, key: &str) -> anyhow::Result<()> {
        self.write(&format!(r#"{{"key":{}}}"#, json!(key)))
    }

    fn write(&mut self, line: &str) -> anyhow::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.flush()).context("the log could not be written")
    }
}
