//! Why a command did not do what it was asked to: the last line of `--json`.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::event::ErrorCode;
use crate::plan::Unfinished;

/// The last line of the `--json` of a command that could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorDocument {
    /// What went wrong.
    pub error: ErrorEntry,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorEntry {
    /// What programs act on.
    pub code: ErrorCode,
    /// The same for people.
    pub message: String,
    /// Whether the same command may succeed later though no person changed anything.
    pub retryable: bool,
    /// What to do; null if the message says it.
    pub hint: Option<String>,
    /// What is left to do of each agent that is not as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Unfinished>,
}

impl ErrorEntry {
    /// An error with this code.
    pub fn new(code: ErrorCode, message: String, hint: Option<String>) -> Self {
        Self { code, message, retryable: code.is_retryable(), hint, agents: Vec::new() }
    }
}

/// The schema of an error.
pub fn error_schema() -> Schema {
    super::schema_of::<ErrorDocument>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_tells_programs_whether_to_try_again() {
        let schema = serde_json::to_value(error_schema()).unwrap();
        let told = schema["$defs"]["ErrorCode"]["oneOf"].as_array().unwrap();
        assert_eq!(told.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            let told = told.iter().find(|told| told["const"] == code.as_str()).unwrap();
            let says = told["description"].as_str().unwrap();
            assert_eq!(says.ends_with(". Retryable."), code.is_retryable(), "{code}: {says}");
            assert_eq!(says.ends_with(". Not retryable."), !code.is_retryable(), "{code}: {says}");
        }
    }
}
