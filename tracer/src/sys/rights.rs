//! What this process may do besides what it is for: nothing. Root has forty capabilities, and we need eleven.

use std::io;

use super::filter;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};

/// What the commands need: to load probes, to read processes and their files, to raise limits, to act for who called sudo.
const NEEDED: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::SYS_ADMIN) // uprobes, on newer kernels; files that are mapped and deleted
    .union(CapabilitySet::CHECKPOINT_RESTORE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::SYS_RESOURCE)
    .union(CapabilitySet::SYSLOG) // addresses of /proc/kallsyms, where they are hidden
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID);

/// Whether we have rights that who started us has not: our program's file has them, see capabilities(7).
pub fn are_of_file() -> bool {
    // SAFETY: this reads what the kernel has put on our stack, and takes no pointer.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Gives up all capabilities, for good, on this thread.
///
/// # Errors
/// When the kernel refuses.
pub fn give_up_all() -> io::Result<()> {
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}

/// What is needed to read another process's memory and files.
const READING: CapabilitySet = CapabilitySet::SYS_PTRACE
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::CHECKPOINT_RESTORE)
    .union(CapabilitySet::DAC_READ_SEARCH);

/// Gives up what no command needs, for good: of this thread and those that it will start.
pub fn settle() {
    keep(NEEDED);
    // Likewise no worse than before where it fails.
    let _ = set_no_new_privs(true);
}

/// What is needed while probes come and go with processes.
const WATCHING: CapabilitySet = READING.union(CapabilitySet::BPF).union(CapabilitySet::PERFMON);

/// Gives up, for good, what was needed to begin with: of this thread and those that it will start.
pub fn settle_for_watching() {
    keep(WATCHING);
    filter::only_watching();
}

/// Gives up all but what it takes to read what belongs to another process, on this thread: it parses what that has made up.
pub fn settle_for_reading() {
    keep(READING);
    filter::only_reading();
}

/// No capability is in effect on this thread until this value is dropped: what somebody else has made up is parsed, which
/// takes none, once its file is open.
pub struct Unprivileged(Option<CapabilitySets>);

impl Unprivileged {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        let before = capabilities(None).ok().filter(|sets| !sets.effective.is_empty());
        let none = |sets: &CapabilitySets| {
            set_capabilities(None, CapabilitySets { effective: CapabilitySet::empty(), ..*sets })
        };
        Self(before.filter(|sets| none(sets).is_ok()))
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let _ = set_capabilities(None, before); // what is permitted may be put into effect
        }
    }
}

fn keep(needed: CapabilitySet) {
    let Ok(mut sets) = capabilities(None) else { return };
    sets.effective &= needed;
    sets.permitted &= needed;
    sets.inheritable = CapabilitySet::empty();
    // To give up is always allowed; where a filter of system calls forbids even that, we are as we were.
    let _ = set_capabilities(None, sets);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_is_parsed_without() {
        let effective = || capabilities(None).expect("our own").effective;
        let before = effective();
        {
            let _parsing = Unprivileged::begin();
            drop(Unprivileged::begin());
            assert!(effective().is_empty(), "also after an inner one");
        }
        assert_eq!(effective(), before);
    }

    #[test]
    fn what_is_given_up_is_gone() {
        let held = |keep: fn()| {
            let thread = std::thread::spawn(move || {
                keep();
                capabilities(None).expect("our own")
            });
            thread.join().expect("a thread")
        };
        let before = held(|| ());
        for (keep, needed) in
            [(settle as fn(), NEEDED), (settle_for_watching, WATCHING), (settle_for_reading, READING)]
        {
            let after = held(keep);
            assert_eq!(after.effective, before.effective & needed);
            assert_eq!(after.permitted, before.permitted & needed);
            assert!(after.inheritable.is_empty());
        }
    }
}
