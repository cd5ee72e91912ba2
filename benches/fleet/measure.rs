//! Numbers: medians of pairs, beside what was aimed at. Measures nothing itself.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

/// How long something takes, in milliseconds.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed().as_secs_f64() * 1000.0, result)
}

/// Repeated measurements of one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 1 => sorted[length / 2],
            length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
        }
    }

    pub(crate) fn min(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    fn max(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    fn json(&self) -> Value {
        json!({ "median": self.median(), "min": self.min(), "max": self.max(), "runs": self.0 })
    }
}

/// What is aimed at: so many times the yardstick and so much more. Without a yardstick, `plus` alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    pub(crate) times: f64,
    pub(crate) plus: f64,
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) agents: usize,
    pub(crate) unit: &'static str,
    pub(crate) ours: Samples,
    pub(crate) yardstick: Samples,
    pub(crate) aim: Aim,
}

impl Row {
    /// The median of the ratios of pairs: what slows the machine slows both of a pair.
    fn ratio(&self) -> Option<f64> {
        let ratios: Vec<f64> = self.ours.0.iter().zip(&self.yardstick.0).map(|(ours, theirs)| ours / theirs).collect();
        (!ratios.is_empty()).then(|| Samples(ratios).median())
    }

    /// The most that the aim allows, by the median of the yardstick.
    fn allowed(&self) -> f64 {
        let yardstick = if self.yardstick.0.is_empty() { 0.0 } else { self.yardstick.median() };
        self.aim.times * yardstick + self.aim.plus
    }

    fn is_reached(&self) -> bool {
        self.ours.median() <= self.allowed()
    }

    pub(crate) fn line(&self) -> String {
        let range = |samples: &Samples| match samples.0.is_empty() {
            true => String::new(),
            false => format!("{:8.1} ({:.1}..{:.1})", samples.median(), samples.min(), samples.max()),
        };
        let ratio = self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}x"));
        let aim = match (self.aim.times, self.aim.plus) {
            (0.0, plus) => format!("{plus} {}", self.unit),
            (times, 0.0) => format!("{times}x"),
            (times, plus) => format!("{times}x+{plus:.1}"),
        };
        let verdict = if self.is_reached() { "reached" } else { "missed" };
        let (what, agents, ours, yardstick) = (&self.what, self.agents, range(&self.ours), range(&self.yardstick));
        format!("{what:34} {agents:6} {:4} {ours:28} {yardstick:28} {ratio:>8}  {aim:>10}  {verdict}\n", self.unit)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "what": self.what, "agents": self.agents, "unit": self.unit, "ours": self.ours.json(), "yardstick": self.yardstick.json(),
            "ratio": self.ratio(), "aim": { "times": self.aim.times, "plus": self.aim.plus }, "reached": self.is_reached(),
        })
    }
}

/// The heading of the table.
pub(crate) fn head() -> String {
    let mut head = String::new();
    let _ = writeln!(
        head,
        "{:34} {:>6} {:4} {:28} {:28} {:>8}  {:>10}",
        "what", "agents", "unit", "  median (min..max)", "  yardstick", "ratio", "aim"
    );
    head
}

/// How busy the machine is: the load of the last minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// Writes to standard output.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
