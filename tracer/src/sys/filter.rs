//! Which system calls are left once everything is attached: a filter of seccomp(2), for this thread and those that it will
//! start.
//!
//! What is not on the list is answered as a kernel would that does not have it (`ENOSYS`). To kill us would leave
//! breakpoints in the target; and for `ENOSYS` every C library has another way, which it has not for `EPERM`: a list that
//! lacks a call of a library that nobody has tried costs a detail then, not the run.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Is, SeccompCondition as Condition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// What a C library and the standard library call of themselves: memory, locks, time, who we are, the end.
#[rustfmt::skip]
const RUNTIME: &[c_long] = &[
    libc::SYS_brk, libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise,
    libc::SYS_futex, libc::SYS_set_robust_list, libc::SYS_rseq, libc::SYS_sched_yield, libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_nanosleep, libc::SYS_gettimeofday, libc::SYS_getrandom,
    libc::SYS_getpid, libc::SYS_gettid, libc::SYS_getppid, libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid,
    libc::SYS_getegid, libc::SYS_getrusage, libc::SYS_times, libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_prctl,
    libc::SYS_capget, libc::SYS_capset, libc::SYS_seccomp, libc::SYS_sigaltstack, libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_restart_syscall, libc::SYS_exit, libc::SYS_exit_group,
];

/// To read files and memory.
#[rustfmt::skip]
const READING: &[c_long] = &[
    libc::SYS_openat2, libc::SYS_read, libc::SYS_pread64, libc::SYS_readv, libc::SYS_preadv, libc::SYS_lseek,
    libc::SYS_close, libc::SYS_fcntl, libc::SYS_dup, libc::SYS_stat, libc::SYS_lstat, libc::SYS_fstat,
    libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_access, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_readlink, libc::SYS_readlinkat, libc::SYS_getdents64, libc::SYS_getcwd,
    libc::SYS_poll, libc::SYS_ppoll, libc::SYS_pidfd_open, libc::SYS_process_vm_readv,
];

/// To watch: probes come and go with processes, and somebody is notified.
#[rustfmt::skip]
const WATCHING: &[c_long] = &[
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_ioctl, libc::SYS_membarrier, libc::SYS_prlimit64,
    libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_wait, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2, libc::SYS_pipe2, libc::SYS_timerfd_create, libc::SYS_timerfd_settime, libc::SYS_recvfrom,
    libc::SYS_write, libc::SYS_writev, libc::SYS_wait4, libc::SYS_waitid, libc::SYS_socketpair, libc::SYS_sendmsg,
];

/// For a thread that reads what belongs to a target. Where the kernel has no such filters, all calls are left.
pub fn only_reading() {
    only(&[RUNTIME, READING], &[on_stderr(libc::SYS_write), on_stderr(libc::SYS_writev)]);
}

/// For the threads that watch.
pub fn only_watching() {
    // glibc tries clone3 first, whose flags nobody can read; it takes `ENOSYS` for an older kernel's.
    let thread = (libc::SYS_clone, condition(0, Is::MaskedEq(THREAD), THREAD));
    only(&[RUNTIME, READING, WATCHING], &[thread]);
}

/// `CLONE_THREAD`
const THREAD: u64 = libc::CLONE_THREAD as u64;
/// Flags of open(2) by which a file could be changed.
const CHANGES: u64 =
    (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | libc::O_TMPFILE) as u64
        & !(libc::O_DIRECTORY as u64);

fn only(lists: &[&[c_long]], more: &[(c_long, Option<Condition>)]) {
    let open = [(libc::SYS_openat, 2), (libc::SYS_open, 1)];
    let open = open.map(|(call, flags)| (call, condition(flags, Is::MaskedEq(CHANGES), 0)));
    // The standard library ends by a signal that it sends itself.
    let own = (libc::SYS_tgkill, condition(0, Is::Eq, std::process::id().into()));
    // Whichever thread takes a signal wakes the others through a pair of sockets: it is sent to no address.
    let send = (libc::SYS_sendto, condition(4, Is::Eq, 0));
    let checked = open.into_iter().chain([own, send]).chain(more.iter().cloned());
    let mut rules: BTreeMap<_, _> = lists.iter().copied().flatten().map(|&call| (call, Vec::new())).collect();
    for (call, condition) in checked {
        let rule = condition.and_then(|condition| SeccompRule::new(vec![condition]).ok());
        rules.entry(call).or_default().extend(rule);
    }
    if let Some(program) = program(rules) {
        let _ = apply_filter(&program); // we are as we were
    }
}

fn program(rules: BTreeMap<c_long, Vec<SeccompRule>>) -> Option<BpfProgram> {
    let otherwise = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let filter = SeccompFilter::new(rules, otherwise, SeccompAction::Allow, TargetArch::x86_64);
    filter.ok()?.try_into().ok()
}

/// Nothing of this sort can be wrong: an argument's place is below six.
fn condition(argument: u8, is: Is, value: u64) -> Option<Condition> {
    Condition::new(argument, Len::Qword, is, value).ok()
}

fn on_stderr(call: c_long) -> (c_long, Option<Condition>) {
    (call, condition(0, Is::Eq, libc::STDERR_FILENO.cast_unsigned().into()))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, read_to_string};
    use std::io::Write;
    use std::process::Command;
    use std::thread;

    use super::*;

    /// What this thread may do, tried one by one: read a file, change one, write to one, run a program, talk to others,
    /// start a thread.
    fn tried(file: &mut File) -> [bool; 6] {
        [
            read_to_string("/proc/self/status").is_ok(),
            File::options().append(true).open("/dev/null").is_ok(),
            file.write_all(b"x").is_ok(),
            Command::new("true").status().is_ok(),
            std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
            thread::Builder::new().spawn(|| ()).is_ok_and(|thread| thread.join().is_ok()),
        ]
    }

    #[test]
    fn only_what_is_needed_is_left() {
        for (filter, expected) in [
            ((|| ()) as fn(), [true; 6]),
            (only_watching, [true, false, true, false, false, true]),
            (only_reading, [true, false, false, false, false, false]),
        ] {
            // A filter is a thread's own.
            let mut file = tempfile::tempfile().expect("a folder for it");
            let thread = thread::spawn(move || {
                filter();
                tried(&mut file)
            });
            assert_eq!(thread.join().expect("nobody is killed"), expected);
        }
    }
}
