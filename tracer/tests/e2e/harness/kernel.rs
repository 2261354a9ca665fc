//! What the kernel has of a tracer, and what it says of it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use aya::maps::loaded_maps;
use aya::programs::{loaded_links, loaded_programs};

/// What the kernel says from a moment on: `/dev/kmsg`.
pub struct KernelLog(File);

impl KernelLog {
    /// Begins now.
    pub fn from_now() -> Self {
        let mut log =
            File::options().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg").expect("root");
        log.seek(SeekFrom::End(0)).expect("the log has an end");
        Self(log)
    }

    /// What it has said of these processes meanwhile, and of whatever should never happen at all.
    pub fn complaints_of(&mut self, pids: &[u32]) -> Vec<String> {
        let ours: Vec<_> =
            pids.iter().flat_map(|pid| [format!(" tracer:{pid} "), format!(" tracer-{pid}:")]).collect();
        let never = ["BUG: ", "Oops", "general protection", "WARNING: ", "blocked for more than"];
        let reported = self.lines().into_iter();
        reported
            .filter(|line| ours.iter().chain(&never.map(str::to_owned)).any(|who| line.contains(who)))
            .collect()
    }

    /// One record is given at a time.
    fn lines(&mut self) -> Vec<String> {
        let mut record = [0; 8192];
        let next =
            |_| self.0.read(&mut record).ok().map(|bytes| String::from_utf8_lossy(&record[..bytes]).into());
        (0..).map_while(next).collect()
    }
}

/// What a tracer has in the kernel, by their ids, which are never given again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
    links: BTreeSet<u32>,
}

impl Holdings {
    /// All that a process has descriptors of now.
    pub fn new(pid: u32) -> Self {
        let mut held = Self::default();
        let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
        for info in files.filter_map(|file| fs::read_to_string(file.path()).ok()) {
            for line in info.lines() {
                let Some((name, id)) = line.split_once(':') else { continue };
                let Ok(id) = id.trim().parse() else { continue };
                match name {
                    "prog_id" => held.programs.insert(id),
                    "map_id" => held.maps.insert(id),
                    "link_id" => held.links.insert(id),
                    _ => false,
                };
            }
        }
        held
    }

    /// Nothing was there.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What of it is still there, in any process.
    pub fn left(&self) -> Self {
        let programs = loaded_programs().flatten().map(|program| program.id());
        let maps = loaded_maps().flatten().map(|map| map.id());
        let links = loaded_links().flatten().map(|link| link.id());
        Self {
            programs: programs.filter(|id| self.programs.contains(id)).collect(),
            maps: maps.filter(|id| self.maps.contains(id)).collect(),
            links: links.filter(|id| self.links.contains(id)).collect(),
        }
    }
}
