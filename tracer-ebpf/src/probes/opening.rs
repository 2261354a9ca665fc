//! What is opened: at which line, and what was known of the last file at its address is over.

use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::python::status;

use crate::emit::Outcome;
use crate::file;
use crate::narrow::low;
use crate::opens;
use crate::probes::syscall::site;
use crate::scratch;
use crate::task::Task;
use crate::user;

/// A traced thread has opened a file, at this line: what was known of the last one at its address is over.
#[inline(always)]
pub fn opened(control: &Control, result: i64) -> Outcome {
    let task = Task::current();
    if result >= 0
        && let Some(target) = task.target()
    {
        let is_known = site(control, target) == status::OK;
        let opener = match scratch::of_probe(Probe::Syscall) {
            Some(scratch) if is_known => opens::site(&scratch.leaf, task.pid()),
            _ => 0,
        };
        begin(task, low(result.cast_unsigned()), opener);
    }
    Outcome::FILTERED
}

/// Likewise something that is not opened by a path: the line that makes it says nothing of how it is read.
#[inline(always)]
pub fn opened_without_path(result: i64) -> Outcome {
    let task = Task::current();
    if result >= 0 && task.target().is_some() {
        begin(task, low(result.cast_unsigned()), 0);
    }
    Outcome::FILTERED
}

/// Two at once, whose descriptors lie there.
#[inline(always)]
pub fn opened_pair(descriptors: u64) -> Outcome {
    let task = Task::current();
    if task.target().is_some()
        && let Some([one, other]) = user::read::<[u32; 2]>(descriptors)
    {
        begin(task, one, 0);
        begin(task, other, 0);
    }
    Outcome::FILTERED
}

#[inline(always)]
fn begin(task: Task, descriptor: u32, opener: u64) {
    if let Some(file) = file::address(task, descriptor) {
        opens::opened(file, opener);
    }
}
