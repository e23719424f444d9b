//! `createTime` as Unix seconds.
//!
//! One field of one host needs it, which is no reason for a calendar crate.

/// Reads an RFC 3339 time in UTC, `2026-08-19T14:34:21.877166Z`; fractions are cut off.
pub(super) fn unix_seconds(time: &str) -> Option<u64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let clock = clock.split('.').next()?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse::<u64>().ok());
    let out = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(out)
}

/// Days from 1970-01-01, counting years from March so that the leap day is a year's last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap = year / 4 - year / 100 + year / 400;
    // 719468 days lie between 0000-03-01 and 1970-01-01.
    (365 * year + leap + (153 * month + 2) / 5 + day - 1).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_seconds() {
        let check = |time: &str, expect: Option<u64>| assert_eq!(unix_seconds(time), expect, "{time}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-02-29T23:59:59Z", Some(951_868_799));
        check("2026-08-19T14:34:21.877166Z", Some(1_787_150_061));
        check("2026-08-19T14:34:21+02:00", None);
        check("2026-13-19T14:34:21Z", None);
        check("1969-12-31T23:59:59Z", None);
        check("", None);
    }
}
