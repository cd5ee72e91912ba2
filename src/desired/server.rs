//! The tmux server of a fleet.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The tmux server that holds the fleet's sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Where it listens.
    pub socket: Socket,
    /// A tmux configuration of the user's to read instead of nothing.
    pub config: Option<PathBuf>,
    /// Columns and rows of a detached window.
    pub size: Size,
    /// Global options, set when the server is started and when they change.
    pub options: BTreeMap<String, String>,
}

/// Columns and rows, written `"200x50"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns, 20 to 2000.
    pub columns: u16,
    /// Rows, 5 to 2000.
    pub rows: u16,
}

impl Default for Size {
    /// 200x50: in a narrow or low pane, startup dialogs wrap and scroll away.
    fn default() -> Self {
        Self { columns: 200, rows: 50 }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.columns, self.rows)
    }
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('x')
            .and_then(|(columns, rows)| Some(Self { columns: columns.parse().ok()?, rows: rows.parse().ok()? }))
            .filter(|size| (20..=2000).contains(&size.columns) && (5..=2000).contains(&size.rows))
            .ok_or_else(|| format!("`{text}` is not a size: write columns and rows like \"200x50\", from \"20x5\" to \"2000x2000\""))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::time::parsed(deserializer)
    }
}

/// A tmux socket as the manifest names it: a name for `tmux -L`, or a path for `tmux -S`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Socket(pub String);

impl Socket {
    /// Whether it is a path and not a name in tmux's own folder.
    pub fn is_path(&self) -> bool {
        self.0.contains('/')
    }

    /// Whether it is the user's own server, whose configuration is not ours.
    pub fn is_users_own(&self) -> bool {
        self.0 == "default"
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
