//! Users of this machine, as the C library knows them, and acting as one of them.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Room for what a database says of a user, and how many groups one may be in: the kernel's limit.
const TEXT: usize = 64 << 10;
const GROUPS: usize = 65_536;

/// Somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub uid: u32,
    /// The first group.
    pub gid: u32,
    /// Every group.
    pub groups: Vec<u32>,
    /// Name and home, if there is an entry for the number.
    pub entry: Option<(OsString, OsString)>,
}

impl User {
    /// By number, with this group unless the database knows better.
    #[must_use]
    pub fn of_uid(uid: u32, gid: u32) -> Self {
        let unknown = Self { uid, gid, groups: vec![gid], entry: None };
        // SAFETY: the pointers are valid as `look_up` says.
        look_up(|entry, text, bytes, found| unsafe { libc::getpwuid_r(uid, entry, text, bytes, found) })
            .unwrap_or(unknown)
    }

    /// By name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: `name` ends with a zero, and the other pointers are valid as `look_up` says.
        look_up(|entry, text, bytes, found| unsafe {
            libc::getpwnam_r(name.as_ptr(), entry, text, bytes, found)
        })
    }

    /// Gives this thread, and no other, the user's rights for good. Makes system calls only.
    ///
    /// # Errors
    /// When we may not.
    pub fn become_here(&self, groups: &[Gid]) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        Ok(set_thread_res_uid(uid, uid, uid)?)
    }

    /// Every group, as [`Self::become_here`] wants them: to be made before a fork.
    #[must_use]
    pub fn group_ids(&self) -> Vec<Gid> {
        self.groups.iter().map(|&gid| Gid::from_raw(gid)).collect()
    }
}

type PasswdResult = *mut *mut libc::passwd;

/// Asks the database: `ask` is given room for the entry, room for its text with its size, and where to say that it was
/// found.
fn look_up(
    ask: impl Fn(*mut libc::passwd, *mut libc::c_char, usize, PasswdResult) -> libc::c_int,
) -> Option<User> {
    let mut text = vec![0; TEXT];
    let mut entry = MaybeUninit::uninit();
    let mut found = std::ptr::null_mut();
    let error = ask(entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found);
    if error != 0 || found.is_null() {
        return None;
    }
    // SAFETY: it was found, and so written.
    let entry: libc::passwd = unsafe { entry.assume_init() };
    // SAFETY: both point into `text`, at strings that end with a zero.
    let (name, home) = unsafe { (CStr::from_ptr(entry.pw_name), CStr::from_ptr(entry.pw_dir)) };
    let owned = |text: &CStr| OsStr::from_bytes(text.to_bytes()).to_owned();
    let groups = groups(name, entry.pw_gid);
    Some(User { uid: entry.pw_uid, gid: entry.pw_gid, groups, entry: Some((owned(name), owned(home))) })
}

fn groups(name: &CStr, first: u32) -> Vec<u32> {
    let mut groups = vec![0; GROUPS];
    let mut count = GROUPS as libc::c_int;
    // SAFETY: there is room for `count` of them.
    let error = unsafe { libc::getgrouplist(name.as_ptr(), first, groups.as_mut_ptr(), &raw mut count) };
    groups.truncate(if error < 0 { 0 } else { count as usize });
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_name_and_number() {
        let root = User::of_name("root").expect("everybody has a root");
        assert_eq!((root.uid, root.gid, root.entry.is_some()), (0, 0, true));
        assert!(root.groups.contains(&0));
        assert_eq!(User::of_uid(0, 7), root);
        assert_eq!(User::of_name("nobody of this name"), None);
        let unknown = User::of_uid(4_000_000_000, 7);
        assert_eq!((unknown.gid, unknown.groups, unknown.entry), (7, vec![7], None));
    }
}
