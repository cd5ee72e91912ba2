//! What a turn is about, read from a request of any of the protocols, and what is answered.

use serde_json::Value;

/// The end of a conversation, as far as an answer depends on it.
pub(crate) struct Turn {
    /// The last text of the person.
    pub(crate) text: String,
    /// Whether a command may be asked for.
    pub(crate) has_tools: bool,
    /// Whether what the command did stands at the end.
    pub(crate) has_result: bool,
    /// The name of the tool that runs a command.
    pub(crate) tool: String,
}

/// A shell command as an answer.
pub(crate) const COMMAND: &str = "touch made-by-tool";

impl Turn {
    pub(crate) fn of(body: &Value) -> Self {
        let list = ["messages", "input", "contents"].iter().find_map(|key| body[*key].as_array()).map(Vec::as_slice).unwrap_or_default();
        let is_persons = |message: &&Value| matches!(message["role"].as_str(), Some("user"));
        let last = list.iter().rev().filter(is_persons).find_map(|message| Some(text(message)).filter(|text| !text.trim().is_empty()));
        let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            text: last.unwrap_or_default(),
            has_tools: !tools.is_empty(),
            has_result: list.last().is_some_and(is_result),
            tool: tools.iter().find_map(shell).unwrap_or_else(|| "shell".to_owned()),
        }
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.text.contains("SLOW")
    }

    pub(crate) fn refuses_the_key(&self) -> bool {
        self.text.contains("AUTH")
    }

    /// Whether a command is asked for.
    pub(crate) fn runs(&self) -> bool {
        self.text.contains("TOOL") && self.has_tools && !self.has_result
    }

    /// The parts of the answer.
    pub(crate) fn parts(&self) -> Vec<String> {
        let count = if self.is_slow() { 25 } else { 1 };
        (0..count).map(|part| format!("Understood, part {part}. ")).collect()
    }
}

/// What programs add to the texts of a person.
const ADDED: [&str; 5] = ["<system-reminder", "<environment_context", "<user_instructions", "<session_context", "<command-"];

/// The text of a message, without what a program adds to it.
fn text(message: &Value) -> String {
    let parts = ["content", "parts"].iter().find_map(|key| message[*key].as_array());
    let own = |part: &Value| {
        part["text"].as_str().filter(|text| !ADDED.iter().any(|added| text.trim_start().starts_with(added))).map(str::to_owned)
    };
    match parts {
        Some(parts) => parts.iter().filter_map(own).collect::<Vec<_>>().join("\n"),
        None => message["content"].as_str().unwrap_or_default().to_owned(),
    }
}

fn is_result(message: &Value) -> bool {
    let is = |part: &Value| part["type"] == "tool_result" || part["functionResponse"].is_object();
    let parts = ["content", "parts"].iter().find_map(|key| message[*key].as_array()).map(Vec::as_slice).unwrap_or_default();
    message["role"] == "tool" || message["type"].as_str().is_some_and(|sort| sort.ends_with("_output")) || parts.iter().any(is)
}

/// The name of a tool, if it runs a command.
fn shell(tool: &Value) -> Option<String> {
    let named = |tool: &Value| {
        let name = tool["name"].as_str().or(tool["function"]["name"].as_str())?;
        let runs = ["bash", "shell", "run_shell_command", "exec_command", "local_shell", "shell_command"];
        runs.contains(&name.to_lowercase().as_str()).then(|| name.to_owned())
    };
    named(tool).or_else(|| tool["functionDeclarations"].as_array()?.iter().find_map(named))
}
