//! What is looked for that nobody owns.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::read::At;

/// What is looked for that nobody owns.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { match = [\"claude\"] }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Strangers<'a> {
    /// Names of programs, such as `"claude"`; `*` stands for anything, `?` for one character. `status` lists their processes that bear no
    /// fleet's mark. They are never touched.
    #[serde(rename = "match")]
    #[schemars(inner(regex(pattern = r"^[^/]*[^/*?][^/]*$")))]
    pub(crate) names: Option<Vec<At<&'a str>>>,
}
