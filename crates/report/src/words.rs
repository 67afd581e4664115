//! Numbers, times and sizes as people write them.

use std::time::Duration;

/// How many of `all` are left when `shown` were shown, if any.
pub(crate) fn left_out(all: usize, shown: usize) -> Option<usize> {
    all.checked_sub(shown).filter(|&n| n > 0)
}

/// `1 goroutine`, `1,234 goroutines`.
pub(crate) fn counted(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", thousands(n))
}

/// `1,234,567`.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long ago, in whole units; `None` for less than a second, or for a time to come
/// (a value that cannot be right).
pub(crate) fn age(now: u64, since: u64) -> Option<String> {
    let seconds = now.checked_sub(since)? / 1_000_000_000;
    let (n, unit) = match seconds {
        0 => return None,
        1..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        // Up to two days, hours tell more.
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    Some(counted(usize::try_from(n).unwrap_or(usize::MAX), unit))
}

/// `480 µs`, `4.1 ms`, `1.2 s`.
pub(crate) fn short_time(d: Duration) -> String {
    let micros = d.as_micros();
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{:.1} ms", d.as_secs_f64() * 1e3),
        _ => format!("{:.1} s", d.as_secs_f64()),
    }
}

/// `480 ms`, `59.9 s`, `5 min 12 s`, `3 h 5 min`, `4 days`: nanoseconds between two snapshots.
pub(crate) fn long_time(nanos: u128) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        0..60 => short_time(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        )),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `512 bytes`, `1.5 kB`, `61.0 MB`.
pub(crate) fn bytes(n: u64) -> String {
    let scaled = |unit: u64| n as f64 / unit as f64;
    match n {
        0..1000 => format!("{n} bytes"),
        1000..1_000_000 => format!("{:.1} kB", scaled(1000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", scaled(1_000_000)),
        _ => format!("{:.1} GB", scaled(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(counted(1, "goroutine"), "1 goroutine");
        assert_eq!(counted(0, "goroutine"), "0 goroutines");
        assert_eq!(short_time(Duration::from_micros(480)), "480 µs");
        assert_eq!(short_time(Duration::from_micros(4_100)), "4.1 ms");
        assert_eq!(short_time(Duration::from_millis(1_200)), "1.2 s");
        assert_eq!(long_time(1_200_000_000), "1.2 s");
        assert_eq!(long_time(312_900_000_000), "5 min 12 s");
        assert_eq!(long_time(11_100_000_000_000), "3 h 5 min");
        assert_eq!(long_time(4 * 86_400_000_000_000), "4 days");
        assert_eq!(bytes(61_000_000), "61.0 MB");
    }

    #[test]
    fn ages_are_floored_and_never_guessed() {
        let s = 1_000_000_000;
        assert_eq!(age(59 * s, 0).as_deref(), Some("59 seconds"));
        assert_eq!(age(119 * s, 0).as_deref(), Some("1 minute"));
        assert_eq!(age(47 * 3600 * s, 0).as_deref(), Some("47 hours"));
        assert_eq!(age(50 * 3600 * s, 0).as_deref(), Some("2 days"));
        assert_eq!(age(s / 2, 0), None);
        assert_eq!(age(0, s), None);
    }
}
