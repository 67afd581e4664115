//! Clocks in containers: a time namespace (time_namespaces(7)) shifts `CLOCK_MONOTONIC`.

use nix::time::{ClockId, clock_gettime};

use crate::proc::ProcDir;

const NANOS: i64 = 1_000_000_000;

/// `CLOCK_MONOTONIC` as goinspect sees it, in nanoseconds.
pub(crate) fn monotonic_ns() -> Option<i64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    now.tv_sec().checked_mul(NANOS)?.checked_add(now.tv_nsec())
}

/// How far the process's `CLOCK_MONOTONIC` is ahead of goinspect's, in nanoseconds;
/// `None` where that cannot be found out.
pub(crate) fn offset_ns(process: &ProcDir) -> Option<i64> {
    let own = ProcDir::own().ok()?;
    let Ok(own_ns) = own.link("ns/time") else {
        // A kernel without time namespaces (they came with 5.6).
        return Some(0);
    };
    if own_ns == process.link("ns/time").ok()? {
        return Some(0);
    }
    since_boot(process)?.checked_sub(since_boot(&own)?)
}

/// How far a process's `CLOCK_MONOTONIC` is ahead of that of the machine, in nanoseconds.
fn since_boot(of: &ProcDir) -> Option<i64> {
    // The file is about the namespace that its children will be in. Nearly always it is in it
    // itself; if not, nothing tells its own offset.
    if of.link("ns/time").ok()? != of.link("ns/time_for_children").ok()? {
        return None;
    }
    parse(&of.read("timens_offsets").ok()?)
}

fn parse(timens_offsets: &[u8]) -> Option<i64> {
    let text = str::from_utf8(timens_offsets).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("monotonic"))?;
    let mut fields = line.split_ascii_whitespace();
    let seconds: i64 = fields.next()?.parse().ok()?;
    let nanos: i64 = fields.next()?.parse().ok()?;
    seconds.checked_mul(NANOS)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_may_be_negative() {
        let text = b"monotonic          -2  500000000\nboottime            7         0\n";
        assert_eq!(parse(text), Some(-1_500_000_000));
        assert_eq!(parse(b"boottime 7 0\n"), None);
        assert_eq!(parse(b"monotonic 9223372036854775807 0\n"), None);
    }
}
