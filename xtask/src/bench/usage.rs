//! What a process and its children have used, while they run.

use std::fs;
use std::time::Duration;

/// CPU time and peak memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// On a CPU so far, all threads.
    pub cpu: Duration,
    /// Most memory that was resident at a time.
    pub peak_bytes: u64,
}

impl Usage {
    /// Of a process and its descendants: launchers start what they launch as a child.
    pub fn new(pid: u32) -> Self {
        let mut sum = Self { cpu: cpu(pid), peak_bytes: peak_bytes(pid) };
        for child in children(pid) {
            let usage = Self::new(child);
            sum.cpu += usage.cpu;
            sum.peak_bytes += usage.peak_bytes;
        }
        sum
    }
}

fn cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let on_cpu = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(on_cpu.sum())
}

fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_have_used_something() {
        let usage = Usage::new(std::process::id());
        assert!(usage.cpu > Duration::ZERO && usage.peak_bytes > 1 << 20, "{usage:?}");
    }
}
