//! An agent in the words of the manifest: what diffs, plans and `config` show.

use serde_json::{Map, Value, json};

use super::{
    AgentSpec, Attributes, Bytes, Care, Command, DialogAnswer, DialogRule, DrainAsk, DrainStep, Handoff, Heartbeat, Hook, Idle, Inherit,
    Launch, LaunchDigest, Limits, Live, Log, Place, Preset, Probe, Ready, Restart, Secret, SecretSource, Text,
};

/// The digest of what an instance is started with. Equal launches have equal digests in every version of the tool.
pub fn canonical_digest(launch: &Launch) -> LaunchDigest {
    // Struct fields have a fixed order and maps are sorted, so the text is canonical.
    let text = serde_json::to_vec(launch).expect("a launch has string keys only");
    LaunchDigest(blake3::hash(&text).to_hex()[..32].into())
}

/// The spec of an agent as the manifest would write it out in full; secrets by their source only.
pub fn effective(spec: &AgentSpec) -> Map<String, Value> {
    let mut fields = launch_fields(&spec.launch);
    for (name, value) in care_fields(&spec.care, &spec.launch.place) {
        // What may be used is in one table, of which one part is launch and the other care.
        match (fields.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (_, value) => drop(fields.insert(name, value)),
        }
    }
    fields
}

/// A launch in the words of the manifest.
pub fn launch_fields(spec: &Launch) -> Map<String, Value> {
    let mut fields = Map::new();
    launch(spec, &mut fields);
    fields.retain(|_, value| !is_empty(value));
    fields
}

/// A care in the words of the manifest, of an agent at such a place.
pub fn care_fields(spec: &Care, place: &Place) -> Map<String, Value> {
    let mut fields = Map::new();
    care(spec, place, &mut fields);
    fields.retain(|_, value| !is_empty(value));
    fields
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn launch(launch: &Launch, fields: &mut Map<String, Value>) {
    let Launch { command, place, cwd, env, env_file, inherit_env, unset_env, secrets, stdin_file, replace_on, attributes, daemonizes } =
        launch;
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set(
        "command",
        match command {
            Command::Argv(words) => json!(words),
            Command::Shell(line) => json!(line),
        },
    );
    match place {
        Place::Tmux { socket, session, window } => {
            set("runtime", json!("tmux"));
            set("socket", json!(socket));
            set("session", json!(session));
            set("window", json!(window));
        }
        Place::Daemon { pidfile } => {
            set("runtime", json!("daemon"));
            set("pidfile", json!(pidfile));
            set("daemonizes", json!(daemonizes));
        }
    }
    set("cwd", json!(cwd));
    set("env", json!(env));
    set("env_file", json!(env_file));
    set(
        "inherit_env",
        match inherit_env {
            Inherit::Minimal => json!("minimal"),
            Inherit::All => json!("all"),
            Inherit::None => json!("none"),
            Inherit::Only(names) => json!(names),
        },
    );
    set("unset_env", json!(unset_env));
    set("secrets", secrets.iter().map(|(name, secret)| (name.clone(), secret_source(secret))).collect::<Map<_, _>>().into());
    set("stdin_file", json!(stdin_file));
    set("replace_on", json!(replace_on));
    let Attributes { umask, nice, nofile } = attributes;
    set("umask", json!(umask));
    set("nice", json!(nice));
    set("limits", written([("nofile", json!(nofile))]));
}

fn secret_source(secret: &Secret) -> Value {
    let Secret { from, on_change } = secret;
    let (kind, source) = match from {
        SecretSource::File(path) => ("file", json!(path)),
        SecretSource::Command(words) => ("command", json!(words)),
        SecretSource::Env(name) => ("env", json!(name)),
    };
    json!({ kind: source, "on_change": on_change })
}

fn care(care: &Care, place: &Place, fields: &mut Map<String, Value>) {
    let Care {
        after,
        preset,
        accept,
        dialogs,
        idle,
        prompt,
        handoff,
        ready,
        live,
        limits,
        restart,
        drain,
        protect,
        on_remove,
        desired,
        hold,
        hold_max,
        log,
        pane_log,
        hooks,
        leftovers,
        layout,
        session_options,
        title,
        labels,
        description,
    } = care;
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("after", json!(after));
    set("preset", preset.iter().map(preset_name).collect());
    set("accept", json!(accept));
    set("dialogs", dialogs.iter().map(dialog).collect());
    set("idle", idle.as_ref().map_or(Value::Null, |Idle { busy, idle, quiet }| json!({ "busy": busy, "idle": idle, "quiet": quiet })));
    match prompt {
        Some(Text::Plain(text)) => set("prompt", json!(text)),
        Some(Text::File(path)) => set("prompt_file", json!(path)),
        None => None,
    };
    if *handoff != Handoff::default() {
        set("handoff", handoff_fields(handoff));
    }
    set("ready", ready_fields(ready));
    set("live", live_fields(live));
    set("limits", limits_fields(limits));
    set("restart", restart_fields(restart));
    set("drain", drain.iter().map(drain_step).collect());
    set("protect", json!(protect));
    set("on_remove", json!(on_remove));
    set("desired", json!(desired));
    set("hold", json!(hold));
    set("hold_max", json!(hold_max));
    let log = match place {
        Place::Daemon { .. } => Some(log),
        Place::Tmux { .. } => pane_log.as_ref(),
    };
    set("log", log.map_or(Value::Null, |Log { file, max_size, keep }| json!({ "file": file, "max_size": max_size, "keep": keep })));
    let hook = |(name, hook): (&str, Option<&Hook>)| Some((name.to_owned(), json!(hook?)));
    set("hooks", hooks.named().into_iter().filter_map(hook).collect::<Map<_, _>>().into());
    set("leftovers", json!(leftovers));
    set("layout", json!(layout));
    set("session_options", json!(session_options));
    set("title", json!(title));
    set("labels", json!(labels));
    set("description", json!(description));
}

fn handoff_fields(handoff: &Handoff) -> Value {
    let Handoff { source, inbox, archive, from, deliver, keep, max_size, expires, ack, require, crash_note } = handoff;
    let mut fields = json!({
        "source": source, "inbox": inbox, "archive": archive, "from": from, "deliver": deliver, "keep": keep, "max_size": max_size,
        "expires": expires, "ack": ack.as_ref().map(ready_fields), "require": require, "crash_note": crash_note,
    });
    if let Value::Object(fields) = &mut fields {
        fields.retain(|_, value| !is_empty(value));
    }
    fields
}

/// The name of rules; that of a file with the beginning of its digest, so that other rules under the same name are seen to be others.
fn preset_name(preset: &Preset) -> Value {
    match preset {
        Preset::Named(name) => json!(name),
        Preset::File { path, text } => json!(format!("{} ({})", path.display(), &blake3::hash(text.as_bytes()).to_hex()[..8])),
    }
}

fn dialog(rule: &DialogRule) -> Value {
    let DialogRule { name, question, answer, max, confirm_gone } = rule;
    let (kind, answer) = match answer {
        DialogAnswer::Choose(label) => ("choose", json!(label)),
        DialogAnswer::Keys(keys) => ("keys", json!(keys)),
        DialogAnswer::Stop => ("stop", json!(true)),
    };
    json!({ "name": name, "match": question, kind: answer, "max": max, "confirm_gone": confirm_gone })
}

fn ready_fields(ready: &Ready) -> Value {
    let Ready { probe, timeout, interval, on_timeout, owner } = ready;
    let mut fields = probe_fields(probe);
    fields.insert("timeout".to_owned(), json!(timeout));
    fields.insert("interval".to_owned(), json!(interval));
    fields.insert("on_timeout".to_owned(), json!(on_timeout));
    if matches!(probe, Probe::Tcp(_) | Probe::Http { .. }) {
        fields.insert("owner".to_owned(), json!(owner));
    }
    Value::Object(fields)
}

fn probe_fields(probe: &Probe) -> Map<String, Value> {
    let mut fields = Map::new();
    let (kind, value) = match probe {
        Probe::Screen(pattern) => ("screen", json!(pattern)),
        Probe::File(path) => ("file", json!(path)),
        Probe::Tcp(address) => ("tcp", json!(address)),
        Probe::Http { url, status } => {
            fields.insert("status".to_owned(), json!(status));
            ("http", json!(url))
        }
        Probe::Command(words) => ("command", json!(words)),
        Probe::Delay(length) => ("delay", json!(length)),
        Probe::Heartbeat { file, max_age } => {
            fields.insert("max_age".to_owned(), json!(max_age));
            ("heartbeat", json!(file))
        }
        // The rule where none is written.
        Probe::Preset => return fields,
    };
    fields.insert(kind.to_owned(), value);
    fields
}

fn restart_fields(restart: &Restart) -> Value {
    let Restart { policy, success, backoff, healthy_after, give_up, only_if } = restart;
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("policy", json!(policy));
    set("success", json!(success));
    set("backoff", json!(backoff));
    set("healthy_after", json!(healthy_after));
    set("give_up", json!(give_up));
    if let Some(probe) = only_if {
        set("only_if", probe_fields(probe).into());
    }
    fields.into()
}

/// Only what says something: the times of a probe go with it.
fn live_fields(live: &Live) -> Value {
    let Live { probe, interval, failures, heartbeat, screen_unchanged } = live;
    let mut fields = Map::new();
    if let Some(probe) = probe {
        fields = probe_fields(probe);
        fields.insert("interval".to_owned(), json!(interval));
        fields.insert("failures".to_owned(), json!(failures));
    }
    if let Some(Heartbeat { file, nudge_after, replace_after, nudge }) = heartbeat {
        let nudge = nudge_after.map(|_| nudge);
        let all =
            [("file", json!(file)), ("nudge_after", json!(nudge_after)), ("replace_after", json!(replace_after)), ("nudge", json!(nudge))];
        fields.insert("heartbeat".to_owned(), written(all));
    }
    if let Some(length) = screen_unchanged {
        fields.insert("screen_unchanged".to_owned(), json!(length));
    }
    fields.into()
}

fn limits_fields(limits: &Limits) -> Value {
    let Limits { memory, runtime } = limits;
    written([("memory", json!(memory.map(|memory| Bytes(memory).exact()))), ("runtime", json!(runtime))])
}

fn written<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    fields.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn drain_step(step: &DrainStep) -> Value {
    let DrainStep { ask, wait, until } = step;
    let mut fields = match ask {
        DrainAsk::Ask(text) => json!({ "ask": text, "wait": wait }),
        DrainAsk::Message(text) => json!({ "message": text, "wait": wait }),
        DrainAsk::Command(words) => json!({ "command": words, "wait": wait }),
        DrainAsk::Keys(keys) => json!({ "keys": keys, "wait": wait }),
        DrainAsk::Signal { signal, to } => json!({ "signal": signal, "to": to, "wait": wait }),
    };
    if let (Value::Object(fields), Some(probe)) = (&mut fields, until) {
        fields.insert("until".to_owned(), Value::Object(probe_fields(probe)));
    }
    fields
}
