//! Control groups: cgroups(7), from `/proc/PID/cgroup`.

use crate::event::{Bytes, Pid};

/// The control group of a zombie: version 2 remembers it until it is reaped, version 1 shows the root's.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/cgroup/cgroup.c> (`proc_cgroup_show`)
#[must_use]
pub fn cgroup_of_zombie(pid: Pid) -> Option<Bytes> {
    let group = control_group(&std::fs::read(format!("/proc/{pid}/cgroup")).ok()?)?;
    // The kernel says so of a group that was removed meanwhile.
    let group = group.strip_suffix(b" (deleted)").map_or(group.clone(), Bytes::copy_from_slice);
    (group != "/").then_some(group)
}

/// That of the memory controller, where controllers have hierarchies of their own; the one hierarchy of version 2 has no
/// controllers.
pub(crate) fn control_group(text: &[u8]) -> Option<Bytes> {
    let path_of = |wanted: &[u8]| {
        let names_it = |controllers: &[u8]| controllers.split(|&byte| byte == b',').any(|one| one == wanted);
        control_groups(text).find_map(|(controllers, path)| names_it(controllers).then_some(path))
    };
    path_of(b"memory").or_else(|| path_of(b"")).map(Bytes::copy_from_slice)
}

/// Controllers and path, from lines of `hierarchy:controllers:path`: cgroups(7).
pub(super) fn control_groups(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut parts = line.splitn(3, |&byte| byte == b':').skip(1);
        Some((parts.next()?, parts.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_group_is_the_one_that_bounds_memory() {
        for (text, expected) in [
            ("0::/user.slice\n", Some("/user.slice")),
            ("3:cpu,cpuacct:/a\n2:memory:/b:c\n0::/d\n", Some("/b:c")),
            ("3:cpu,cpuacct:/a\n1:name=systemd:/e\n0::/d\n", Some("/d")),
            ("", None),
        ] {
            assert_eq!(control_group(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
