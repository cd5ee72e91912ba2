//! A plan for people: the line per agent, the order of the whole.

use std::collections::BTreeMap;

use anstyle::Style as Ink;

use super::difference::difference;
use super::summary::summary;
use super::text::{BOLD, DIM, GREEN, RED, YELLOW, columns, count, folded_line, line, paint, plain, shortened};
use super::words::{Class, class, deliveries, interrupts, some_of};
use super::{Extent, Invocation, PlanView, Style, detail, rounds, running};
use crate::desired::AgentName;
use crate::observed::Observed;
use crate::plan::{Cause, Change, Kind, Next, Plan, Reason, ServerChange};

/// So many changes of one class are read by people.
const ROWS: usize = 40;

/// A cause is no longer than this; the details have all of it.
const CAUSE: usize = 72;

/// The plan as the contract lays it out: a line per agent that is not at rest, the counts, then the details and the rounds to come.
pub fn plan_human(view: &PlanView<'_>, extent: Extent, style: Style) -> String {
    let mut out = String::new();
    if view.plan.is_empty() {
        out.push_str(&nothing_due(view.plan.at_rest));
        halted(view.manifest, view.observed, style, &mut out);
        gaps(view.observed, style, &mut out);
        return out;
    }
    line(&header(view), &mut out);
    halted(view.manifest, view.observed, style, &mut out);
    gaps(view.observed, style, &mut out);
    out.push('\n');
    listing(view, extent, style, &mut out);
    out.push('\n');
    line(&summary(view.plan), &mut out);
    detail::write(view, extent, style, &mut out);
    let rounds = rounds::lines(view.rounds, extent);
    if !rounds.is_empty() {
        out.push('\n');
        line(&paint("rounds to come", BOLD, style.color), &mut out);
        rounds.iter().for_each(|round| line(round, &mut out));
    }
    out
}

/// That nothing is due for this many agents.
pub fn nothing_due(agents: usize) -> String {
    format!("No changes. {} at rest.\n", count(agents, "agent"))
}

/// What is due and why, a line each, with the counts: for the end of a run.
pub fn plan_listing(view: &PlanView<'_>, style: Style) -> String {
    let mut out = String::new();
    listing(view, Extent::Readable, style, &mut out);
    out.push('\n');
    line(&summary(view.plan), &mut out);
    out
}

/// `fleet atlas · constellation.toml · 9 agents, 7 running · observed 14:02:11`. For `down`, which wants none of them: `nothing wanted, 7 running`.
pub(super) fn header(view: &PlanView<'_>) -> String {
    let agents = match view.desired.agents.len() {
        0 => "nothing wanted".to_owned(),
        some => count(some, "agent"),
    };
    let running = running(view.observed);
    let at = view.observed.at.clock();
    format!("fleet {} · {} · {agents}, {running} running · observed {at}", view.desired.fleet, plain(&view.manifest.manifest))
}

/// That the fleet is to be left alone, if it is.
pub(super) fn halted(manifest: &Invocation, observed: &Observed, style: Style, out: &mut String) {
    let Some(halt) = &observed.halted else { return };
    let frozen = if halt.frozen { " and its processes are stopped" } else { "" };
    let why = halt.why.as_ref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
    let text = match &halt.doubt {
        None => format!("halted since {}{frozen}{why}; released by `reconcile resume`", halt.since.date_and_clock()),
        Some(doubt) => format!("{}. The fleet counts as halted: nothing is started; released by `reconcile resume`", plain(doubt)),
    };
    folded_line(&manifest.complete(&text), YELLOW, style, out);
}

/// What could not be observed, and what keeps agents from being started: each once.
pub(super) fn gaps(observed: &Observed, style: Style, out: &mut String) {
    for gap in &observed.gaps {
        folded_line(&format!("not looked at: {}", plain(gap)), YELLOW, style, out);
    }
    for warning in &observed.warnings {
        line(&paint(&plain(warning), YELLOW, style.color), out);
    }
    for told in conditions(observed) {
        folded_line(&told, RED, style, out);
    }
}

/// What is wrong that is no agent's fault, but for what a gap tells already.
pub(super) fn conditions(observed: &Observed) -> impl Iterator<Item = String> + use<'_> {
    let told = observed.conditions.iter().map(|condition| (condition.to_string(), condition.hint()));
    told.filter(|(text, _)| !observed.gaps.contains(text)).map(|(text, hint)| format!("agents cannot start: {}; {hint}", plain(&text)))
}

/// One line of the listing.
struct Row {
    class: Class,
    name: String,
    verb: String,
    cause: String,
    note: String,
}

/// The changes, a line each.
pub(super) fn listing(view: &PlanView<'_>, extent: Extent, style: Style, out: &mut String) {
    let alone = |change: &Change| !matches!(&change.next, Next::Blocked(blocked) if blocked.reason.is_shared());
    let mut rows: Vec<Row> =
        view.plan.changes.iter().filter(|(_, change)| alone(change)).map(|(name, change)| row(view, name, change)).collect();
    rows.extend(shared(view.plan));
    rows.extend(view.plan.changes.iter().flat_map(|(name, change)| to_come(view, name, change)));
    rows.extend(server(view.plan));
    rows.sort_by_key(|row| row.class);
    let most = match extent {
        Extent::Readable => ROWS,
        Extent::All => usize::MAX,
    };
    let widths = Widths::of(&rows);
    for of_class in rows.chunk_by(|one, other| one.class == other.class) {
        of_class.iter().take(most).for_each(|row| widths.write(row, style, out));
        if of_class.len() > most {
            line(&format!("    … {} more like these; --all shows them", of_class.len() - most), out);
        }
    }
}

/// The columns of the listing.
struct Widths {
    name: usize,
    verb: usize,
    cause: usize,
}

impl Widths {
    fn of(rows: &[Row]) -> Self {
        let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0);
        Self {
            name: widest(&mut rows.iter().map(|row| columns(&row.name))) + 4,
            verb: widest(&mut rows.iter().map(|row| columns(&row.verb))).max("replace".len()) + 4,
            // Lines without a note need no column: a blocked one has its whole message there.
            cause: widest(&mut rows.iter().filter(|row| !row.note.is_empty()).map(|row| columns(&row.cause))) + 4,
        }
    }

    fn write(&self, row: &Row, style: Style, out: &mut String) {
        let Self { name, verb, cause } = *self;
        let Row { class, name: who, verb: what, cause: why, note } = row;
        let (sign, ink) = sign(*class);
        let start = format!("  {} {who:name$}{what:verb$}", paint(sign, ink, style.color));
        let indent = 4 + name + verb;
        if note.is_empty() {
            line(&format!("{start}{why}"), out);
        } else if (indent + cause).saturating_add(columns(note)) <= style.width {
            line(&format!("{start}{why:cause$}{note}"), out);
        } else {
            line(&format!("{start}{why}"), out);
            line(&format!("{:indent$}{note}", ""), out);
        }
    }
}

fn row(view: &PlanView<'_>, name: &AgentName, change: &Change) -> Row {
    let class = class(change);
    let costs = || {
        let sighting = view.observed.agents.get(name)?;
        interrupts(change, sighting, view.observed.at)
    };
    let why = cause(change);
    let (verb, cause, note) = match &change.next {
        Next::Act(_) => (change.kind.to_string(), why, costs().unwrap_or_default()),
        Next::Wait(wait) => {
            let verb = if class == Class::Starting { "wait".to_owned() } else { change.kind.to_string() };
            (verb, why, [Some(wait.to_string()), costs()].into_iter().flatten().collect::<Vec<_>>().join("; "))
        }
        Next::Held(held) => ("held".to_owned(), why, view.manifest.complete(&plain(&held.text(name))).into_owned()),
        Next::Blocked(blocked) => ("blocked".to_owned(), view.manifest.complete(&plain(&blocked.message)).into_owned(), String::new()),
    };
    Row { class, name: name.to_string(), verb, cause, note }
}

/// What blocks agents for a reason that is no agent's fault and is shown above: a line for each reason.
fn shared(plan: &Plan) -> impl Iterator<Item = Row> {
    let mut gathered: BTreeMap<Reason, Vec<&AgentName>> = BTreeMap::new();
    for (name, change) in &plan.changes {
        match &change.next {
            Next::Blocked(blocked) if blocked.reason.is_shared() => gathered.entry(blocked.reason).or_default().push(name),
            Next::Blocked(_) | Next::Act(_) | Next::Wait(_) | Next::Held(_) => {}
        }
    }
    gathered.into_iter().map(|(reason, names)| {
        let (name, cause) = match names[..] {
            [only] => (only.to_string(), reason.in_short()),
            [..] => (count(names.len(), "agent"), format!("{}: {}", reason.in_short(), some_of(&names))),
        };
        Row { class: Class::Blocked, name, verb: "blocked".to_owned(), cause, note: String::new() }
    })
}

/// Why a change is due, in at most [`CAUSE`] columns: of a field that differs, the part that does.
fn cause(change: &Change) -> String {
    let why = change.why();
    let is_about_fields = matches!(change.cause, Cause::LaunchChanged | Cause::CareChanged);
    let shown = match &change.fields[..] {
        [first, rest @ ..] if is_about_fields && columns(&why) > CAUSE => {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            format!("{}{more}", difference(first, CAUSE - columns(&more)))
        }
        [..] => why,
    };
    shortened(&plain(&shown), CAUSE).into_owned()
}

/// The notes that an agent gets once its change is done.
fn to_come<'a>(view: &'a PlanView<'_>, name: &'a AgentName, change: &'a Change) -> impl Iterator<Item = Row> + 'a {
    // The line of a delivery itself tells of its note.
    let sighting = view.observed.agents.get(name).filter(|_| change.kind != Kind::Deliver);
    deliveries(change, sighting).map(|note| Row {
        class: Class::Delivers,
        name: name.to_string(),
        verb: "deliver".to_owned(),
        cause: plain(&format!("{} ({} bytes) to the new instance", note.source.display(), note.bytes)).into_owned(),
        note: String::new(),
    })
}

fn sign(class: Class) -> (&'static str, Ink) {
    match class {
        Class::Begins => ("+", GREEN),
        Class::Replaced => ("±", YELLOW),
        Class::Delivers => (">", GREEN),
        Class::Amended => ("~", YELLOW),
        Class::Ends => ("-", RED),
        Class::Starting => ("·", DIM),
        Class::Held => ("!", YELLOW),
        Class::Blocked => ("✗", RED),
    }
}

/// The tmux server is no agent, and is changed all the same.
fn server(plan: &Plan) -> Option<Row> {
    let change = plan.server.as_ref()?;
    let cause = shortened(&plain(&change.to_string()), CAUSE).into_owned();
    let (class, verb) = match change {
        ServerChange::Set { .. } => (Class::Amended, "amend"),
        ServerChange::Close(_) => (Class::Ends, "close"),
    };
    Some(Row { class, name: "(tmux)".to_owned(), verb: verb.to_owned(), cause, note: String::new() })
}
