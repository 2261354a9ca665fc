//! What the probes take beside their time, as the kernel shows it for our own descriptors: of these it needs no right.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

/// What all loaded probes take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Runs that the kernel skipped because the same program was running on that CPU.
    pub missed: u64,
    /// Memory of the maps that are open.
    pub map_bytes: u64,
}

impl Cost {
    /// As it stands now.
    #[must_use]
    pub fn now() -> Self {
        let files = fs::read_dir("/proc/self/fdinfo").into_iter().flatten().flatten();
        let texts: Vec<_> = files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
        Self {
            missed: sum(&texts, "prog_id", "recursion_misses"),
            map_bytes: sum(&texts, "map_id", "memlock"),
        }
    }
}

/// Adds up a field of whatever has this id, which may have several descriptors.
fn sum(texts: &[String], id: &str, field: &str) -> u64 {
    let of_each = texts.iter().filter_map(|text| Some((number(text, id)?, number(text, field)?)));
    of_each.collect::<BTreeMap<_, _>>().values().sum()
}

/// A field of `/proc/self/fdinfo`: proc_pid_fdinfo(5).
fn number(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|number| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_two_descriptors_counts_once() {
        let program = "pos:\t0\nprog_type:\t26\nprog_id:\t7\nrun_cnt:\t3\nrecursion_misses:\t2\n";
        let link = "pos:\t0\nlink_type:\traw_tracepoint\nprog_id:\t7\n";
        let map = "pos:\t0\nmap_type:\t1\nmemlock:\t4096\nmap_id:\t5\n";
        let texts = [program, program, link, map, map].map(str::to_owned);
        assert_eq!((sum(&texts, "prog_id", "recursion_misses"), sum(&texts, "map_id", "memlock")), (2, 4096));
    }
}
