//! The Python processes of this machine, from `/proc` and their memory alone.

mod model;
mod text;

use procfs::process::Stat;

pub use model::{ListedProcess, Processes};
pub use text::render;

use crate::clock::utc_ago;
use crate::process::{self, Error};
use crate::python::{Interpreter, discover_briefly};
use crate::redact;
use crate::report::Name;
use crate::selection::{Selection, container_of, processes, unit_of};

/// Every Python process that is selected; all if nothing is.
#[must_use]
pub fn list(selection: &Selection) -> Processes {
    let mut found =
        Processes { schema: Processes::SCHEMA, processes: Vec::new(), unreadable: 0, lacks_rights: false };
    for process in processes().filter(|process| selection.matches(process)) {
        match discover_briefly(&process) {
            Err(Error::NotPython { .. }) => {}
            Err(error) if error.is_gone() => {}
            Err(Error::NotPermitted { .. }) => {
                found.unreadable += 1;
                found.lacks_rights = true;
            }
            Err(Error::Protected { .. } | Error::Forbidden { .. }) => found.unreadable += 1,
            interpreter => found.processes.extend(describe(&process, interpreter)),
        }
    }
    found.processes.sort_by(|a, b| b.cpu_seconds.total_cmp(&a.cpu_seconds).then(a.pid.cmp(&b.pid)));
    found
}

/// `None` if it has ended.
fn describe(process: &process::Process, interpreter: Result<Interpreter, Error>) -> Option<ListedProcess> {
    let stat = process.stat().ok()?;
    let groups = process.control_groups();
    let named = |of: fn(&[u8]) -> Option<&str>| {
        groups.iter().find_map(|group| of(group)).map(|name| Name::new(name.as_bytes()))
    };
    let age = process.age().ok()?;
    Some(ListedProcess {
        pid: process.pid,
        ppid: stat.ppid.unsigned_abs(),
        python: interpreter.as_ref().ok().map(|python| Name::new(python.version.to_string().as_bytes())),
        free_threaded: interpreter.as_ref().ok().map(|python| python.free_threaded),
        refused: interpreter.err().map(|error| Name::new(error.to_string().as_bytes())),
        command: Name::from(redact::title(
            process.title().ok().filter(|title| !title.is_empty()).or(process.comm().ok())?,
        )),
        unit: named(unit_of),
        container: named(container_of),
        uid: process.effective_user(),
        started: utc_ago(age),
        age_ns: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX),
        cpu_seconds: cpu_ticks(&stat) as f64 / procfs::ticks_per_second() as f64,
        rss_bytes: stat.rss.saturating_mul(procfs::page_size()),
        threads: stat.num_threads.unsigned_abs(),
    })
}

fn cpu_ticks(stat: &Stat) -> u64 {
    stat.utime + stat.stime + stat.cutime.unsigned_abs() + stat.cstime.unsigned_abs()
}
