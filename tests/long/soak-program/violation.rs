//! What ends a soak: a law that does not hold, with the evidence.

use std::fmt;

/// A law that was violated, in words.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

/// Ends the soak unless this holds.
pub(crate) fn must(holds: bool, law: impl FnOnce() -> String) -> anyhow::Result<()> {
    if holds { Ok(()) } else { Err(Violation(law()).into()) }
}
