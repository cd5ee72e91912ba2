//! The four protocols: which path is which, and the same answer in the form of each.

use serde_json::{Value, json};

use crate::answer::{COMMAND, Turn};
use crate::http::{Event, Request};

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Anthropic's messages.
    Messages,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's chat completions.
    Chat,
    /// Gemini's `generateContent`.
    Gemini,
}

/// The protocol of a path; none for one that asks for no answer of a model.
pub(crate) fn of(path: &str) -> Option<Protocol> {
    let path = path.split('?').next().unwrap_or_default();
    if path.ends_with("/messages") {
        Some(Protocol::Messages)
    } else if path.ends_with("/responses") {
        Some(Protocol::Responses)
    } else if path.ends_with("/chat/completions") {
        Some(Protocol::Chat)
    } else if path.ends_with(":streamGenerateContent") || path.ends_with(":generateContent") {
        Some(Protocol::Gemini)
    } else {
        None
    }
}

fn event(name: Option<&'static str>, data: &Value) -> Event {
    Event { name, data: data.to_string(), is_text: false }
}

fn text(name: Option<&'static str>, data: &Value) -> Event {
    Event { name, data: data.to_string(), is_text: true }
}

impl Protocol {
    /// Whether the answer is a stream.
    pub(crate) fn streams(self, request: &Request) -> bool {
        match self {
            Self::Gemini => request.path.contains(":streamGenerateContent"),
            Self::Messages | Self::Responses | Self::Chat => request.body["stream"] == true,
        }
    }

    /// That the key is refused.
    pub(crate) fn refusal(self) -> Value {
        match self {
            Self::Messages => json!({ "type": "error", "error": { "type": "authentication_error", "message": "invalid x-api-key" } }),
            Self::Responses | Self::Chat => json!({ "error": { "code": "invalid_api_key", "message": "Incorrect API key provided" } }),
            Self::Gemini => json!({ "error": { "code": 401, "message": "Incorrect API key provided", "status": "UNAUTHENTICATED" } }),
        }
    }

    /// The answer in one piece.
    pub(crate) fn whole(self, turn: &Turn) -> Value {
        let said = turn.parts().concat();
        match self {
            Self::Messages => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": null,
                "content": [{ "type": "text", "text": said }], "usage": { "input_tokens": 9, "output_tokens": 9 },
            }),
            Self::Responses => completed(&[said_item(&said)]),
            Self::Chat => json!({
                "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": said }, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18 },
            }),
            Self::Gemini => candidate(&json!([{ "text": said }]), Some("STOP")),
        }
    }

    /// The answer as the events of a stream.
    pub(crate) fn events(self, turn: &Turn) -> Vec<Event> {
        match self {
            Self::Messages => messages(turn),
            Self::Responses => responses(turn),
            Self::Chat => chat(turn),
            Self::Gemini => gemini(turn),
        }
    }
}

fn messages(turn: &Turn) -> Vec<Event> {
    let named = |name: &'static str, data: Value| event(Some(name), &data);
    let mut events = vec![named(
        "message_start",
        json!({ "type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": { "input_tokens": 9, "output_tokens": 1 },
        } }),
    )];
    let block = if turn.runs() {
        json!({ "type": "tool_use", "id": "toolu_1", "name": turn.tool, "input": {} })
    } else {
        json!({ "type": "text", "text": "" })
    };
    events.push(named("content_block_start", json!({ "type": "content_block_start", "index": 0, "content_block": block })));
    let delta = |delta: Value| json!({ "type": "content_block_delta", "index": 0, "delta": delta });
    if turn.runs() {
        let input = json!({ "command": COMMAND, "description": "Make a file" }).to_string();
        events.push(named("content_block_delta", delta(json!({ "type": "input_json_delta", "partial_json": input }))));
    } else {
        let part = |part: &String| text(Some("content_block_delta"), &delta(json!({ "type": "text_delta", "text": part })));
        events.extend(turn.parts().iter().map(part));
    }
    events.push(named("content_block_stop", json!({ "type": "content_block_stop", "index": 0 })));
    let reason = if turn.runs() { "tool_use" } else { "end_turn" };
    events.push(named(
        "message_delta",
        json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": null }, "usage": { "output_tokens": 9 } }),
    ));
    events.push(named("message_stop", json!({ "type": "message_stop" })));
    events
}

fn said_item(said: &str) -> Value {
    let content = json!([{ "type": "output_text", "text": said, "annotations": [] }]);
    json!({ "type": "message", "id": "item_1", "role": "assistant", "status": "completed", "content": content })
}

fn completed(output: &[Value]) -> Value {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": output,
        "usage": {
            "input_tokens": 9, "output_tokens": 9, "total_tokens": 18, "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens_details": { "reasoning_tokens": 0 },
        },
    })
}

fn responses(turn: &Turn) -> Vec<Event> {
    let named = |name: &'static str, data: Value| event(Some(name), &data);
    let item = if turn.runs() {
        // Each version names the tool and its argument otherwise.
        let arguments = match turn.tool.as_str() {
            "exec_command" => json!({ "cmd": COMMAND, "sandbox_permissions": "require_escalated", "justification": "Make a file" }),
            "shell_command" => json!({ "command": COMMAND, "sandbox_permissions": "require_escalated", "justification": "Make a file" }),
            _ => json!({ "command": ["sh", "-c", COMMAND] }),
        };
        json!({ "type": "function_call", "id": "item_1", "call_id": "call_1", "name": turn.tool, "arguments": arguments.to_string() })
    } else {
        said_item(&turn.parts().concat())
    };
    let mut begun = item.clone();
    begun["status"] = json!("in_progress");
    let mut events = vec![
        named("response.created", json!({ "type": "response.created", "response": { "id": "resp_1" } })),
        named("response.output_item.added", json!({ "type": "response.output_item.added", "output_index": 0, "item": begun })),
    ];
    if !turn.runs() {
        let part = |part: &String| {
            let data = json!({
                "type": "response.output_text.delta", "item_id": "item_1", "output_index": 0, "content_index": 0, "delta": part,
            });
            text(Some("response.output_text.delta"), &data)
        };
        events.extend(turn.parts().iter().map(part));
    }
    events
        .push(named("response.output_item.done", json!({ "type": "response.output_item.done", "output_index": 0, "item": item.clone() })));
    events.push(named("response.completed", json!({ "type": "response.completed", "response": completed(&[item]) })));
    events
}

fn chat(turn: &Turn) -> Vec<Event> {
    let chunk = |delta: Value, reason: Option<&str>| {
        json!({
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
            "usage": { "prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18 },
        })
    };
    let mut events = Vec::new();
    let reason = if turn.runs() {
        let input = json!({ "command": COMMAND, "description": "Make a file" }).to_string();
        let call = json!({ "index": 0, "id": "call_1", "type": "function", "function": { "name": turn.tool, "arguments": input } });
        events.push(event(None, &chunk(json!({ "role": "assistant", "tool_calls": [call] }), None)));
        "tool_calls"
    } else {
        let part = |part: &String| text(None, &chunk(json!({ "role": "assistant", "content": part }), None));
        events.extend(turn.parts().iter().map(part));
        "stop"
    };
    events.push(event(None, &chunk(json!({}), Some(reason))));
    events.push(Event { name: None, data: "[DONE]".to_owned(), is_text: false });
    events
}

fn candidate(parts: &Value, reason: Option<&str>) -> Value {
    json!({
        "candidates": [{ "index": 0, "content": { "role": "model", "parts": parts }, "finishReason": reason }],
        "usageMetadata": { "promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18 }, "modelVersion": "m",
    })
}

fn gemini(turn: &Turn) -> Vec<Event> {
    if turn.runs() {
        let call = json!({ "functionCall": { "name": turn.tool, "args": { "command": COMMAND, "description": "Make a file" } } });
        return vec![event(None, &candidate(&json!([call]), Some("STOP")))];
    }
    let parts = turn.parts();
    let last = parts.len().saturating_sub(1);
    let part = |(at, part): (usize, &String)| text(None, &candidate(&json!([{ "text": part }]), (at == last).then_some("STOP")));
    parts.iter().enumerate().map(part).collect()
}
