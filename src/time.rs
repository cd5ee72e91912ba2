//! Points in time and lengths of time, as the manifest, the records and the plan write them.
//!
//! Nothing here reads a clock: "now" comes through [`crate::host::Host::now`].

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Add, Sub};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A value that is written as text, parsed where it stands: thousands of records are read for every look.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);
    impl<T: FromStr<Err: fmt::Display>> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(PhantomData))
}

/// A point in time with a resolution of one millisecond, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `millis` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long `earlier` lies before this point; zero if it does not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `HH:MM:SS` in the zone of the machine, for people.
    pub fn clock(self) -> String {
        self.instant().to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
    }

    /// `YYYY-MM-DD HH:MM:SS` in the zone of the machine, for people.
    pub fn date_and_clock(self) -> String {
        self.instant().to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `YYYYMMDDTHHMMSSZ`, for file names.
    pub fn compact(self) -> String {
        self.instant().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn instant(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.instant(), f)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(length.0).unwrap_or(i64::MAX)))
    }
}

impl FromStr for Timestamp {
    type Err = String;
    /// RFC 3339, or `YYYY-MM-DD HH:MM:SS` in the zone of the machine.
    fn from_str(text: &str) -> Result<Self, String> {
        let here =
            || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::system()).ok().map(|zoned| zoned.timestamp());
        let instant = text.parse::<jiff::Timestamp>().ok().or_else(here);
        let hint = "write it like \"2026-11-20 14:02:11\" or \"2026-11-20T14:02:11Z\"";
        instant.map(|instant| Self(instant.as_millisecond())).ok_or_else(|| format!("`{}` is no time: {hint}", text.escape_debug()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let instant: jiff::Timestamp = parsed(deserializer)?;
        Ok(Self(instant.as_millisecond()))
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC." })
    }
}

/// A length of time in milliseconds, written `"90s"`, `"5m"`, `"1h30m"`, `"500ms"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

/// Units from the longest to the shortest, each with its milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// The length in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The length in whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// The same length in the standard library's type.
    pub const fn std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// The length `factor` times as long; saturates.
    pub fn scaled(self, factor: f64) -> Self {
        // A cast from a float saturates and takes NaN to zero.
        Self((self.0 as f64 * factor) as u64)
    }

    /// At most two units and no milliseconds, for people: `2d4h`, `14m`, `3s`.
    pub fn rough(self) -> String {
        let mut rest = self.0 / 1_000 * 1_000;
        let mut text = String::new();
        let mut units = 0;
        for (unit, millis) in &UNITS[..4] {
            let count = rest / millis;
            if count > 0 {
                text.push_str(&format!("{count}{unit}"));
                rest -= count * millis;
                units += 1;
            }
            if units == 2 || (units == 1 && count == 0) {
                break;
            }
        }
        if text.is_empty() { "0s".to_owned() } else { text }
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        for (unit, millis) in UNITS {
            let count = rest / millis;
            if count > 0 {
                write!(f, "{count}{unit}")?;
                rest -= count * millis;
            }
        }
        if self.0 == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a length of time: write it like \"90s\", \"5m\", \"1h30m\" or \"500ms\"");
        let mut rest = text;
        let mut total: u64 = 0;
        let mut floor = usize::MAX;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, tail) = tail.split_at(letters);
            // Longer units first and none twice, so that "1s1h" is caught as the slip that it is.
            let place = UNITS.iter().rev().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
            if place >= floor {
                return Err(wrong());
            }
            floor = place;
            let count: u64 = number.parse().map_err(|_| wrong())?;
            let millis = UNITS[UNITS.len() - 1 - place].1;
            total = count.checked_mul(millis).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
            rest = tail;
        }
        // A timestamp plus a length must stay a timestamp: a thousand years is a slip too.
        if text.is_empty() || total > 1_000 * 366 * 86_400_000 { Err(wrong()) } else { Ok(Self(total)) }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m(?!s))?([0-9]+s)?([0-9]+ms)?$",
            "description": "A length of time such as \"90s\", \"5m\", \"1h30m\" or \"500ms\".",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, millis) in [("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("500ms", 500), ("2d4h", 187_200_000), ("0s", 0)] {
            assert_eq!(text.parse(), Ok(Duration(millis)), "{text}");
        }
        for text in ["", "5", "s", "5 m", "-1s", "1.5s", "1s1h", "1s1s", "5min", "99999999999999999999s", "400000d"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn rough_lengths_have_two_adjacent_units_at_most() {
        for (millis, text) in [
            (0, "0s"),
            (999, "0s"),
            (59_000, "59s"),
            (840_000, "14m"),
            (187_200_000, "2d4h"),
            (86_400_000 + 60_000, "1d"),
            (3_661_000, "1h1m"),
        ] {
            assert_eq!(Duration(millis).rough(), text);
        }
    }

    proptest! {
        #[test]
        fn a_length_survives_writing_and_reading(millis in 0..1_000_000_000_000u64) {
            prop_assert_eq!(Duration(millis).to_string().parse(), Ok(Duration(millis)));
        }

        #[test]
        fn a_timestamp_survives_writing_and_reading(millis in 0..4_000_000_000_000i64) {
            let text = serde_json::to_string(&Timestamp(millis)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), Timestamp(millis));
        }
    }
}
