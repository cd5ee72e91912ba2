//! The names of things, and the number of a life.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the names of the contract must look like: `[a-z0-9][a-z0-9_-]{0,62}`.
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(plain) && bytes.len() <= 63 && bytes.iter().all(|byte| plain(byte) || matches!(byte, b'_' | b'-'))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(format!(concat!("`{}` cannot be the name of ", $what, ": use up to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit"), text.escape_debug()))
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::time::parsed(deserializer)
            }
        }
    };
}

name_type!(
    /// The name of a fleet: the identity of everything that one manifest declares.
    FleetName,
    "a fleet"
);
name_type!(
    /// The name of an agent, unique in its fleet after expansion.
    AgentName,
    "an agent"
);
name_type!(
    /// The name of a tmux session, or of a window in it.
    SessionName,
    "a session or window"
);

/// The number of an agent's life: 1 for the first; it only grows. 0 stands for "never started".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// Whether no instance has this generation.
    pub fn is_none(&self) -> bool {
        self.0 == 0
    }

    /// The one after this.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
