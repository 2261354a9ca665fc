//! The person behind sudo.

use std::env;

/// Who asked for the report.
#[derive(Clone, Copy, Debug)]
pub struct Invoker {
    /// The user that this process acts as.
    effective_uid: u32,
    /// The user and group who called sudo.
    sudo: Option<(u32, u32)>,
}

impl Invoker {
    /// From `SUDO_UID` and `SUDO_GID`, which only root can have got from sudo.
    pub fn current() -> Self {
        let effective_uid = rustix::process::geteuid().as_raw();
        let number = |name| env::var(name).ok()?.parse().ok();
        let sudo = number("SUDO_UID").zip(number("SUDO_GID")).filter(|_| effective_uid == 0);
        Self::new(effective_uid, sudo)
    }

    pub fn new(effective_uid: u32, sudo: Option<(u32, u32)>) -> Self {
        Self { effective_uid, sudo }
    }

    /// Whom the report shall belong to, if not to this process's user.
    pub fn owner(&self) -> Option<(u32, u32)> {
        self.sudo
    }

    /// Whether what belongs to `uid` is beyond suspicion: root's, ours or the caller's own.
    pub fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == self.effective_uid || self.sudo.is_some_and(|(sudo_uid, _)| sudo_uid == uid)
    }
}
