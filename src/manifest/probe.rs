//! Probes, and `ready`: one probe and its times.

use super::context::Fields;
use super::file::{Condition, Ready, Runtime};
use super::read::At;
use super::report::Spot;
use crate::desired::{self, Probe};
use crate::time::Duration;

/// When an agent counts as ready; where something is not written, as by `default`. What is wrong is reported.
pub(crate) fn ready(written: &At<Ready<'_>>, default: desired::Ready, runtime: Runtime, fields: &Fields<'_>) -> desired::Ready {
    let Ready { timeout, interval, on_timeout, owner, .. } = &written.value;
    let report = fields.context.report;
    let ready = desired::Ready {
        probe: probe(&kinds(&written.value), runtime, fields).unwrap_or(default.probe),
        timeout: timeout.map_or(default.timeout, |timeout| timeout.value),
        interval: interval.map_or(default.interval, |interval| interval.value),
        on_timeout: on_timeout.unwrap_or(default.on_timeout),
        owner: owner.map_or(default.owner, |owner| owner.value),
    };
    let has_port = matches!(ready.probe, Probe::Tcp(_) | Probe::Http { .. });
    if let Some(owner) = owner.filter(|_| !has_port) {
        report.error_unless_inside(owner.spot, "`owner` goes with `tcp` or `http`", None);
    }
    if let Some(interval) = interval.filter(|interval| interval.value < Duration::from_millis(10)) {
        report.error(interval.spot, "looking that often would keep the machine busy: `interval` is at least \"10ms\"", None);
    }
    if let Some(timeout) = timeout.filter(|timeout| timeout.value == Duration::ZERO) {
        report.error(timeout.spot, "nothing is ready in no time: `timeout` is longer than nothing", None);
    }
    if let Probe::Delay(delay) = ready.probe
        && delay > ready.timeout
        && let Some(spot) = written.value.delay.or(*timeout).map(|at| at.spot)
    {
        let message = format!("it would never be ready: it counts as ready after {delay}, but has failed after {}", ready.timeout);
        report.error(spot, message, Some("set a longer `timeout`".to_owned()));
    }
    ready
}

/// Whether a probe is written, and not only times for the default one.
pub(crate) fn has_probe(written: &Ready<'_>) -> bool {
    kinds(written).has_any()
}

fn kinds<'w, 'a>(written: &'w Ready<'a>) -> Kinds<'w, 'a> {
    let Ready { screen, file, tcp, http, status, command, delay, heartbeat, max_age, timeout: _, interval: _, on_timeout: _, owner: _ } =
        written;
    Kinds {
        screen: *screen,
        file: *file,
        tcp: *tcp,
        http: *http,
        status: *status,
        command: command.as_ref(),
        delay: *delay,
        heartbeat: *heartbeat,
        max_age: *max_age,
    }
}

/// The question that is asked before an agent is started again. What is wrong is reported.
pub(crate) fn condition(written: &At<Condition<'_>>, runtime: Runtime, fields: &Fields<'_>) -> Option<Probe> {
    let Condition { file, tcp, http, status, command, heartbeat, max_age } = &written.value;
    let kinds = Kinds {
        screen: None,
        file: *file,
        tcp: *tcp,
        http: *http,
        status: *status,
        command: command.as_ref(),
        delay: None,
        heartbeat: *heartbeat,
        max_age: *max_age,
    };
    if !kinds.has_any() {
        let hint = Some("write what is asked, such as { command = [\"./has-work.sh\"] }".to_owned());
        fields.context.report.error_unless_inside(written.spot, "`only_if` needs a probe", hint);
    }
    probe(&kinds, runtime, fields)
}

/// The keys of probes as they are written, with those that belong to one of them.
pub(crate) struct Kinds<'w, 'a> {
    pub(crate) screen: Option<At<&'a str>>,
    pub(crate) file: Option<At<&'a str>>,
    pub(crate) tcp: Option<At<&'a str>>,
    pub(crate) http: Option<At<&'a str>>,
    pub(crate) status: Option<At<u16>>,
    pub(crate) command: Option<&'w At<Vec<At<&'a str>>>>,
    pub(crate) delay: Option<At<Duration>>,
    pub(crate) heartbeat: Option<At<&'a str>>,
    pub(crate) max_age: Option<At<Duration>>,
}

impl Kinds<'_, '_> {
    fn spots(&self) -> impl Iterator<Item = (&'static str, Spot)> {
        let Self { screen, file, tcp, http, status: _, command, delay, heartbeat, max_age: _ } = self;
        let kinds = [
            ("screen", screen.map(|at| at.spot)),
            ("file", file.map(|at| at.spot)),
            ("tcp", tcp.map(|at| at.spot)),
            ("http", http.map(|at| at.spot)),
            ("command", command.as_ref().map(|at| at.spot)),
            ("delay", delay.map(|at| at.spot)),
            ("heartbeat", heartbeat.map(|at| at.spot)),
        ];
        kinds.into_iter().filter_map(|(name, spot)| Some((name, spot?)))
    }

    /// Whether there is one.
    pub(crate) fn has_any(&self) -> bool {
        self.spots().next().is_some()
    }
}

/// The one probe that is written; none if there is none.
pub(crate) fn probe(written: &Kinds<'_, '_>, runtime: Runtime, fields: &Fields<'_>) -> Option<Probe> {
    let Kinds { screen, file, tcp, http, status, command, delay, heartbeat, max_age } = written;
    let report = fields.context.report;
    if let (None, Some(max_age)) = (heartbeat, max_age) {
        report.error(max_age.spot, "`max_age` goes with a file in `heartbeat`", None);
    }
    let mut named = written.spots();
    let (first, spot) = match named.next() {
        Some(first) => first,
        None => {
            if let Some(status) = status {
                report.error(status.spot, "`status` goes with `http`", None);
            }
            return None;
        }
    };
    if let Some((second, other)) = named.next() {
        let spots = vec![(other, String::new()), (spot, String::new())];
        report.clash(spots, format!("one probe is enough: `{first}` and `{second}` exclude each other"), None);
        return None;
    }
    if let (None, Some(status)) = (http, status) {
        report.error(status.spot, "`status` goes with `http`", None);
    }
    if let Some(pattern) = screen {
        // What does not fit the runtime is reported with the other keys; from the defaults it falls away.
        return (runtime == Runtime::Tmux).then(|| self::screen(*pattern, fields));
    }
    if let Some(file) = file {
        return Some(Probe::File(fields.file(*file)));
    }
    if let Some(address) = tcp {
        return Some(self::tcp(*address, fields));
    }
    if let Some(url) = http {
        return Some(self::http(*url, *status, fields));
    }
    if let Some(words) = command {
        return Some(Probe::Command(fields.argv(words)));
    }
    if let Some(path) = heartbeat {
        let Some(max_age) = max_age.filter(|max_age| max_age.value > Duration::ZERO) else {
            let (spot, hint) = (max_age.map_or(path.spot, |at| at.spot), "write how old its last change may be: max_age = \"5m\"");
            report.error(spot, "a file in `heartbeat` needs a `max_age` that is longer than nothing", Some(hint.to_owned()));
            return None;
        };
        return Some(Probe::Heartbeat { file: fields.file(*path), max_age: max_age.value });
    }
    delay.map(|delay| Probe::Delay(delay.value))
}

fn screen(written: At<&str>, fields: &Fields<'_>) -> Probe {
    let pattern = fields.text(written).into_owned();
    let mut known = fields.context.patterns.borrow_mut();
    if !known.contains(&pattern) {
        match regex::Regex::new(&pattern) {
            Ok(_) if pattern.is_empty() => fields.context.report.error(written.spot, "an empty pattern matches every screen", None),
            Ok(_) => {}
            Err(why) => {
                let why = why.to_string();
                let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let hint = Some("in a TOML string with '…' a backslash needs no doubling".to_owned());
                fields.context.report.error(written.spot, format!("this is no regular expression: {last}"), hint);
            }
        }
        known.insert(pattern.clone());
    }
    Probe::Screen(pattern)
}

/// Whether a text is `host:port`, and what is wrong with it if not.
fn check_address(address: &str) -> Result<(), &'static str> {
    let Some((host, port)) = address.rsplit_once(':') else { return Err("there is no port") };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if inner.is_none() && host.contains(':') {
        return Err("an IPv6 address is written in brackets, and then the port");
    }
    if inner.unwrap_or(host).is_empty() || host.contains(|character: char| character.is_whitespace() || character == '/') {
        return Err("there is no host");
    }
    match port.parse::<u16>() {
        Ok(1..) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ => Err("a port is a number from 1 to 65535"),
    }
}

fn tcp(written: At<&str>, fields: &Fields<'_>) -> Probe {
    let errors = fields.context.report.errors();
    let address = fields.plain(written).into_owned();
    if fields.context.report.errors() == errors
        && let Err(why) = check_address(&address)
    {
        let hint = Some("write host and port like \"127.0.0.1:7411\"".to_owned());
        fields.context.report.error(written.spot, format!("`{}` is no address: {why}", address.escape_debug()), hint);
    }
    Probe::Tcp(address)
}

fn http(written: At<&str>, status: Option<At<u16>>, fields: &Fields<'_>) -> Probe {
    let report = fields.context.report;
    let errors = report.errors();
    let url = fields.plain(written).into_owned();
    if report.errors() == errors {
        let hint = Some("write it like \"http://127.0.0.1:7411/healthz\"".to_owned());
        match url.strip_prefix("http://") {
            None => report.error(written.spot, format!("`{}` does not begin with `http://`", url.escape_debug()), hint),
            Some(rest) => {
                let address = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let has_port = address.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
                let address = if has_port { address.to_owned() } else { format!("{address}:80") };
                if let Err(why) = check_address(&address) {
                    report.error(written.spot, format!("`{}` is no address: {why}", url.escape_debug()), hint);
                } else if url.contains([' ', '@']) {
                    report.error(written.spot, "spaces and passwords have no place in this address", None);
                }
            }
        }
    }
    if let Some(status) = status.filter(|status| !(100..=599).contains(&status.value)) {
        report.error(status.spot, format!("{} is no HTTP status: they go from 100 to 599", status.value), None);
    }
    Probe::Http { url, status: status.map_or(200, |status| status.value) }
}
