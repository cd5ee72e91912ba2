//! The label that every instance bears from its first instant, and the digest of a launch in it.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AgentName, FleetName, Generation};

/// The label of one instance, written `v1/FLEET/AGENT/GENERATION/DIGEST/ID`.
///
/// It is an argument of the instance's keeper and the value of `RECONCILE` in its environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Whose it is.
    pub fleet: FleetName,
    /// The agent as it was called at the spawn; a rename does not change the mark.
    pub agent: AgentName,
    /// Which life of the agent.
    pub generation: Generation,
    /// What it was started with, so that drift is seen even without a record.
    pub digest: LaunchDigest,
    /// Random per instance: 16 hexadecimal digits.
    pub id: Arc<str>,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1/{}/{}/{}/{}/{}", self.fleet, self.agent, self.generation, self.digest.0, self.id)
    }
}

impl Mark {
    /// Whether it is written like this.
    pub fn is_written(&self, text: &str) -> bool {
        let mut rest = Rest(text);
        write!(rest, "{self}").is_ok() && rest.0.is_empty()
    }
}

/// What of a text is not written yet.
struct Rest<'a>(&'a str);

impl fmt::Write for Rest<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a mark", text.escape_debug());
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or_else(wrong);
        if part()? != "v1" {
            return Err(wrong());
        }
        let mark = Self {
            fleet: part()?.parse()?,
            agent: part()?.parse()?,
            generation: Generation(part()?.parse().map_err(|_| wrong())?),
            digest: LaunchDigest(part()?.into()),
            id: part()?.into(),
        };
        let hex = |text: &str| !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let whole = parts.next().is_none() && hex(&mark.digest.0) && hex(&mark.id) && mark.generation.0 > 0;
        if whole { Ok(mark) } else { Err(wrong()) }
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::time::parsed(deserializer)
    }
}

/// A digest of a [`super::Launch`]: the first 128 bits of a BLAKE3 hash in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaunchDigest(pub Arc<str>);

impl fmt::Display for LaunchDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written_and_nothing_else_is() {
        let text = "v1/atlas/lead/7/0123456789abcdef0123456789abcdef/00ff00ff00ff00ff";
        assert_eq!(text.parse::<Mark>().unwrap().to_string(), text);
        for text in [
            "",
            "v2/atlas/lead/7/01/ff",
            "v1/atlas/lead/7/01",
            "v1/atlas/lead/7/01/ff/",
            "v1/Atlas/lead/7/01/ff",
            "v1/atlas//7/01/ff",
            "v1/atlas/lead/0/01/ff",
            "v1/atlas/lead/x/01/ff",
            "v1/atlas/lead/7/zz/ff",
            " v1/atlas/lead/7/01/ff",
        ] {
            assert!(text.parse::<Mark>().is_err(), "{text}");
        }
    }
}
