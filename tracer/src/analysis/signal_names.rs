//! Signals by number, and what each does to a process that has not asked for anything.
//!
//! Numbers are those of x86-64 and aarch64:
//! <https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/uapi/asm/signal.h>

/// The standard signals; the number is the place in the list, from 1.
const STANDARD: [(&str, Action); 31] = [
    ("SIGHUP", Action::Terminate),
    ("SIGINT", Action::Terminate),
    ("SIGQUIT", Action::Core),
    ("SIGILL", Action::Core),
    ("SIGTRAP", Action::Core),
    ("SIGABRT", Action::Core),
    ("SIGBUS", Action::Core),
    ("SIGFPE", Action::Core),
    ("SIGKILL", Action::Terminate),
    ("SIGUSR1", Action::Terminate),
    ("SIGSEGV", Action::Core),
    ("SIGUSR2", Action::Terminate),
    ("SIGPIPE", Action::Terminate),
    ("SIGALRM", Action::Terminate),
    ("SIGTERM", Action::Terminate),
    ("SIGSTKFLT", Action::Terminate),
    ("SIGCHLD", Action::Ignore),
    ("SIGCONT", Action::Continue),
    ("SIGSTOP", Action::Stop),
    ("SIGTSTP", Action::Stop),
    ("SIGTTIN", Action::Stop),
    ("SIGTTOU", Action::Stop),
    ("SIGURG", Action::Ignore),
    ("SIGXCPU", Action::Core),
    ("SIGXFSZ", Action::Core),
    ("SIGVTALRM", Action::Terminate),
    ("SIGPROF", Action::Terminate),
    ("SIGWINCH", Action::Ignore),
    ("SIGIO", Action::Terminate),
    ("SIGPWR", Action::Terminate),
    ("SIGSYS", Action::Core),
];

/// `SIGRTMIN` of the C library, which keeps the kernel's first two real-time signals to itself.
const RTMIN: u32 = 34;
const RTMAX: u32 = 64;

/// What a signal does by default: signal(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process ends.
    Terminate,
    /// The process ends and dumps core.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// The process continues.
    Continue,
}

/// `SIGTERM`, `SIGRTMIN+3`
pub fn signal_name(number: u32) -> String {
    match number {
        RTMIN => "SIGRTMIN".into(),
        RTMAX => "SIGRTMAX".into(),
        _ if (RTMIN..RTMAX).contains(&number) => format!("SIGRTMIN+{}", number - RTMIN),
        _ => standard(number).map_or_else(|| format!("SIG{number}"), |(name, _)| name.into()),
    }
}

/// What a signal does by default; a real-time signal terminates.
pub fn default_action(number: u32) -> Action {
    standard(number).map_or(Action::Terminate, |(_, action)| action)
}

/// A standard signal is queued once only; a real-time one as often as it is sent.
pub fn is_standard(number: u32) -> bool {
    standard(number).is_some()
}

fn standard(number: u32) -> Option<(&'static str, Action)> {
    STANDARD.get((number as usize).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_actions_are_those_of_the_manual() {
        for (number, name, action) in [
            (1, "SIGHUP", Action::Terminate),
            (9, "SIGKILL", Action::Terminate),
            (11, "SIGSEGV", Action::Core),
            (17, "SIGCHLD", Action::Ignore),
            (18, "SIGCONT", Action::Continue),
            (20, "SIGTSTP", Action::Stop),
            (31, "SIGSYS", Action::Core),
            (32, "SIG32", Action::Terminate),
            (34, "SIGRTMIN", Action::Terminate),
            (40, "SIGRTMIN+6", Action::Terminate),
            (64, "SIGRTMAX", Action::Terminate),
            (0, "SIG0", Action::Terminate),
        ] {
            assert_eq!((signal_name(number).as_str(), default_action(number)), (name, action));
        }
    }
}
