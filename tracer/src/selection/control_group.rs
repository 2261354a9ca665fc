//! What the path of a control group says: which unit of systemd, which container.

use std::str;

/// An id of a container: 64 hexadecimal digits.
const ID: usize = 64;
/// So many digits of an id are shown where people read it, as container engines do.
pub const SHORT_ID: usize = 12;

/// The unit of systemd that a control group belongs to, the innermost one: `nginx.service`.
#[must_use]
pub fn unit_of(group: &[u8]) -> Option<&str> {
    parts(group).rev().find(|part| is_unit(part))
}

/// A service or a scope; slices hold units, and are none that runs something.
fn is_unit(part: &str) -> bool {
    [".service", ".scope"].iter().any(|kind| part.len() > kind.len() && part.ends_with(kind))
}

/// The container that a control group belongs to, the innermost one: its id with Docker, containerd, CRI-O and podman, its
/// name with LXC and systemd-nspawn.
#[must_use]
pub fn container_of(group: &[u8]) -> Option<&str> {
    parts(group).rev().find_map(container)
}

/// `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope`, or `ID` alone where control groups
/// are not systemd's; podman and CRI-O keep a monitor of each container beside it.
fn container(part: &str) -> Option<&str> {
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some(name);
    }
    if let Some(name) = part.strip_prefix("systemd-nspawn@").and_then(|rest| rest.strip_suffix(".service")) {
        return Some(name);
    }
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let (engine, id) = name.rsplit_once('-').unwrap_or(("", name));
    (is_id(id) && !engine.ends_with("conmon")).then_some(id)
}

fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a unit of this name, `.service` unless it says otherwise, is the group's or holds it.
pub fn names_unit(group: &[u8], wanted: &str) -> bool {
    parts(group).any(|part| part == wanted || part.strip_suffix(".service") == Some(wanted))
}

/// Whether this is the name of the group's container, its id, or the beginning of it.
pub fn names_container(group: &[u8], wanted: &str) -> bool {
    let is_it =
        |found: &str| found == wanted || is_id(found) && !wanted.is_empty() && found.starts_with(wanted);
    container_of(group).is_some_and(is_it)
}

/// Whether a group is this one, or below it; the path may be that of its directory in sysfs.
pub fn is_at_or_below(group: &[u8], wanted: &str) -> bool {
    let wanted = wanted.strip_prefix("/sys/fs/cgroup").unwrap_or(wanted);
    let (mut group, mut wanted) = (parts(group), parts(wanted.as_bytes()));
    wanted.all(|part| group.next() == Some(part))
}

/// Names along a path. One that is not UTF-8 is none that is known here.
fn parts(group: &[u8]) -> impl DoubleEndedIterator<Item = &str> {
    let names = group.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    names.map(|part| str::from_utf8(part).unwrap_or("\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "3f4e5d6c7b8a99887766554433221100ffeeddccbbaa00112233445566778899";

    #[test]
    fn containers_are_known_by_every_engines_path() {
        for path in [
            format!("/system.slice/docker-{HEX}.scope"),
            format!("/docker/{HEX}"),
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-podab.slice/cri-containerd-{HEX}.scope"
            ),
            format!("/kubepods/besteffort/pod12-34/{HEX}"),
            format!("/machine.slice/libpod-{HEX}.scope/container"),
            format!("/system.slice/crio-{HEX}.scope"),
        ] {
            assert_eq!(container_of(path.as_bytes()), Some(HEX), "{path}");
            assert!(
                names_container(path.as_bytes(), HEX) && names_container(path.as_bytes(), "3f4e5d6c7b8a")
            );
            assert!(
                !names_container(path.as_bytes(), "4e5d") && !names_container(path.as_bytes(), ""),
                "{path}"
            );
        }
        for (path, name) in [
            ("/lxc.payload.shop/system.slice/app.service".to_owned(), Some("shop")),
            ("/machine.slice/systemd-nspawn@build.service/payload".to_owned(), Some("build")),
            (format!("/machine.slice/libpod-conmon-{HEX}.scope"), None),
            (format!("/machine.slice/crio-conmon-{HEX}.scope"), None),
            (format!("/docker/{}", &HEX[1..]), None),
            ("/".to_owned(), None),
        ] {
            assert_eq!(container_of(path.as_bytes()), name, "{path}");
        }
        assert!(!names_container(b"/lxc.payload.shop", "sho"), "a name is not an id");
    }

    #[test]
    fn the_innermost_unit_is_the_groups_own() {
        let user = b"/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service/worker";
        assert_eq!(unit_of(user), Some("shop.service"));
        assert_eq!(unit_of(b"/user.slice/user-1000.slice/session-3.scope"), Some("session-3.scope"));
        assert_eq!(
            (unit_of(b"/user.slice"), unit_of(b"/.service"), unit_of(b"/a\xff.service")),
            (None, None, None)
        );
        for (wanted, expected) in
            [("shop", true), ("shop.service", true), ("user@1000", true), ("app.slice", true), ("sho", false)]
        {
            assert_eq!(names_unit(user, wanted), expected, "{wanted}");
        }
    }

    #[test]
    fn a_group_holds_those_below_it_and_no_namesakes() {
        for (group, wanted, expected) in [
            ("/shop/worker", "/shop", true),
            ("/shop", "/shop/", true),
            ("/shop", "/sys/fs/cgroup/shop", true),
            ("/shopping", "/shop", false),
            ("/", "/shop", false),
            ("/shop", "/", true),
        ] {
            assert_eq!(is_at_or_below(group.as_bytes(), wanted), expected, "{group} {wanted}");
        }
    }
}
