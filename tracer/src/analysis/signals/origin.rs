//! Where a signal comes from: a user, a timer, a child, a fault, or the kernel.
//!
//! `si_code` says, whatever was running: <https://github.com/torvalds/linux/blob/v6.12/include/uapi/asm-generic/siginfo.h>

use crate::event::{SignalGenerate, SignalInfo};
use crate::report::Origin;

const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;
const SI_TIMER: i32 = -2;
const SI_SIGIO: i32 = -5;
const SI_TKILL: i32 = -6;

/// SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: a thread's own doing, if the kernel sends them.
const FAULTS: [u32; 6] = [4, 5, 7, 8, 11, 31];
const SIGPIPE: u32 = 13;
const SIGCHLD: u32 = 17;
const SIGXFSZ: u32 = 25;
/// SIGALRM, SIGVTALRM, SIGPROF: what setitimer(2) and alarm(2) send, without a siginfo of their own.
const INTERVAL_TIMERS: [u32; 3] = [14, 26, 27];

/// How a signal came about.
pub fn origin(signal: &SignalGenerate) -> Origin {
    match signal.info {
        SignalInfo::None if is_own_write_failure(signal) => Origin::Kernel,
        SignalInfo::None => Origin::Kill,
        SignalInfo::Kernel if INTERVAL_TIMERS.contains(&signal.signal) => Origin::Timer,
        SignalInfo::Kernel => Origin::Kernel,
        SignalInfo::Code { code, .. } => by_code(code, signal.signal),
    }
}

/// Whether a program asked for it: then the thread that was running is its sender.
pub fn is_sent(origin: Origin) -> bool {
    matches!(origin, Origin::Kill | Origin::Tgkill | Origin::Sigqueue)
}

/// The number of a process in our pid namespace, if it is in there.
pub fn seen(id: u32) -> Option<u32> {
    (id != 0).then_some(id)
}

fn by_code(code: i32, signal: u32) -> Origin {
    match code {
        SI_USER => Origin::Kill,
        SI_TKILL => Origin::Tgkill,
        SI_QUEUE => Origin::Sigqueue,
        SI_TIMER => Origin::Timer,
        SI_SIGIO => Origin::Kernel,
        1.. if signal == SIGCHLD => Origin::Child,
        1.. if FAULTS.contains(&signal) => Origin::Fault,
        1.. => Origin::Kernel,
        _ => Origin::Unknown,
    }
}

/// A write to a closed pipe, or beyond the file size limit: the kernel sends these as if the thread had done so itself.
/// <https://github.com/torvalds/linux/blob/v6.12/fs/pipe.c> (`pipe_write`)
fn is_own_write_failure(signal: &SignalGenerate) -> bool {
    matches!(signal.signal, SIGPIPE | SIGXFSZ) && signal.current == signal.target
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{signal, task};

    #[test]
    fn the_siginfo_decides_and_not_what_was_running() {
        let code = |code| SignalInfo::Code { code, pid: 0 };
        for (name, number, info, expected) in [
            ("os.kill", 15, code(SI_USER), Origin::Kill),
            ("os.kill of a fault's signal", 11, code(SI_USER), Origin::Kill),
            ("signal.pthread_kill", 10, code(SI_TKILL), Origin::Tgkill),
            ("sigqueue", 34, code(SI_QUEUE), Origin::Sigqueue),
            ("timer_create", 34, code(SI_TIMER), Origin::Timer),
            ("signal.setitimer", 14, SignalInfo::Kernel, Origin::Timer),
            ("signal.setitimer(ITIMER_PROF)", 27, SignalInfo::Kernel, Origin::Timer),
            ("segmentation fault", 11, code(1), Origin::Fault),
            ("general protection fault", 11, code(0x80), Origin::Fault),
            ("a child ended", 17, code(1), Origin::Child),
            ("Ctrl-C", 2, SignalInfo::Kernel, Origin::Kernel),
            ("killed by the kernel", 9, SignalInfo::Kernel, Origin::Kernel),
            ("input is ready", 29, code(1), Origin::Kernel),
            ("send_sig without a siginfo", 9, SignalInfo::None, Origin::Kill),
            ("broken pipe", 13, SignalInfo::None, Origin::Kernel),
            ("asynchronous I/O", 34, code(-4), Origin::Unknown),
        ] {
            let signal = signal(number, task(7, 7), task(7, 7));
            assert_eq!(origin(&SignalGenerate { info, ..signal }), expected, "{name}");
        }
    }
}
