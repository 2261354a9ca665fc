//! Reads, by process, file and call site.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::frame::Stack;
use super::vocabulary::vocabulary;
use crate::report::bounded::add_known;
use crate::report::{Name, Row, Sentence};

/// How often, in bytes: calls by size.
type Histogram = BTreeMap<u64, u64>;

/// Reads of one file by one process at one line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// Process.
    pub pid: u32,
    /// The file as the process sees it; `pipe:[123]`, a socket's address or the like where it has no path.
    pub path: Name,
    /// What kind of file.
    pub kind: FileKind,
    /// `read`, `pread64`, `readv`, `recvfrom`, …
    pub syscall: String,
    /// Where the bytes went, as far as it is known.
    pub through: Option<Through>,
    /// The whole stack most often seen there.
    pub stack: Option<Stack>,
    /// Call sites were given up: `stack` is the one seen most often among a few that were read.
    pub sampled: bool,
    /// Calls.
    pub syscalls: u64,
    /// Different opens of the file that were read here.
    pub opens: Option<u64>,
    /// Calls that returned 0.
    pub eof: u64,
    /// Calls that failed, by errno: `EINVAL`.
    pub errors: BTreeMap<String, u64>,
    /// Bytes returned.
    pub bytes: u64,
    /// Calls by the size asked; beyond 16 different sizes, by powers of two.
    pub requested: Histogram,
    /// Calls by the size returned; beyond 16 different sizes, by powers of two.
    pub returned: Histogram,
    /// Calls that are missing in `requested`, or in `returned` and `errors`: the kernel had no room for their sizes.
    pub sizes_unknown: u64,
    /// Opened with `O_DIRECT`.
    pub o_direct: bool,
    /// Opened with `O_NONBLOCK`.
    pub nonblocking: bool,
    /// Off-CPU time inside the calls.
    pub off_cpu_ns: u64,
    /// Voluntary switches inside the calls.
    pub voluntary_switches: u64,
    /// Involuntary switches inside the calls.
    pub involuntary_switches: u64,
    /// Acquisitions of the GIL after the calls that slept.
    pub gil_waits: Option<u64>,
    /// Switches that these took.
    pub gil_switches: Option<u64>,
    /// Time that these took.
    pub gil_wait_ns: Option<u64>,
    /// Calls that a larger buffer would save; unknown where that depends on the writer.
    pub avoidable: Option<u64>,
    /// How, where it is worth a change.
    pub advice: Option<Advice>,
}

/// The buffer that would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Bytes to ask for.
    pub buffer_size: u64,
    /// Calls that it would then take.
    pub syscalls_then: u64,
    /// One sentence.
    pub text: Sentence,
}

/// What `Read` rows add up to. Sizes fall into powers of two, rounded down, so that a thousand files stay a short list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadTotals {
    /// Calls.
    pub syscalls: u64,
    /// Opens.
    pub opens: Option<u64>,
    /// Calls that returned 0.
    pub eof: u64,
    /// Calls that failed, by errno.
    pub errors: BTreeMap<String, u64>,
    /// Bytes returned.
    pub bytes: u64,
    /// Calls by the size asked.
    pub requested: Histogram,
    /// Calls by the size returned.
    pub returned: Histogram,
    /// Calls without sizes.
    pub sizes_unknown: u64,
    /// Off-CPU time inside the calls.
    pub off_cpu_ns: u64,
    /// Voluntary switches inside the calls.
    pub voluntary_switches: u64,
    /// Involuntary switches inside the calls.
    pub involuntary_switches: u64,
    /// Acquisitions of the GIL after the calls that slept.
    pub gil_waits: Option<u64>,
    /// Switches that these took.
    pub gil_switches: Option<u64>,
    /// Time that these took.
    pub gil_wait_ns: Option<u64>,
    /// Calls that larger buffers would save.
    pub avoidable: Option<u64>,
}

impl Row for Read {
    type Totals = ReadTotals;

    fn add_to(&self, totals: &mut ReadTotals) {
        totals.syscalls += self.syscalls;
        add_known(&mut totals.opens, self.opens);
        totals.eof += self.eof;
        for (errno, calls) in &self.errors {
            *totals.errors.entry(errno.clone()).or_default() += calls;
        }
        totals.bytes += self.bytes;
        add_sizes(&mut totals.requested, &self.requested);
        add_sizes(&mut totals.returned, &self.returned);
        totals.sizes_unknown += self.sizes_unknown;
        totals.off_cpu_ns += self.off_cpu_ns;
        totals.voluntary_switches += self.voluntary_switches;
        totals.involuntary_switches += self.involuntary_switches;
        add_known(&mut totals.gil_waits, self.gil_waits);
        add_known(&mut totals.gil_switches, self.gil_switches);
        add_known(&mut totals.gil_wait_ns, self.gil_wait_ns);
        add_known(&mut totals.avoidable, self.avoidable);
    }
}

fn add_sizes(totals: &mut Histogram, sizes: &Histogram) {
    for (size, calls) in sizes {
        let power = size.checked_ilog2().map_or(0, |log| 1 << log);
        *totals.entry(power).or_default() += calls;
    }
}

vocabulary! {
    /// What kind of file was read.
    #[derive(Default)]
    FileKind {
        /// In procfs.
        Procfs = "procfs",
        /// In sysfs.
        Sysfs = "sysfs",
        /// A regular file.
        File = "file",
        /// A pipe without a name.
        Pipe = "pipe",
        /// A pipe with a name.
        Fifo = "fifo",
        /// A Unix socket.
        Unix = "unix",
        /// An internet socket.
        Inet = "inet",
        /// A terminal.
        Tty = "tty",
        /// Another device.
        Device = "device",
        /// Memory with a descriptor.
        Memfd = "memfd",
        /// None of these.
        #[default]
        Other = "other",
    }
}

vocabulary! {
    /// Who reads: Python code itself, or a buffer for it.
    Through {
        /// Straight into the `bytes` that Python code gets: `os.read`, `read` of a file without a buffer.
        Raw = "raw",
        /// Into a buffer that stays: a `BufferedReader`'s, or one of the caller's own (`readinto`).
        Buffered = "buffered",
    }
}

impl Read {
    /// What its calls cost, roughly, in nanoseconds: to compare rows with. A wait inside a read costs nobody anything:
    /// there was nothing to do.
    #[must_use]
    pub fn cost_ns(&self) -> u64 {
        /// A system call that copies some bytes takes about this long.
        const CALL_NS: u64 = 1_000;
        self.syscalls * CALL_NS + self.gil_wait_ns.unwrap_or(0)
    }

    /// The size that this share of the calls did not exceed, in hundredths, of those that found something: `read()` of a
    /// whole file asks for one byte more after it, to find the end.
    #[must_use]
    pub fn asked(&self, share: u64) -> Option<u64> {
        let all: u64 = self.requested.values().sum();
        let empty = self.returned.get(&0).copied().filter(|empty| *empty < all).unwrap_or(0);
        let enough = empty + ((all - empty) * share).div_ceil(100);
        let mut calls = 0;
        let reached = self.requested.iter().find(|(_, of_size)| {
            calls += **of_size;
            calls >= enough
        });
        reached.map(|(size, _)| *size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::bounded;

    #[test]
    fn the_size_asked_for_is_by_calls_that_found_something() {
        for (requested, empty, expected) in [
            (vec![], 0, None),
            (vec![(16, 1)], 0, Some(16)),
            (vec![(16, 1), (4_096, 1)], 0, Some(16)),
            (vec![(16, 1), (1_024, 5), (65_536, 3)], 0, Some(1_024)),
            (vec![(1, 100), (14, 100)], 100, Some(14)),
            (vec![(1, 100)], 100, Some(1)),
        ] {
            let (requested, returned) = (requested.into_iter().collect(), [(0, empty)].into());
            assert_eq!(Read { requested, returned, ..Read::default() }.asked(50), expected);
        }
    }

    #[test]
    fn totals_keep_every_call_in_a_power_of_two() {
        let row = |sizes: &[(u64, u64)]| Read {
            syscalls: sizes.iter().map(|(_, calls)| calls).sum(),
            requested: sizes.iter().copied().collect(),
            ..Read::default()
        };
        let rows = [row(&[(0, 1), (1, 2), (1000, 4)]), row(&[(1023, 8), (1024, 16), (u64::MAX, 32)])];
        let totals = bounded(rows, 1).rest.unwrap().totals;
        assert_eq!(totals.syscalls, 63);
        assert_eq!(totals.requested, [(0, 1), (1, 2), (512, 12), (1024, 16), (1 << 63, 32)].into());
    }
}
