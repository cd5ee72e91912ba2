//! Text → [`Desired`]: templates expanded, variables filled in, everything checked, all errors found in one run.
//!
//! Pure: whatever is not in the text is asked through [`Sources`]. Looks at no machine: a folder or program that is missing there is for the
//! plan to say.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::desired::{AgentName, Care, Declared, Desired, FleetName, Guard, Server, Shared, Socket, Source};
use crate::diagnostic::Diagnostic;

mod care;
mod check;
mod context;
mod copies;
mod drain;
mod explain;
pub(crate) mod file;
mod handoff;
mod hooks;
mod interpolate;
mod layers;
mod live;
mod memory;
mod ours;
mod paths;
mod probe;
pub(crate) mod read;
mod report;
mod resolve;
mod sources;
mod strangers;
mod suggest;
mod terminal;
mod texts;
mod vars;
mod watch;
pub(crate) mod words;

pub use explain::Origin;
pub use memory::Memory;
pub use ours::Ours;
pub use sources::{Answer, Entry, Kind, Sources};
pub(crate) use words::Bytes;

use check::Names;
use context::Context;
use file::Manifest;
use layers::{Layers, Written};
use read::{At, Layer, Reader};
use report::{Report, Spot};
use texts::Text;

/// What came of loading a manifest.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The fleet; none if there is any error.
    pub desired: Option<Desired>,
    /// All errors and warnings, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that were read, by the names that spans use. The manifest's own is [`Loaded::name`].
    pub texts: BTreeMap<Arc<str>, Arc<str>>,
    /// What the result depends on, for a watcher.
    pub depends_on: Dependencies,
    /// The manifest as it was named.
    pub name: Arc<str>,
    /// The names of all files in the order in which they count.
    files: Vec<Arc<str>>,
}

/// What a manifest depends on. When one of these changes, it may mean something else. All paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// Files whose content counts: the manifest, what it includes, JSON files of `for_each`, files of `replace_on`.
    pub files: BTreeSet<PathBuf>,
    /// Folders whose list of entries counts: those of globs.
    pub folders: BTreeSet<PathBuf>,
    /// Files and folders whose last change counts, at any depth: those of `active_within`.
    pub activity: BTreeSet<PathBuf>,
    /// Variables of the environment whose values count: those of `[vars]` that say `{ env = "NAME" }` and are not given otherwise.
    pub variables: BTreeSet<String>,
}

/// Loads the manifest at `path`. `vars` are the variables given from outside (`--var`, `RECONCILE_VAR_…`), which win over `[vars]`.
pub fn load(path: &str, sources: &dyn Sources, vars: &BTreeMap<String, String>) -> Loaded {
    let report = Report::default();
    let main = texts::main(path, sources, &report);
    if report.errors() > 0 {
        let depends_on = Dependencies { files: [main.path.clone()].into(), ..Dependencies::default() };
        return finish(None, report, vec![main], depends_on);
    }
    let text = Arc::clone(&main.text);
    let document = texts::document(&text, 0, &report);
    let (included, folders) = texts::included(&main, &document, sources, &report);
    let texts: Vec<Text> = std::iter::once(main).chain(included).collect();
    let contents: Vec<Arc<str>> = texts.iter().map(|text| Arc::clone(&text.text)).collect();
    let depends_on = Dependencies {
        files: texts.iter().map(|text| text.path.clone()).collect(),
        folders: folders.into_iter().collect(),
        ..Dependencies::default()
    };
    let more: Vec<_> = (1..).zip(&contents[1..]).map(|(file, text)| texts::document(text, file, &report)).collect();
    let documents = texts::layers(std::iter::once(&document).chain(&more));
    let (desired, depends_on) = fleet(&documents, &texts, sources, vars, depends_on, &report);
    finish(desired, report, texts, depends_on)
}

fn finish(desired: Option<Desired>, report: Report, texts: Vec<Text>, depends_on: Dependencies) -> Loaded {
    let files: Vec<Arc<str>> = texts.iter().map(|text| Arc::clone(&text.name)).collect();
    let desired = desired.filter(|_| report.errors() == 0);
    Loaded {
        desired,
        diagnostics: report.diagnostics(&files),
        texts: texts.into_iter().map(|text| (text.name, text.text)).collect(),
        depends_on,
        name: files.first().cloned().unwrap_or_else(|| "".into()),
        files,
    }
}

fn fleet<'a>(
    documents: &[Layer<'a>],
    texts: &'a [Text],
    sources: &'a dyn Sources,
    given: &BTreeMap<String, String>,
    mut depends_on: Dependencies,
    report: &'a Report,
) -> (Option<Desired>, Dependencies) {
    let reader = Reader::new(report, file::EXCLUSIVE);
    let manifest: Manifest<'a> = reader.read(documents);
    check_version(&manifest, documents, report);
    let mut layers = layers::collect(documents, report);
    layers.check_shared(&reader, report);

    let end = Spot::default();
    let fleet = manifest.fleet.and_then(|fleet| layers::check_name(fleet.value, fleet.spot, "a fleet", report).then_some(fleet.value));
    let has_fleet = documents.iter().filter_map(Layer::table).any(|table| table.contains_key("fleet"));
    if !has_fleet && !report.is_broken() {
        report.error(end, "the fleet has no name", Some("add a line such as: fleet = \"atlas\"".to_owned()));
    }
    // A fleet without a proper name is refused in the end; until then its manifest is read on under another.
    let fleet: FleetName = fleet.unwrap_or("fleet").parse().expect("the name was checked");
    let vars = vars::variables(&manifest, given, sources, &mut depends_on.variables, report);
    let state = sources.state_folder(&fleet).unwrap_or_else(|why| {
        report.error(end, format!("the state folder is not known: {why}"), None);
        PathBuf::from("/")
    });
    let sessions = manifest.sessions.as_ref().map_or(&[][..], |sessions| &sessions.0);
    for (name, _) in sessions {
        check_session(*name, report);
    }
    let mut context = Context {
        report,
        sources,
        texts,
        vars: &vars,
        fleet: fleet.as_str(),
        state: state.display().to_string(),
        folder: texts.first().map(|text| text.folder.display().to_string()).unwrap_or_default(),
        socket: Socket(fleet.to_string()),
        sessions: sessions.iter().map(|(name, session)| (name.value, session)).collect(),
        sessions_used: RefCell::default(),
        depends_on: RefCell::new(depends_on),
        digests: RefCell::default(),
        patterns: RefCell::default(),
        presets: RefCell::default(),
    };
    let server = server(&manifest, &context);
    context.socket = server.socket.clone();
    let mut agents = agents(&layers, &reader, &context);

    for (name, session) in sessions.iter().filter(|(name, _)| !context.sessions_used.borrow().contains(name.value)) {
        // Its options are read by the agents in it, so here they were not.
        context.fields().options(session.options.as_ref());
        if crate::desired::is_name(name.value) {
            report.warning(name.spot, format!("no agent is in session `{}`", name.value), None);
        }
    }
    let strangers = strangers::patterns(manifest.strangers.as_ref(), &context);
    let watch = watch::watching(manifest.watch.as_ref(), &context.fields());
    let notify = watch::notices(manifest.notify.as_deref().unwrap_or_default(), &context.fields());
    vars::unused(&vars, given, report);
    let guard = manifest.guard.map_or_else(Guard::default, |guard| Guard {
        max_stop: guard.max_stop.map(|limit| limit.value.0),
        allow_empty: guard.allow_empty.unwrap_or(false),
    });
    let depends_on = context.depends_on.take();
    share_care(&mut agents);
    let desired = (report.errors() == 0).then(|| Desired {
        server,
        agents,
        guard,
        strangers,
        watch,
        notify,
        digest: digest(texts),
        fleet: fleet.clone(),
    });
    (desired, depends_on)
}

/// Has agents that are looked after alike, such as replicas, hold one care together.
fn share_care(agents: &mut BTreeMap<AgentName, Declared>) {
    let mut last: Option<Shared<Care>> = None;
    for declared in agents.values_mut() {
        if let Some(last) = &last {
            declared.spec.care.share(last);
        }
        last = Some(declared.spec.care.clone());
    }
}

fn check_version(manifest: &Manifest<'_>, documents: &[Layer<'_>], report: &Report) {
    let wrong = |spot: Spot, version: &str| {
        let hint = Some(format!("this tool reads version {}", file::VERSION));
        report.error(spot, format!("version {version} of the format is not known"), hint);
    };
    let main = documents.first().and_then(Layer::table);
    if main.is_some_and(|table| !table.contains_key("version")) && !report.is_broken() {
        report.error(Spot::default(), "the version of the format is missing", Some(format!("add the line: version = {}", file::VERSION)));
    }
    for document in documents {
        let Some((key, value)) = document.table().and_then(|table| table.get_key_value("version")) else { continue };
        // Another type was reported when the manifest was read, if it is in its own file.
        let layer = Layer { value, ..*document };
        match value.get_ref().as_integer() {
            Some(number) if number.as_str() == "1" => {}
            Some(number) => wrong(layer.spot(), number.as_str()),
            None if document.file > 0 => wrong(layer.spot(), key.get_ref()),
            None => {}
        }
    }
    for document in documents.iter().skip(1) {
        if let Some((key, _)) = document.table().and_then(|table| table.get_key_value("include")) {
            let spot = Spot::new(document.file, false, &key.span());
            report.error(spot, "an included file cannot include others", Some("include them in the manifest itself".to_owned()));
        }
    }
    let _ = manifest.version;
}

fn check_session(name: At<&str>, report: &Report) {
    if name.value.starts_with('_') {
        let message = format!("session `{}` cannot be declared: names that begin with `_` are the tool's own", name.value.escape_debug());
        report.error(name.spot, message, None);
    } else {
        layers::check_name(name.value, name.spot, "a session", report);
    }
}

fn server(manifest: &Manifest<'_>, context: &Context<'_>) -> Server {
    let fields = context.fields();
    let default =
        || Server { socket: context.socket.clone(), config: None, size: crate::desired::Size::default(), options: BTreeMap::new() };
    let Some(tmux) = &manifest.tmux else { return default() };
    let file::Tmux { socket, size, options, config } = tmux;
    let socket = socket.map_or_else(
        || context.socket.clone(),
        |socket| {
            let text = fields.word(socket).into_owned();
            if text.contains('/') || text.starts_with('~') {
                return Socket(fields.path(At { value: socket.value, spot: socket.spot }).display().to_string());
            }
            if text.starts_with('-') || text.contains(char::is_whitespace) || text == "." || text == ".." {
                context.report.error(socket.spot, format!("`{}` cannot be the name of a socket", text.escape_debug()), None);
            }
            Socket(text)
        },
    );
    Server {
        socket,
        config: config.map(|config| fields.file(config)),
        size: size.map_or_else(Default::default, |size| size.value.0),
        options: fields.options(options.as_ref()),
    }
}

fn agents<'a>(layers: &Layers<'a>, reader: &Reader<'_>, context: &Context<'_>) -> BTreeMap<AgentName, Declared> {
    let report = context.report;
    let lines = Lines::of(context.texts);
    let mut names = Names::default();
    let mut agents: Vec<(AgentName, Declared)> = Vec::with_capacity(layers.agents.len());
    let mut asked = Vec::new();
    let mut old_names = Vec::new();
    let mut all = Vec::with_capacity(layers.agents.len());
    for (name, table) in &layers.agents {
        let declared = At { value: *name, spot: table.spot };
        if layers::check_table(table.value, report) {
            all.push(written(declared, table.value, layers, reader, report));
        }
    }
    for written in &all {
        let declared = written.declared;
        let source = Source { file: Arc::clone(&context.texts[declared.spot.file as usize].name), line: lines.line(declared.spot) };
        let first = names.len();
        let mut spoilt: Option<Declared> = None;
        for copy in copies::copies(written, &all, context) {
            if !names.add(declared, &copy.name, report) {
                continue;
            }
            // What is wrong with one copy is wrong with all of them, and was told. The others only need to be there.
            if let Some(spoilt) = &spoilt {
                agents.push((copy.name, spoilt.clone()));
                continue;
            }
            let errors = report.errors();
            let number = agents.len();
            let fields = copy.fields(context);
            let spec = resolve::spec(written, &copy.name, &fields);
            if let Some(after) = written.get(|agent| &agent.after) {
                check::asked(&after.value, number, &fields, &mut asked);
            }
            let renamed_from = written.get(|agent| &agent.renamed_from).and_then(|old| {
                old_names.push((number, old.spot));
                fields.name(*old)
            });
            let agent = Declared { spec, source: source.clone(), renamed_from };
            if report.errors() > errors {
                spoilt = Some(agent.clone());
            }
            agents.push((copy.name.clone(), agent));
        }
        if written.get(|agent| &agent.replicas).is_some()
            || written.get(|agent| &agent.for_each).is_some()
            || written.get(|agent| &agent.name).is_some()
        {
            names.group(declared, first);
        }
    }
    check::after(asked, &names, &mut agents, report);
    check::clashes(&agents, &names, &old_names, report);
    agents.into_iter().collect()
}

fn written<'a>(declared: At<&'a str>, table: Layer<'a>, layers: &Layers<'a>, reader: &Reader<'_>, report: &Report) -> Written<'a> {
    let errors = report.errors();
    let chain = layers.of_agent(table, reader, report);
    let below = layers.below(&chain, reader);
    let own = reader.read_top(&chain);
    let has_flaws = report.errors() > errors || below.has_flaws || report.is_broken();
    Written { declared, own, below, has_flaws }
}

/// Where the lines of the texts begin.
struct Lines(Vec<Vec<usize>>);

impl Lines {
    fn of(texts: &[Text]) -> Self {
        let starts = |text: &Text| text.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1).collect();
        Self(texts.iter().map(starts).collect())
    }

    /// The line of a place, from 1.
    fn line(&self, spot: Spot) -> usize {
        self.0.get(spot.file as usize).map_or(1, |starts| starts.partition_point(|start| *start <= spot.start as usize) + 1)
    }
}

/// The digest of all texts with their names.
fn digest(texts: &[Text]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        for part in [text.name.as_bytes(), text.text.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    format!("blake3:{}", hasher.finalize().to_hex())
}

#[cfg(test)]
mod tests;
