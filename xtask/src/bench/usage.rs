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

/// Ticks of the kernel's clock that were spent so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticks {
    user: f64,
    system: f64,
    /// By all CPUs, for any process.
    pub host: f64,
}

impl Ticks {
    /// By these processes, and by the machine.
    pub fn now(pids: &[u32]) -> Self {
        let of = |pid: &u32| ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default());
        let (user, system) =
            pids.iter().filter_map(of).fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        Self {
            user,
            system,
            host: busy(&fs::read_to_string("/proc/stat").unwrap_or_default()).unwrap_or(0.0),
        }
    }

    /// Since another moment.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            user: self.user - before.user,
            system: self.system - before.system,
            host: self.host - before.host,
        }
    }

    /// What the kernel has of the processes' time.
    pub fn system_share(&self) -> f64 {
        self.system / (self.user + self.system)
    }
}

/// `utime` and `stime` of `/proc/PID/stat`, behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<(f64, f64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Of the first line of `/proc/stat` all but what was idle, or another machine's: user, nice, system, irq, softirq.
fn busy(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.split_ascii_whitespace().skip(1);
    let fields: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    Some([0, 1, 2, 5, 6].iter().filter_map(|&field| fields.get(field)).sum())
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
    fn ticks_are_those_of_the_kernel_s_files() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 200 0 0 31 12 5 6 20 0 1 0 99";
        assert_eq!(ticks(stat), Some((31.0, 12.0)));
        assert_eq!(busy("cpu  10 20 30 4000 500 6 7 80 9 9\ncpu0 1 1 1 1\n"), Some(73.0));
        let before = Ticks { user: 10.0, system: 2.0, host: 100.0 };
        let since = Ticks { user: 40.0, system: 12.0, host: 150.0 }.since(&before);
        assert_eq!((since.system_share(), since.host), (0.25, 50.0));
    }

    #[test]
    fn we_have_used_something() {
        let usage = Usage::new(std::process::id());
        assert!(usage.cpu > Duration::ZERO && usage.peak_bytes > 1 << 20, "{usage:?}");
    }
}
