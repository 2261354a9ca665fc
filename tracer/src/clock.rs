//! The clocks: the one that the probes stamp with, and the one on the wall.

use rustix::time::{ClockId, clock_gettime};

use crate::event::Nanos;

/// Nanoseconds of `CLOCK_MONOTONIC`, as `bpf_ktime_get_ns` has them.
#[must_use]
pub fn monotonic_ns() -> Nanos {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Now, in UTC: RFC 3339 with nanoseconds.
#[must_use]
pub fn utc_now() -> String {
    let now = clock_gettime(ClockId::Realtime);
    let time = jiff::Timestamp::new(now.tv_sec, i32::try_from(now.tv_nsec).unwrap_or(0)).unwrap_or_default();
    format!("{time:.9}")
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
    fn wall_time_has_nanoseconds() {
        let now = utc_now();
        assert_eq!((now.len(), &now[10..11], &now[29..]), (30, "T", "Z"), "{now}");
    }
}
