//! The name of a note: 64 bits, written as 16 hexadecimal digits, chosen at random by whoever claims or puts it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a note for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteId(u64);

impl NoteId {
    /// The name that these bits are.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for NoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for NoteId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match u64::from_str_radix(text, 16) {
            Ok(bits) if digits => Ok(Self(bits)),
            Ok(_) | Err(_) => Err(format!("`{text}` is not the id of a note: it has 16 digits of 0-9 and a-f")),
        }
    }
}

impl Serialize for NoteId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NoteId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::time::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        for bits in [0, 0xab, u64::MAX] {
            assert_eq!(NoteId::new(bits).to_string().parse(), Ok(NoteId::new(bits)));
        }
        assert_eq!(NoteId::new(0xab).to_string(), "00000000000000ab");
        for text in ["", "ab", "00000000000000AB", "+0000000000000ab", "00000000000000ab0", "0000000000000 ab"] {
            assert!(text.parse::<NoteId>().is_err(), "{text}");
        }
    }
}
