//! When a usage limit ends: the next time after it was first seen at which a clock in the named zone shows what the screen says.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan, Zoned};

use crate::screen::Until;
use crate::time::Timestamp;

/// The end; none if there is no such time or zone.
pub(super) fn ends(until: &Until, seen: Timestamp) -> Option<Timestamp> {
    match until {
        Until::After(length) => Some(seen + *length),
        Until::Clock { hour, minute, day, zone } => {
            let zone = match zone {
                Some(name) => TimeZone::get(name).ok()?,
                None => TimeZone::system(),
            };
            let now = Instant::from_millisecond(seen.as_millis()).ok()?.to_zoned(zone);
            let time = Time::new(i8::try_from(*hour).ok()?, i8::try_from(*minute).ok()?, 0, 0).ok()?;
            let end = match day {
                Some((month, day)) => on_day(&now, i8::try_from(*month).ok()?, i8::try_from(*day).ok()?, time)?,
                None => next(&now, time)?,
            };
            Some(Timestamp::from_millis(end.timestamp().as_millisecond()))
        }
    }
}

/// Today at this time, or tomorrow.
fn next(now: &Zoned, time: Time) -> Option<Zoned> {
    let at = |date: Date| date.to_datetime(time).to_zoned(now.time_zone().clone()).ok();
    let today = at(now.date())?;
    if today > *now { Some(today) } else { at(now.date().checked_add(1.day()).ok()?) }
}

/// On this day of the year; of the next one where it is long past, as in the last days of December.
fn on_day(now: &Zoned, month: i8, day: i8, time: Time) -> Option<Zoned> {
    let at = |year: i16| Date::new(year, month, day).ok()?.to_datetime(time).to_zoned(now.time_zone().clone()).ok();
    let this = at(now.year())?;
    let long_past = this < now.checked_sub(180.days()).ok()?;
    if long_past { at(now.year() + 1) } else { Some(this) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn check(until: Until, seen: &str) -> Option<String> {
        let seen: Instant = seen.parse().unwrap();
        let end = ends(&until, Timestamp::from_millis(seen.as_millisecond()))?;
        Some(Instant::from_millisecond(end.as_millis()).unwrap().to_string())
    }

    fn clock(hour: u8, day: Option<(u8, u8)>, zone: &str) -> Until {
        Until::Clock { hour, minute: 0, day, zone: Some(zone.to_owned()) }
    }

    #[test]
    fn the_next_such_time_is_meant() {
        assert_eq!(check(clock(19, None, "UTC"), "2026-11-21T08:00:00Z").unwrap(), "2026-11-21T19:00:00Z");
        assert_eq!(check(clock(19, None, "UTC"), "2026-11-21T19:00:00Z").unwrap(), "2026-11-22T19:00:00Z");
        assert_eq!(check(clock(3, Some((1, 2)), "UTC"), "2026-12-31T19:00:00Z").unwrap(), "2027-01-02T03:00:00Z");
        assert_eq!(check(clock(3, Some((11, 25)), "UTC"), "2026-11-21T19:00:00Z").unwrap(), "2026-11-25T03:00:00Z");
        assert_eq!(check(Until::After(Duration::from_secs(60)), "2026-11-21T19:00:00Z").unwrap(), "2026-11-21T19:01:00Z");
        assert_eq!(check(clock(3, Some((2, 31)), "UTC"), "2026-11-21T19:00:00Z"), None);
        assert_eq!(check(clock(3, None, "Nowhere/Never"), "2026-11-21T19:00:00Z"), None);
    }
}
