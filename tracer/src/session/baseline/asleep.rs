//! Threads that sleep when the window begins: read from user space, so that one that never moves shows where it hangs.

use tracer_common::hash::{SEED, mix};
use tracer_common::python::status;
use tracer_common::switch::{SwitchKey, Thread, flag, futex_flags};
use tracer_common::wakeup::FUTEX;

use super::left_out::{CERTAIN, Count, SLEEPERS};
use super::threads::Threads;
use crate::attach::{Error, Probes};
use crate::cpython::walk::stack_id;
use crate::decode;
use crate::event::{Bytes, FileId};
use crate::process::Deadline;
use crate::process::sleep::SleepsIn;
use crate::python::asleep::{self, Asleep};
use crate::redact;
use crate::roots::Root;
use crate::symbols::{File, FileKind};

/// What was found out of one sleeping thread.
pub struct SleepingThread {
    /// Its stack, where it has one.
    pub stack: Option<decode::Stack>,
    /// The file that it waits for, with the id that its row has.
    pub file: Option<(FileId, File)>,
}

/// Reads those threads that sleep, and writes their sleep into the map of threads, unless they have moved since; and how many
/// of each process there was no time to read.
pub fn seed_sleeping_threads(
    probes: &mut Probes,
    threads: &[Threads<'_>],
) -> Result<(Vec<SleepingThread>, Vec<Count>), Error> {
    let depth = probes.plan().depth as usize;
    let (mut seeded, mut left_out) = (Vec::new(), Vec::new());
    let deadline = Deadline::after(SLEEPERS);
    for (index, Threads { root, described, unread }) in threads.iter().enumerate() {
        // What a process does before it executes its program is not its own.
        if root.interpreter.is_none() && !root.other {
            continue;
        }
        let limit = deadline.share(threads.len() - index);
        let time = asleep::ReadingTime { limit, certain: CERTAIN / threads.len() };
        let interpreter = root.interpreter.as_ref();
        let (threads, late) = asleep::of_threads(&root.process, interpreter, described, depth, time);
        left_out.push((root.process.pid, late + unread.len()));
        let threads = threads.iter().filter(|thread| !thread.torn);
        let (entries, sleeping): (Vec<_>, Vec<_>) =
            threads.map(|thread| sleeping_thread(root, thread)).unzip();
        let are_new = probes.assume_asleep(&entries)?.into_iter().zip(sleeping);
        seeded.extend(are_new.filter_map(|(is_new, sleeping_thread)| is_new.then_some(sleeping_thread)));
    }
    Ok((seeded, left_out))
}

fn sleeping_thread(root: &Root, thread: &Asleep) -> (Thread, SleepingThread) {
    let stack = (!thread.frames.is_empty()).then(|| decode::Stack {
        id: stack_id(root.space, &thread.frames),
        space: root.space,
        pid: thread.task.pid,
        status: thread.status,
        frames: thread.frames.clone(),
    });
    let (syscall, argument, second) = match thread.sleeps_in {
        SleepsIn::Syscall { number, first_argument, second_argument, .. } => {
            (number.cast_signed(), first_argument, second_argument)
        }
        _ => (-1, 1, 0),
    };
    let file = file(root, syscall, argument);
    let key = SwitchKey {
        stack: stack.as_ref().map_or(0, |stack| stack.id.0),
        object: file.as_ref().map_or(0, |(id, _)| id.0),
        pid: thread.task.pid,
        tid: thread.task.tid,
        slice: 0,
        syscall,
        flags: flag::VOLUNTARY | flag::BEGAN_BEFORE | flags(thread, syscall, argument, second),
        status: if stack.is_some() { thread.status } else { status::NO_PYTHON_FRAME },
        after_call: -1,
        pad: 0,
    };
    let voluntary_seen = thread.thread.voluntary + 1;
    (Thread { key, voluntary_seen, ..Thread::default() }, SleepingThread { stack, file })
}

fn flags(thread: &Asleep, syscall: i32, argument: u64, second: u64) -> u32 {
    let mut flags = match syscall {
        FUTEX if thread.waits_for_gil => flag::GIL,
        FUTEX => futex_flags(second),
        _ => 0,
    };
    if argument as u32 == 0 {
        flags |= flag::NO_DESCRIPTORS;
    }
    flags
}

/// The file that a read, a write or the like waits for. Its generation cannot be read from here, so that its id is
/// another than the kernel's; the report merges rows by path.
fn file(root: &Root, syscall: i32, descriptor: u64) -> Option<(FileId, File)> {
    if !tracer_common::syscall::names_descriptor(syscall) {
        return None;
    }
    let path = std::fs::read_link(format!("/proc/{}/fd/{}", root.process.pid, descriptor as u32)).ok()?;
    let path = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    let id = path.iter().fold(SEED, |hash, &byte| mix(hash, byte.into()));
    Some((FileId(id), redact::file(File { path: Bytes::copy_from_slice(path), kind: kind(path) })))
}

fn kind(path: &[u8]) -> FileKind {
    let starts = |prefix: &str| path.starts_with(prefix.as_bytes());
    match path {
        _ if starts("pipe:[") => FileKind::Pipe,
        _ if starts("/dev/pts/") || starts("/dev/tty") => FileKind::Tty,
        _ if starts("/dev/") => FileKind::Device,
        _ if starts("/proc/") => FileKind::Procfs,
        _ if starts("/") => FileKind::Regular,
        // A socket's family is not seeded here; what waits on one waits for a peer.
        _ if starts("socket:[") => FileKind::Inet,
        _ => FileKind::Other,
    }
}
