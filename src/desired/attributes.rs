//! What a process has of the kernel besides its environment. It would be that of the run that starts it if nothing were declared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What an instance starts with, whichever run starts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// The permissions that its new files do not get.
    #[serde(skip_serializing_if = "is_default")]
    pub umask: Umask,
    /// Its niceness, from -20 to 19.
    #[serde(skip_serializing_if = "is_default")]
    pub nice: i32,
    /// Its soft limit of open files, never above the hard one; [`Attributes::USUAL_FILES`] without it.
    #[serde(skip_serializing_if = "is_default")]
    pub nofile: Option<u64>,
}

impl Attributes {
    /// The soft limit of open files where none is declared: enough for servers, and few enough that closing all of them is quick.
    pub const USUAL_FILES: u64 = 65_536;

    /// Whether they are as where nothing is written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The soft limit of open files that is asked for.
    pub fn open_files(&self) -> u64 {
        self.nofile.unwrap_or(Self::USUAL_FILES)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The permissions that new files do not get; never the user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Umask(u32);

impl Umask {
    /// As bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl Default for Umask {
    fn default() -> Self {
        Self(0o022)
    }
}

impl fmt::Display for Umask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

impl FromStr for Umask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_octal = (1..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        match u32::from_str_radix(text, 8) {
            Ok(bits) if is_octal && bits <= 0o077 => Ok(Self(bits)),
            Ok(bits) if is_octal && bits <= 0o777 => {
                Err(format!("`{text}` would lock it out of its own files: write one from \"000\" to \"077\""))
            }
            Ok(_) | Err(_) => Err(format!("`{}` is not a umask: write three octal digits such as \"022\"", text.escape_debug())),
        }
    }
}

impl Serialize for Umask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Umask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_umask_is_octal_and_leaves_the_user_their_own_files() {
        for (text, bits) in [("022", 0o022), ("0027", 0o027), ("0", 0), ("77", 0o077)] {
            assert_eq!(text.parse::<Umask>().map(Umask::bits), Ok(bits), "{text}");
        }
        for text in ["", "8", "+22", "0o22", "00022", "777", "100", "u=rwx", "-1"] {
            assert!(text.parse::<Umask>().is_err(), "{text}");
        }
        assert_eq!(Umask::default().to_string(), "022");
    }

    #[test]
    fn what_is_not_declared_is_not_written() {
        assert_eq!(serde_json::to_string(&Attributes::default()).unwrap(), "{}");
        let declared = Attributes { umask: "027".parse().unwrap(), nice: 5, nofile: Some(1024) };
        let text = serde_json::to_string(&declared).unwrap();
        assert_eq!(text, r#"{"umask":"027","nice":5,"nofile":1024}"#);
        assert_eq!(serde_json::from_str::<Attributes>(&text).unwrap(), declared);
        assert_eq!((Attributes::default().open_files(), declared.open_files()), (65_536, 1024));
    }
}
