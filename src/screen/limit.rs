//! When a usage limit ends, as a screen writes it. Knows no clock: which day is meant is for the caller to say.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::time::Duration;

/// The end of a usage limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// The next time that a clock shows this.
    Clock {
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
        /// Month (1 to 12) and day, if they are written.
        day: Option<(u8, u8)>,
        /// The name of the time zone as it is written; without one, the zone of the machine is meant.
        zone: Option<String>,
    },
    /// This long after the screen was read, at most: the text may be older.
    After(Duration),
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?:resets?|again)\s*(?:at|on)?\s*(?:(?<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s*(?<day>\d{1,2})(?:st|nd|rd|th)?(?:,?\s*\d{4}\b)?,?\s*(?:at)?\s*)?(?<hour>\d{1,2})(?::(?<minute>\d\d))?\s*(?<half>[ap]m)?\b\s*(?:\((?<zone>[A-Za-z0-9_+/-]+)\))?",
    )
    .expect("a test uses it")
});

static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:resets?|again)\s*in\s*(?:(?<d>\d{1,3})\s*d(?:ays?)?)?,?\s*(?:(?<h>\d{1,3})\s*h(?:ours?|r)?)?,?\s*(?:(?<m>\d{1,3})\s*m(?:inutes?|in)?)?")
        .expect("a test uses it")
});

/// The end that the text of a limit names, if it does.
pub(super) fn until(text: &str) -> Option<Until> {
    AFTER.captures(text).and_then(|found| after(&found)).or_else(|| CLOCK.captures(text).and_then(|found| clock(&found)))
}

fn after(found: &Captures<'_>) -> Option<Until> {
    let part = |name: &str, seconds: u64| found.name(name).and_then(|part| part.as_str().parse::<u64>().ok()).map(|count| count * seconds);
    let parts = [part("d", 86_400), part("h", 3_600), part("m", 60)];
    let seconds = parts.into_iter().flatten().reduce(|sum, part| sum + part)?;
    Some(Until::After(Duration::from_secs(seconds)))
}

fn clock(found: &Captures<'_>) -> Option<Until> {
    let number = |name: &str| found.name(name).and_then(|part| part.as_str().parse::<u8>().ok());
    let written = number("hour")?;
    let minute = number("minute");
    let hour = match found.name("half").map(|half| half.as_str().to_ascii_lowercase()) {
        Some(_) if !(1..=12).contains(&written) => return None,
        Some(half) => written % 12 + if half == "pm" { 12 } else { 0 },
        // A bare number may be anything.
        None => minute.and(Some(written))?,
    };
    let month = found.name("month").and_then(|month| MONTHS.iter().position(|name| month.as_str().eq_ignore_ascii_case(name)));
    let day = month.and_then(|month| u8::try_from(month + 1).ok()).zip(number("day"));
    let minute = minute.unwrap_or(0);
    let zone = found.name("zone").map(|zone| zone.as_str().to_owned());
    (hour < 24 && minute < 60).then_some(Until::Clock { hour, minute, day, zone })
}
