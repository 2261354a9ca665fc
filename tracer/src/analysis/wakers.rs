//! What ended a thread's sleep: another thread, by a system call that fits what the waiting thread waited for.
//!
//! While a thread is in a system call, an interrupt may wake others: a timer that has run out, a disk that has
//! answered. Its victim is no waker: the probe distinguishes interrupts where the kernel lets it, but for softirqs, in
//! which a thread may receive what it has sent to its own machine. So its call must be one that could have ended that
//! sleep, and in a softirq one that sends.
//!
//! | the thread waits for | calls that may end it |
//! |---|---|
//! | `gil` | futex |
//! | `lock` | futex; flock, fcntl, close; semop … |
//! | `read`, `write`, `network`, `poll` | write, read, send…, recv…, close, connect, accept, shutdown … |
//! | `wait`, `kernel`, `page_fault` | what changes a process or its address space: execve, mmap, munmap … |
//! | `other` | open: the other side of a FIFO |
//! | any of these but `gil` | the waker's own end; for a `lock` in the same process only |
//! | any but `gil`, and `sleep` | kill and the like |
//! | `stopped` | kill and the like |
//! | `disk` | none: storage answers by interrupts |

use std::collections::HashMap;

use syscalls::x86_64::Sysno;

use super::lines;
use super::sums::{Key, Sums};
use crate::event::{Event, Pid, Tid, WakerRow, WakeupRow};
use crate::report::{self, Bounded, Cause};
use crate::symbols::{FrameId, Symbols};

/// Different rows and wakers that are kept apart.
const ROWS: usize = 8_192;

/// Every sleep that a thread ended, by its row and the waker.
#[derive(Debug)]
pub struct Wakers {
    rows: Sums<WakeupRow, u64>,
}

impl Default for Wakers {
    fn default() -> Self {
        Self { rows: Sums::new(ROWS) }
    }
}

impl Wakers {
    /// Adds the rows of one drain.
    pub fn fold(&mut self, event: &Event) {
        if let Event::Wakeups { key, count } = event {
            *self.rows.row(*key) += count;
        }
    }

    /// All that are known by their name.
    pub fn rows(&self) -> impl Iterator<Item = (&WakeupRow, u64)> {
        self.rows.iter().filter(|(key, _)| key.waker.task.tid != 0).map(|(key, count)| (key, *count))
    }
}

/// First the waker's line is forgotten, then which thread woke which.
impl Key for WakeupRow {
    fn coarser(self) -> Option<Self> {
        let unknown = Self::default();
        if self.waker.site.code != 0 {
            let WakerRow { task, comm, syscall, .. } = self.waker;
            return Some(Self { waker: WakerRow { task, comm, syscall, ..unknown.waker }, ..self });
        }
        (self != unknown).then_some(unknown)
    }
}

/// The sleeps of one row of the report, by the thread that ended them.
#[derive(Debug, Default)]
pub struct SleepsByWaker(HashMap<WakerLine, u64>);

/// A waker: a thread at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct WakerLine {
    pid: Pid,
    tid: Tid,
    comm: [u8; 16],
    line: Option<FrameId>,
}

impl SleepsByWaker {
    /// So many were ended by this thread.
    pub fn add(&mut self, waker: &WakerRow, count: u64, symbols: &Symbols) {
        let line = lines::site(symbols, waker.space, &waker.site);
        let waker = WakerLine { pid: waker.task.pid, tid: waker.task.tid, comm: waker.comm, line };
        *self.0.entry(waker).or_default() += count;
    }

    /// Rows of the report, most first.
    pub fn finish(&self, symbols: &Symbols) -> Bounded<report::Waker> {
        let mut ranked: Vec<_> = self.0.iter().collect();
        ranked.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        let rows = ranked.into_iter().map(|(waker, count)| report::Waker {
            pid: waker.pid,
            tid: waker.tid,
            comm: report::Name::new(waker.comm.split(|&byte| byte == 0).next().unwrap_or_default()),
            frame: waker.line.map(|line| lines::frame(symbols, line)),
            count: *count,
        });
        rows.collect()
    }
}

/// What a system call can do to sleeping threads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Futex,
    FileLock,
    SystemV,
    Transfer,
    Open,
    Close,
    Process,
    Memory,
    Folder,
    Signal,
    Exit,
}

/// Whether a thread that waits for this reason may have been woken so.
pub fn can_end(cause: Cause, key: &WakeupRow) -> bool {
    let call = key.waker.syscall.and_then(|call| Sysno::new(call as usize));
    let Some(act) = call.and_then(act) else { return false };
    let in_own_name = !key.waker.in_softirq || matches!(act, Act::Transfer | Act::Close);
    // Processes end for long, and are interrupted often; what only their own threads and parents wait for is known.
    let concerns = act != Act::Exit || cause != Cause::Lock || key.row.task.pid == key.waker.task.pid;
    ends(cause, act) && in_own_name && concerns
}

/// Whether a system call of another thread can end such a sleep.
pub fn can_be_woken(cause: Cause) -> bool {
    !matches!(cause, Cause::Disk | Cause::Preempted | Cause::Yield | Cause::Exit)
}

fn ends(cause: Cause, act: Act) -> bool {
    use Act as A;
    match cause {
        Cause::Disk | Cause::Preempted | Cause::Yield | Cause::Exit => false,
        Cause::Stopped => act == A::Signal,
        Cause::Unknown => true,
        Cause::Gil => act == A::Futex,
        _ if act == A::Signal => true,
        Cause::Sleep => false,
        _ if act == A::Exit => true,
        Cause::Lock => matches!(act, A::Futex | A::FileLock | A::SystemV | A::Close),
        Cause::Read | Cause::Write | Cause::Network | Cause::Poll => {
            matches!(act, A::Transfer | A::Open | A::Close | A::SystemV)
        }
        Cause::Wait => act == A::Process,
        Cause::Kernel => matches!(act, A::Process | A::Memory | A::Folder),
        Cause::PageFault => matches!(act, A::Process | A::Memory),
        Cause::Other => matches!(act, A::Open | A::Folder),
    }
}

#[rustfmt::skip] // a line for each sort of them
fn act(call: Sysno) -> Option<Act> {
    use Sysno as S;
    Some(match call {
        S::futex | S::futex_wake | S::futex_requeue => Act::Futex,
        S::flock | S::fcntl => Act::FileLock,
        S::semop | S::semtimedop | S::semctl | S::msgsnd | S::msgrcv | S::msgctl => Act::SystemV,
        S::mq_timedsend | S::mq_timedreceive => Act::SystemV,
        S::read | S::readv | S::pread64 | S::preadv | S::preadv2 => Act::Transfer,
        S::write | S::writev | S::pwrite64 | S::pwritev | S::pwritev2 => Act::Transfer,
        S::sendfile | S::splice | S::tee | S::vmsplice => Act::Transfer,
        S::sendto | S::sendmsg | S::sendmmsg | S::recvfrom | S::recvmsg | S::recvmmsg => Act::Transfer,
        S::connect | S::accept | S::accept4 | S::shutdown => Act::Transfer,
        S::epoll_ctl | S::io_uring_enter => Act::Transfer,
        S::open | S::openat | S::openat2 => Act::Open,
        S::close | S::close_range | S::dup2 | S::dup3 => Act::Close,
        S::clone | S::clone3 | S::fork | S::vfork | S::execve | S::execveat | S::ptrace => Act::Process,
        S::mmap | S::munmap | S::mprotect | S::mremap | S::brk | S::madvise => Act::Memory,
        S::truncate | S::ftruncate | S::rename | S::renameat | S::renameat2 => Act::Folder,
        S::mkdir | S::rmdir | S::unlink | S::unlinkat => Act::Folder,
        S::kill | S::tkill | S::tgkill => Act::Signal,
        S::rt_sigqueueinfo | S::rt_tgsigqueueinfo | S::pidfd_send_signal => Act::Signal,
        S::exit | S::exit_group => Act::Exit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::syscall_from_wire;

    /// A thread of the waiting thread's own process is in this call.
    fn wakeup(syscall: i32) -> WakeupRow {
        let syscall = syscall_from_wire(syscall);
        WakeupRow { waker: WakerRow { syscall, ..WakerRow::default() }, ..WakeupRow::default() }
    }

    #[test]
    fn what_happens_in_the_background_is_the_senders_alone() {
        for (name, cause, call, expected) in [
            ("sent to its own machine", Cause::Network, Sysno::sendto, true),
            ("a packet while a thread frees memory", Cause::Kernel, Sysno::munmap, false),
            ("a timer while a thread unlocks", Cause::Lock, Sysno::futex, false),
        ] {
            let mut key = wakeup(call as i32);
            key.waker.in_softirq = true;
            assert_eq!(can_end(cause, &key), expected, "{name}");
        }
        let mut key = wakeup(Sysno::exit_group as i32);
        key.waker.task.pid = 7;
        assert!(!can_end(Cause::Lock, &key), "another process ends");
        assert!(can_end(Cause::Wait, &key), "a child ends");
    }

    #[test]
    fn the_victim_of_an_interrupt_is_no_waker() {
        for (name, cause, call, expected) in [
            ("handed over", Cause::Gil, Sysno::futex, true),
            ("5 ms are over while a thread writes", Cause::Gil, Sysno::write, false),
            ("released", Cause::Lock, Sysno::futex, true),
            ("timed out while a thread reads", Cause::Lock, Sysno::read, false),
            ("unlocked by closing", Cause::Lock, Sysno::close, true),
            ("written to", Cause::Read, Sysno::write, true),
            ("drained", Cause::Write, Sysno::read, true),
            ("its other end closed", Cause::Read, Sysno::close, true),
            ("sent to", Cause::Poll, Sysno::sendto, true),
            ("connected to", Cause::Network, Sysno::connect, true),
            ("a futex is no message", Cause::Poll, Sysno::futex, false),
            ("a timer", Cause::Sleep, Sysno::write, false),
            ("a signal", Cause::Sleep, Sysno::kill, true),
            ("a timer while a thread ends", Cause::Sleep, Sysno::exit_group, false),
            ("joined", Cause::Lock, Sysno::exit, true),
            ("the child's end", Cause::Wait, Sysno::exit_group, true),
            ("the child's exec", Cause::Wait, Sysno::execve, true),
            ("a disk that answers during a read", Cause::Disk, Sysno::read, false),
            ("a lock of the address space", Cause::PageFault, Sysno::munmap, true),
            ("continued", Cause::Stopped, Sysno::kill, true),
            ("a call that wakes no thread", Cause::Unknown, Sysno::getpid, false),
        ] {
            assert_eq!(can_end(cause, &wakeup(call as i32)), expected, "{name}");
        }
        assert!(!can_end(Cause::Unknown, &wakeup(-1)));
    }

    #[test]
    fn every_call_that_the_probe_notes_is_understood() {
        let noted = (0..512).filter(|&call| tracer_common::wakeup::can_wake(call));
        let vague: Vec<_> = noted.filter(|&call| !can_end(Cause::Unknown, &wakeup(call))).collect();
        assert_eq!(vague, Vec::<i32>::new());
    }
}
