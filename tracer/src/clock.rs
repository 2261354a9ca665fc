//! The clocks: the one that the probes stamp with, and the one on the wall.

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::event::Nanos;

/// Nanoseconds of a second.
const NANOS: u64 = 1_000_000_000;

/// Nanoseconds of the kernel's `CLOCK_MONOTONIC`, as `bpf_ktime_get_ns` has them: in a time namespace ours is another.
#[must_use]
pub fn monotonic_ns() -> Nanos {
    static OFFSET: LazyLock<i64> = LazyLock::new(|| {
        fs::read_to_string("/proc/self/timens_offsets").ok().and_then(|text| offset(&text)).unwrap_or(0)
    });
    let now = clock_gettime(ClockId::Monotonic);
    let now = now.tv_sec.unsigned_abs() * NANOS + now.tv_nsec.unsigned_abs();
    now.saturating_add_signed(-*OFFSET)
}

/// By how many nanoseconds `CLOCK_MONOTONIC` of a time namespace is ahead of the kernel's: time_namespaces(7). The
/// namespace is that of children, which is ours unless we have left it ourselves.
fn offset(text: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix("monotonic"))?;
    let mut numbers = line.split_ascii_whitespace().map(str::parse);
    let (seconds, nanos): (i64, i64) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    seconds.checked_mul(NANOS.cast_signed())?.checked_add(nanos)
}

/// As nanoseconds; what is longer than 584 years is that long.
#[must_use]
pub fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Now, in UTC: RFC 3339 with nanoseconds.
#[must_use]
pub fn utc_now() -> String {
    utc_ago(Duration::ZERO)
}

/// So long before now, likewise.
#[must_use]
pub fn utc_ago(ago: Duration) -> String {
    let now = clock_gettime(ClockId::Realtime);
    let now = jiff::Timestamp::new(now.tv_sec, i32::try_from(now.tv_nsec).unwrap_or(0)).unwrap_or_default();
    format!("{:.9}", now.saturating_sub(ago).unwrap_or_default())
}

/// CPU time of this process and its most memory: nanoseconds and bytes.
#[must_use]
pub fn own_usage() -> (Nanos, u64) {
    let usage = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = usage.tv_sec.unsigned_abs() * 1_000_000_000 + usage.tv_nsec.unsigned_abs();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    (cpu, kibibytes.unwrap_or(0) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_namespaces_are_ahead_or_behind() {
        let line = |monotonic| format!("monotonic  {monotonic}\nboottime            0         0\n");
        for (monotonic, expected) in
            [("         0         0", 0), ("86400  7", 86_400_000_000_007), ("-2 500000000", -1_500_000_000)]
        {
            assert_eq!(offset(&line(monotonic)), Some(expected), "{monotonic}");
        }
        assert_eq!(offset(&line("9223372036854775807 0")), None, "too far");
        assert_eq!((offset(""), offset("monotonic x y")), (None, None));
    }

    #[test]
    fn wall_time_has_nanoseconds() {
        let now = utc_now();
        assert_eq!((now.len(), &now[10..11], &now[29..]), (30, "T", "Z"), "{now}");
    }
}
