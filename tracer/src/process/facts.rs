//! Facts of a process, from `/proc/PID`.
//!
//! The directory is held open, so that a pid which is used again never gives another process's facts, and a pidfd says
//! when the process ends. Names are bytes: the target chooses them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

use procfs::ProcError;
use procfs::process::Stat;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Dir, DirEntry};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::time::{ClockId, clock_gettime};

use crate::event::{Bytes, Pid, Tid};
use crate::process::Masks;
use crate::process::cgroup::{control_group, control_groups};
use crate::process::deadline::Deadline;
use crate::process::error::{Error, printable};
use crate::process::maps::{self, Mapping};
use crate::process::namespace;
use crate::process::record;
use crate::process::sleep::Sleep;
use crate::process::thread_status::ThreadStatus;
use crate::sys::aside::{self, BRIEFLY, PATIENTLY, aside};
use crate::sys::memory::ProcessMemory;

/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/sched.h>
const PF_KTHREAD: u32 = 0x0020_0000;
/// Most bytes that are read of a file below `/proc/PID`; the longest is `maps`.
const FILE_LIMIT: u64 = 24 << 20;
/// Of them so many are read at a time: the kernel makes them up, which may take a while.
const PIECE: u64 = 64 << 10;
/// Of a command line: more than a report shows.
const TITLE_LIMIT: u64 = 20 << 10;

/// A process that exists.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id, as our pid namespace numbers it.
    pub pid: Pid,
    /// A thread whose memory is the process's: its main thread, unless that has ended already.
    memory_tid: Tid,
    directory: Arc<procfs::process::Process>,
    pidfd: Arc<OwnedFd>,
}

impl Process {
    /// Opens a process by its id or by that of any of its threads.
    ///
    /// # Errors
    /// When there is no such process, or it is a zombie or a kernel thread.
    pub fn open(id: Pid) -> Result<Self, Error> {
        if !namespace::is_that_of_proc() {
            return Err(Error::ForeignProc { pid: id });
        }
        let pid = process_of(id)?;
        let reading = |cause| Error::reading(pid, "the process directory", cause);
        let directory =
            procfs::process::Process::new(pid.cast_signed()).map_err(|error| reading(plain(error)))?;
        let pidfd = pidfd(pid).map_err(reading)?;
        let (directory, pidfd) = (Arc::new(directory), Arc::new(pidfd));
        let mut process = Self { pid, memory_tid: pid, directory, pidfd };
        // Read after the pidfd was opened: if the directory is still that of a process, both mean the same one.
        let stat = process.stat().map_err(|cause| Error::reading(pid, "stat", cause))?;
        process.check(&stat)?;
        Ok(process)
    }

    fn check(&mut self, stat: &Stat) -> Result<(), Error> {
        if stat.flags & PF_KTHREAD != 0 {
            return Err(Error::KernelThread {
                pid: self.pid,
                comm: printable(&self.comm().unwrap_or_default()),
            });
        }
        if matches!(stat.state, 'Z' | 'X') {
            // The main thread of a process may end before the others do.
            let alive = self.threads()?.into_iter().find(|&tid| tid != self.pid);
            let zombie = Error::Zombie { pid: self.pid, parent: stat.ppid.cast_unsigned() };
            self.memory_tid = alive.ok_or(zombie)?;
        }
        Ok(())
    }

    /// Its id as its own, innermost pid namespace numbers it, `None` where that is ours.
    #[must_use]
    pub fn namespace_pid(&self) -> Option<Pid> {
        let inside = self.thread(self.pid).ok()?.namespace_tid;
        (inside != self.pid).then_some(inside)
    }

    /// Becomes readable when the process ends.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(&*self.pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())) == Ok(0)
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> ProcessMemory {
        ProcessMemory::new(self.memory_tid)
    }

    /// Does what reads its memory or the files that it has mapped, where that need not answer: see [`aside`].
    ///
    /// # Errors
    /// `TimedOut` where it has not answered, now or before.
    pub(crate) fn aside<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> io::Result<T> {
        let process = self.clone();
        aside(self.memory_tid, limit, move || work(&process))
    }

    /// A path below `/proc` for what only a thread that has not ended can show: its root, its mapped files.
    pub(crate) fn live_path(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.memory_tid)
    }

    /// `/proc/PID/stat`: parent, state, start time and more.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn stat(&self) -> io::Result<Stat> {
        self.directory.stat().map_err(plain)
    }

    /// How long ago it was started, exact to the kernel's hundredths of a second.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn age(&self) -> io::Result<Duration> {
        let ticks = self.stat()?.starttime;
        let started = Duration::from_millis(ticks.saturating_mul(1_000) / procfs::ticks_per_second());
        let now = clock_gettime(ClockId::Boottime);
        let now = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0));
        Ok(now.saturating_sub(started))
    }

    /// Name of its main thread.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn comm(&self) -> io::Result<Bytes> {
        self.thread_name(self.pid)
    }

    /// Name of a thread.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn thread_name(&self, tid: Tid) -> io::Result<Bytes> {
        let mut name = record::read(&self.open_task(tid, "comm")?)?;
        name.pop_if(|last| *last == b'\n');
        Ok(name.into())
    }

    /// Its command line, arguments joined by spaces, as it stands in its memory now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn title(&self) -> io::Result<Bytes> {
        let line = self.aside(BRIEFLY, |process| process.read("cmdline", TITLE_LIMIT))??;
        let end = line.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Ok(line[..end].iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect())
    }

    /// Its control group: that of the memory controller, where controllers have hierarchies of their own.
    #[must_use]
    pub fn cgroup(&self) -> Option<Bytes> {
        control_group(&self.read("cgroup", FILE_LIMIT).ok()?)
    }

    /// Its control group in every hierarchy there is.
    #[must_use]
    pub fn control_groups(&self) -> Vec<Bytes> {
        let text = self.read("cgroup", FILE_LIMIT).unwrap_or_default();
        control_groups(&text).map(|(_, path)| Bytes::copy_from_slice(path)).collect()
    }

    /// Its effective user.
    #[must_use]
    pub fn effective_user(&self) -> Option<u32> {
        let line = self.status_line("Uid")?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// What it executes, `None` where we may not know.
    #[must_use]
    pub fn exe(&self) -> Option<Bytes> {
        Some(self.directory.exe().ok()?.into_os_string().into_vec().into())
    }

    /// Its threads that have not been reaped.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn threads(&self) -> Result<Vec<Tid>, Error> {
        let reading = |cause| Error::reading(self.pid, "threads", cause);
        // `procfs` would open every thread's directory.
        let directory = self.directory.open_relative("task").map_err(|error| reading(plain(error)))?;
        let entries = Dir::new(directory).map_err(|error| reading(error.into()))?;
        let tid = |entry: DirEntry| entry.file_name().to_str().ok()?.parse().ok();
        Ok(entries.flatten().filter_map(tid).collect())
    }

    /// What a thread is called, how often it has switched, and its id in its namespace.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn thread(&self, tid: Tid) -> io::Result<ThreadStatus> {
        Ok(ThreadStatus::parse(&record::read(&self.open_task(tid, "status")?)?))
    }

    /// The same of those of these threads that have not been reaped, and of how many there was no time to ask.
    #[must_use]
    pub fn described(&self, tids: &[Tid], deadline: Deadline) -> (Vec<(Tid, ThreadStatus)>, usize) {
        deadline.each(tids, |&tid| Some((tid, self.thread(tid).ok()?)))
    }

    /// What a thread blocks, and what waits for it.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn masks(&self, tid: Tid) -> io::Result<Masks> {
        Ok(Masks::parse(&record::read(&self.open_task(tid, "status")?)?))
    }

    /// A number of `/proc/PID/status` by its name, `None` where there is no such line.
    #[must_use]
    pub fn status_number(&self, name: &str) -> Option<u64> {
        self.status_line(name)?.trim().parse().ok()
    }

    fn status_line(&self, name: &str) -> Option<String> {
        let status = self.read("status", FILE_LIMIT).ok()?;
        let mut lines = status.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned()))
    }

    /// What a thread sleeps in, for who asks more than once.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn sleep(&self, tid: Tid) -> io::Result<Sleep> {
        self.open_task(tid, "syscall").map(Sleep::new)
    }

    /// What is mapped into its memory.
    ///
    /// # Errors
    /// When the process is gone, or we may not know.
    pub fn maps(&self) -> Result<Vec<Mapping>, Error> {
        self.maps_up_to_limit().map(|(maps, _)| maps)
    }

    /// The same, and whether that is all: there may be more of it than is read.
    ///
    /// # Errors
    /// As [`maps`](Self::maps).
    pub fn maps_up_to_limit(&self) -> Result<(Vec<Mapping>, bool), Error> {
        let path = format!("task/{}/maps", self.memory_tid);
        let text = self.aside(PATIENTLY, move |process| process.read(&path, FILE_LIMIT)).flatten();
        text.map(|text| (maps::parse(&text), (text.len() as u64) < FILE_LIMIT))
            .map_err(|cause| Error::reading(self.pid, "maps", cause))
    }

    fn open_task(&self, tid: Tid, file: &str) -> io::Result<File> {
        self.directory.open_relative(format!("task/{tid}/{file}")).map_err(plain)
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = self.directory.open_relative(path).map_err(plain)?.take(limit);
        while file.by_ref().take(PIECE).read_to_end(&mut bytes)? > 0 {
            aside::beat();
        }
        Ok(bytes)
    }
}

/// The process that an id belongs to: a thread's as well as its own.
fn process_of(id: Pid) -> Result<Pid, Error> {
    let status = std::fs::read(format!("/proc/{id}/status"));
    let status = status.map_err(|cause| Error::reading(id, "status", cause))?;
    Ok(ThreadStatus::parse(&status).pid)
}

fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed());
    let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// What the system said.
fn plain(error: ProcError) -> io::Error {
    match error {
        ProcError::Io(error, _) => error,
        ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::interpreters::skip;

    #[test]
    fn a_thread_id_opens_its_process() {
        let own = std::process::id();
        let thread = std::thread::spawn(move || {
            let own = std::fs::read_link("/proc/thread-self").expect("a thread");
            let tid = own.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("its id");
            (tid, Process::open(tid).expect("our own process").pid)
        });
        let (tid, opened) = thread.join().expect("a thread");
        assert_ne!(tid, own);
        assert_eq!(opened, own);
    }

    #[test]
    fn what_cannot_be_traced_is_refused_by_name() {
        let mut child = std::process::Command::new("true").spawn().expect("true(1)");
        let process = Process::open(child.id());
        while process.as_ref().is_ok_and(Process::is_alive) {
            std::thread::yield_now();
        }
        let zombie = Process::open(child.id()).expect_err("a zombie");
        assert!(matches!(zombie, Error::Zombie { parent, .. } if parent == std::process::id()), "{zombie}");
        child.wait().expect("a child");
        let gone = Process::open(child.id()).expect_err("no process");
        assert!(matches!(gone, Error::NoSuchProcess { .. }), "{gone}");
        match Process::open(2).map(|process| process.pid) {
            Err(Error::KernelThread { comm, .. }) => assert_eq!(comm, "kthreadd"),
            other => skip(&format!("PID 2 is no kernel thread here: {other:?}")),
        }
    }
}
