//! The person behind sudo, or behind rights that our program's file has.

use std::env;
use std::io;

use crate::sys::rights;
use crate::sys::user::User;

/// Who asked for the report.
#[derive(Clone, Copy, Debug)]
pub struct Invoker {
    /// The user that this process acts as.
    effective_uid: u32,
    /// The user and group who called sudo.
    sudo: Option<(u32, u32)>,
    /// Who started us has not all rights that we have.
    has_more_rights: bool,
}

impl Invoker {
    /// From `SUDO_UID` and `SUDO_GID`, which only root can have got from sudo.
    pub fn current() -> Self {
        let effective_uid = rustix::process::geteuid().as_raw();
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        if uid != effective_uid {
            // They are the file's owner's (setuid): what the environment says is the caller's word.
            return Self { has_more_rights: true, ..Self::new(effective_uid, Some((uid, gid))) };
        }
        let number = |name| env::var(name).ok()?.parse().ok();
        let sudo =
            number("SUDO_UID").zip(number("SUDO_GID")).filter(|(uid, _)| effective_uid == 0 && *uid != 0);
        Self { has_more_rights: rights::are_of_file(), ..Self::new(effective_uid, sudo) }
    }

    pub(super) fn new(effective_uid: u32, sudo: Option<(u32, u32)>) -> Self {
        Self { effective_uid, sudo, has_more_rights: false }
    }

    /// The person who called sudo: what is done for them is done with their rights, not with ours.
    pub fn caller(&self) -> Option<User> {
        self.sudo.map(|(uid, gid)| User { gid, ..User::of_uid(uid, gid) })
    }

    /// Gives this thread the rights of the user who called, for good.
    pub fn become_here(&self) -> io::Result<()> {
        self.caller().map_or(Ok(()), |user| user.become_here(&user.group_ids()))?;
        if self.has_more_rights { rights::give_up_all() } else { Ok(()) }
    }

    /// Whether what belongs to `uid` is theirs to replace.
    pub fn owns(&self, uid: u32) -> bool {
        match self.sudo {
            Some((caller, _)) => uid == caller,
            None => self.trusts(uid),
        }
    }

    /// Whether what belongs to `uid` is beyond suspicion: root's, ours or the caller's own.
    pub fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == self.effective_uid || self.sudo.is_some_and(|(sudo_uid, _)| sudo_uid == uid)
    }
}
