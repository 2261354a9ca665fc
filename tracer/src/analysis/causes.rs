//! Why a thread left its CPU, in one word.
//!
//! What the kernel says comes first: a switch is voluntary when `nvcsw` moved. Then the system call that the thread
//! was in decides, together with the file that the call names and the state the thread slept in. In the table, from
//! the top down, the first row that fits wins.
//!
//! | cause | the switch | system calls |
//! |---|---|---|
//! | `exit` | the thread has ended | any |
//! | `stopped` | stopped by a signal or a debugger | any |
//! | `kernel` | none: a new thread waits for its first turn | any |
//! | `unknown` | asleep before the window, and nothing more was to be found out | none |
//! | `yield` | involuntary, which is how the kernel counts it | sched_yield |
//! | `preempted` | involuntary | any other, or none |
//! | `gil` | a futex inside the interpreter's GIL | futex |
//! | `page_fault` | voluntary, outside any system call | none |
//! | `network` | on a socket | read, write and the like, close |
//! | `network` | | recv…, send…, accept, connect, shutdown |
//! | `disk` | uninterruptible, and not on a pipe, terminal, procfs … | read, write and the like, close |
//! | `disk` | uninterruptible | open, stat, rename and other calls that take a path |
//! | `disk` | | fsync, fdatasync, sync, syncfs, sync_file_range, msync |
//! | `read` | | read, pread64, readv, getdents64, splice, msgrcv, getrandom … |
//! | `write` | | write, pwrite64, writev, sendfile, ftruncate, msgsnd … |
//! | `sleep` | no descriptor to wait for | select, pselect6, poll, ppoll |
//! | `poll` | | select, pselect6, poll, ppoll, epoll_wait, io_uring_enter … |
//! | `sleep` | | nanosleep, clock_nanosleep, pause, rt_sigsuspend, restart_syscall |
//! | `wait` | for a child, or for a signal that another process sends | wait4, waitid, rt_sigtimedwait |
//! | `wait` | for the child of a vfork to execute its program | vfork, clone, clone3 |
//! | `lock` | | futex, flock, fcntl, semop … |
//! | `kernel` | the address space, a driver, another process | mmap, munmap, brk, ioctl, execve, exit_group … |
//! | `kernel` | uninterruptible: a lock of the kernel's own | any other |
//! | `other` | | any other |
//! | `unknown` | | a number that has no name |
//!
//! Numbers are those of x86-64. `sleep` after `restart_syscall` is a guess: a sleep or a poll that a stop interrupted.

use crate::event::{StackStatus, SwitchRow};
use syscalls::x86_64::Sysno;
use tracer_common::switch::flag;
use tracer_common::wakeup;

use crate::report::{Cause, LockKind};
use crate::symbols::FileKind;

/// `futex`
const FUTEX: u32 = wakeup::FUTEX.cast_unsigned();

/// The name of a system call, as in its manual page.
pub fn syscall_name(number: i64) -> Option<&'static str> {
    sysno(number).map(|call| call.name())
}

/// Why a thread left its CPU; `file` is the kind of the key's object.
pub fn cause(key: &SwitchRow, file: Option<FileKind>) -> Cause {
    let is = |flag: u32| key.flags & flag == flag;
    match key.syscall {
        _ if is(flag::DEAD) => Cause::Exit,
        _ if is(flag::STOPPED) => Cause::Stopped,
        _ if is(flag::BORN) => Cause::Kernel,
        None if is(flag::BEGAN_BEFORE | flag::VOLUNTARY) => Cause::Unknown,
        call if !is(flag::VOLUNTARY) => involuntary(call),
        _ if is(flag::GIL) => Cause::Gil,
        None => Cause::PageFault,
        Some(call) => sysno(call.into()).map_or(Cause::Unknown, |call| in_call(call, file, key.flags)),
    }
}

/// What sort of lock a futex belongs to.
pub fn lock(key: &SwitchRow) -> Option<LockKind> {
    let is = |flag: u32| key.flags & flag != 0;
    match key.syscall {
        Some(FUTEX) if is(flag::STOPPED_WORLD) => Some(LockKind::World),
        Some(FUTEX) if is(flag::OBJECT_LOCK) => Some(LockKind::Object),
        Some(FUTEX) if is(flag::SHARED_FUTEX) => Some(LockKind::Shared),
        Some(FUTEX) if is(flag::MUTEX) || key.status == StackStatus::NoPythonFrame => Some(LockKind::Native),
        Some(FUTEX) => Some(LockKind::Python),
        _ => None,
    }
}

fn sysno(number: i64) -> Option<Sysno> {
    Sysno::new(usize::try_from(number).ok()?)
}

fn involuntary(call: Option<u32>) -> Cause {
    if call.and_then(|call| sysno(call.into())) == Some(Sysno::sched_yield) {
        Cause::Yield
    } else {
        Cause::Preempted
    }
}

fn in_call(call: Sysno, file: Option<FileKind>, flags: u32) -> Cause {
    let uninterruptible = flags & flag::UNINTERRUPTIBLE != 0;
    match family(call) {
        Family::Read | Family::Write | Family::Close if is_socket(file) => Cause::Network,
        Family::Read | Family::Write | Family::Close if uninterruptible && has_disk(file) => Cause::Disk,
        Family::Path if uninterruptible => Cause::Disk,
        Family::Select if flags & flag::NO_DESCRIPTORS != 0 => Cause::Sleep,
        Family::Unlisted if uninterruptible => Cause::Kernel,
        Family::Read => Cause::Read,
        Family::Write => Cause::Write,
        Family::Network => Cause::Network,
        Family::Select | Family::Poll => Cause::Poll,
        Family::Sleep => Cause::Sleep,
        Family::Wait => Cause::Wait,
        Family::Lock => Cause::Lock,
        Family::Sync => Cause::Disk,
        Family::Kernel | Family::Close => Cause::Kernel,
        Family::Path | Family::Unlisted => Cause::Other,
    }
}

fn is_socket(file: Option<FileKind>) -> bool {
    matches!(file, Some(FileKind::Unix | FileKind::Inet))
}

/// Whether a disk may be behind a file; one that is not known most likely is regular.
fn has_disk(file: Option<FileKind>) -> bool {
    matches!(file, None | Some(FileKind::Regular | FileKind::Device))
}

/// System calls that sleep for the same reasons.
enum Family {
    Read,
    Write,
    Close,
    Network,
    /// Calls that some programs sleep with.
    Select,
    Poll,
    Sleep,
    Wait,
    Lock,
    Sync,
    /// They look a path up, or change a directory.
    Path,
    Kernel,
    Unlisted,
}

fn family(call: Sysno) -> Family {
    use Sysno as S;
    match call {
        S::read | S::readv | S::pread64 | S::preadv | S::preadv2 | S::getdents | S::getdents64 => {
            Family::Read
        }
        S::readahead | S::splice | S::tee | S::copy_file_range | S::getrandom => Family::Read,
        S::msgrcv | S::mq_timedreceive => Family::Read,
        S::write | S::writev | S::pwrite64 | S::pwritev | S::pwritev2 | S::sendfile => Family::Write,
        S::vmsplice | S::fallocate | S::ftruncate | S::msgsnd | S::mq_timedsend => Family::Write,
        S::close => Family::Close,
        S::recvfrom | S::recvmsg | S::recvmmsg | S::sendto | S::sendmsg | S::sendmmsg => Family::Network,
        S::accept | S::accept4 | S::connect | S::shutdown => Family::Network,
        S::select | S::pselect6 | S::poll | S::ppoll => Family::Select,
        S::epoll_wait | S::epoll_pwait | S::epoll_pwait2 | S::epoll_wait_old => Family::Poll,
        S::io_getevents | S::io_pgetevents | S::io_uring_enter => Family::Poll,
        S::nanosleep | S::clock_nanosleep | S::pause | S::rt_sigsuspend | S::restart_syscall => Family::Sleep,
        S::wait4 | S::waitid | S::rt_sigtimedwait | S::vfork | S::clone | S::clone3 => Family::Wait,
        S::futex | S::futex_wait | S::futex_waitv | S::futex_wake | S::futex_requeue => Family::Lock,
        S::flock | S::fcntl | S::semop | S::semtimedop => Family::Lock,
        S::fsync | S::fdatasync | S::sync | S::syncfs | S::sync_file_range | S::msync => Family::Sync,
        call if takes_path(call) => Family::Path,
        call if is_kernels_own(call) => Family::Kernel,
        _ => Family::Unlisted,
    }
}

/// Calls that look a path up, change a directory or ask a file system.
#[rustfmt::skip] // a line for each sort of them
fn takes_path(call: Sysno) -> bool {
    use Sysno as S;
    matches!(
        call,
        S::open | S::openat | S::openat2 | S::creat | S::open_by_handle_at | S::name_to_handle_at
        | S::stat | S::lstat | S::fstat | S::newfstatat | S::statx | S::statfs | S::fstatfs | S::ustat
        | S::access | S::faccessat | S::faccessat2 | S::readlink | S::readlinkat | S::getcwd
        | S::chdir | S::fchdir | S::chroot | S::lseek | S::cachestat | S::fadvise64
        | S::mkdir | S::mkdirat | S::rmdir | S::mknod | S::mknodat | S::truncate
        | S::rename | S::renameat | S::renameat2 | S::unlink | S::unlinkat | S::link | S::linkat | S::symlink | S::symlinkat
        | S::chmod | S::fchmod | S::fchmodat | S::fchmodat2 | S::chown | S::fchown | S::lchown | S::fchownat
        | S::utime | S::utimes | S::futimesat | S::utimensat
        | S::getxattr | S::lgetxattr | S::fgetxattr | S::setxattr | S::lsetxattr | S::fsetxattr
        | S::listxattr | S::llistxattr | S::flistxattr | S::removexattr | S::lremovexattr | S::fremovexattr
        | S::io_submit | S::memfd_create | S::mq_open | S::mq_unlink | S::inotify_add_watch
    )
}

/// Calls that wait for the address space, for a driver, for all CPUs or for another task.
#[rustfmt::skip] // a line for each sort of them
fn is_kernels_own(call: Sysno) -> bool {
    use Sysno as S;
    matches!(
        call,
        S::mmap | S::munmap | S::mprotect | S::pkey_mprotect | S::mremap | S::brk | S::madvise | S::process_madvise
        | S::mlock | S::mlock2 | S::mlockall | S::munlock | S::munlockall | S::mincore | S::remap_file_pages
        | S::mbind | S::set_mempolicy | S::move_pages | S::migrate_pages | S::userfaultfd
        | S::shmget | S::shmat | S::shmdt | S::shmctl | S::semget | S::semctl | S::msgget | S::msgctl
        | S::execve | S::execveat | S::exit | S::exit_group | S::fork | S::unshare | S::setns
        | S::process_vm_readv | S::process_vm_writev | S::process_mrelease | S::ptrace | S::prctl | S::arch_prctl
        | S::kill | S::tgkill | S::tkill | S::pidfd_open | S::pidfd_getfd | S::pidfd_send_signal
        | S::sched_setaffinity | S::sched_setscheduler | S::sched_setattr | S::membarrier | S::seccomp
        | S::ioctl | S::dup | S::dup2 | S::dup3 | S::close_range | S::pipe | S::pipe2
        | S::socket | S::socketpair | S::bind | S::listen | S::setsockopt | S::getsockopt
        | S::epoll_ctl | S::epoll_create1 | S::io_setup | S::io_destroy | S::io_cancel
        | S::io_uring_setup | S::io_uring_register | S::timer_delete
        | S::bpf | S::perf_event_open | S::add_key | S::request_key | S::keyctl
        | S::mount | S::umount2 | S::move_mount | S::fsmount | S::pivot_root | S::swapon | S::swapoff
        | S::init_module | S::finit_module | S::delete_module | S::reboot | S::syslog
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::syscall_from_wire;

    const V: u32 = flag::VOLUNTARY;
    const D: u32 = flag::VOLUNTARY | flag::UNINTERRUPTIBLE;

    fn cause_of(call: i32, flags: u32, file: Option<FileKind>) -> Cause {
        let syscall = syscall_from_wire(call);
        cause(&SwitchRow { syscall, flags, ..SwitchRow::default() }, file)
    }

    #[test]
    fn the_state_of_the_thread_comes_before_its_system_call() {
        for (name, call, flags, expected) in [
            ("ended in exit_group", Sysno::exit_group as i32, V | flag::DEAD, Cause::Exit),
            ("stopped in a read", Sysno::read as i32, V | flag::STOPPED, Cause::Stopped),
            ("stopped and preempted", -1, flag::STOPPED, Cause::Stopped),
            ("not run yet", Sysno::clone3 as i32, flag::BORN, Cause::Kernel),
            ("waited for a CPU when the window began", -1, flag::BEGAN_BEFORE, Cause::Preempted),
            ("asleep before, not read", -1, V | flag::BEGAN_BEFORE, Cause::Unknown),
            ("asleep before, in a read", Sysno::read as i32, V | flag::BEGAN_BEFORE, Cause::Read),
            ("gave its turn away", Sysno::sched_yield as i32, 0, Cause::Yield),
            ("preempted in Python code", -1, 0, Cause::Preempted),
            ("preempted in a futex of the GIL", Sysno::futex as i32, flag::GIL, Cause::Preempted),
            ("waits for the GIL", Sysno::futex as i32, V | flag::GIL, Cause::Gil),
            ("page not in memory", -1, D, Cause::PageFault),
            ("a number without a name", 100_000, V, Cause::Unknown),
            ("a negative number", -2, V, Cause::Unknown),
        ] {
            assert_eq!(cause_of(call, flags, None), expected, "{name}");
        }
    }

    #[test]
    fn a_file_decides_what_reading_and_writing_wait_for() {
        use FileKind::*;
        for (name, call, flags, file, expected) in [
            ("a pipe", Sysno::read, V, Some(Pipe), Cause::Read),
            ("a pipe's own mutex", Sysno::read, D, Some(Pipe), Cause::Read),
            ("a socket", Sysno::read, V, Some(Inet), Cause::Network),
            ("a socket pair", Sysno::readv, V, Some(Unix), Cause::Network),
            ("a file not cached", Sysno::pread64, D, Some(Regular), Cause::Disk),
            ("a file of a slow file system", Sysno::read, V, Some(Regular), Cause::Read),
            ("a block device", Sysno::read, D, Some(Device), Cause::Disk),
            ("a file not known", Sysno::preadv2, D, None, Cause::Disk),
            ("procfs", Sysno::read, D, Some(Procfs), Cause::Read),
            ("a full pipe", Sysno::write, V, Some(Pipe), Cause::Write),
            ("a full socket", Sysno::write, V, Some(Unix), Cause::Network),
            ("a file opened with O_SYNC", Sysno::write, D, Some(Regular), Cause::Disk),
            ("a file sent to a socket", Sysno::sendfile, V, Some(Inet), Cause::Network),
            ("a lingering socket", Sysno::close, V, Some(Inet), Cause::Network),
            ("a file with dirty pages", Sysno::close, D, Some(Regular), Cause::Disk),
            ("an eventfd", Sysno::close, V, Some(Other), Cause::Kernel),
        ] {
            assert_eq!(cause_of(call as i32, flags, file), expected, "{name}");
        }
    }

    #[test]
    fn the_call_decides_for_everything_else() {
        let none = V | flag::NO_DESCRIPTORS;
        for (call, flags, expected) in [
            (Sysno::futex, V, Cause::Lock),
            (Sysno::futex_waitv, V, Cause::Lock),
            (Sysno::flock, V, Cause::Lock),
            (Sysno::recvfrom, V, Cause::Network),
            (Sysno::recvmsg, none, Cause::Network),
            (Sysno::accept4, V, Cause::Network),
            (Sysno::connect, V, Cause::Network),
            (Sysno::select, V, Cause::Poll),
            (Sysno::select, none, Cause::Sleep),
            (Sysno::pselect6, none, Cause::Sleep),
            (Sysno::poll, none, Cause::Sleep),
            (Sysno::epoll_wait, V, Cause::Poll),
            (Sysno::epoll_pwait2, none, Cause::Poll), // its first argument is a descriptor, and may be 0
            (Sysno::io_uring_enter, V, Cause::Poll),
            (Sysno::clock_nanosleep, V, Cause::Sleep),
            (Sysno::pause, V, Cause::Sleep),
            (Sysno::rt_sigtimedwait, V, Cause::Wait),
            (Sysno::wait4, V, Cause::Wait),
            (Sysno::waitid, V, Cause::Wait),
            (Sysno::vfork, D, Cause::Wait),
            (Sysno::clone, D, Cause::Wait),
            (Sysno::fsync, D, Cause::Disk),
            (Sysno::openat, D, Cause::Disk),
            (Sysno::openat, V, Cause::Other), // a FIFO that is not open on its other side
            (Sysno::mmap, D, Cause::Kernel),
            (Sysno::execve, D, Cause::Kernel),
            (Sysno::exit_group, V, Cause::Kernel),
            (Sysno::ioctl, V, Cause::Kernel),
            (Sysno::getpriority, D, Cause::Kernel),
            (Sysno::getpriority, V, Cause::Other),
        ] {
            assert_eq!(cause_of(call as i32, flags, None), expected, "{} {flags:#x}", call.name());
        }
    }

    #[test]
    fn names_are_those_of_the_manual() {
        for (number, name) in [(0, Some("read")), (262, Some("newfstatat")), (-1, None), (1 << 40, None)] {
            assert_eq!(syscall_name(number), name);
        }
    }
}
