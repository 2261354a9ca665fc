//! What the kernel has.

use std::fs::read_to_string;

use super::check::Check;
use crate::error::ErrorKind;
use crate::kernel::btf::{self, Btf};
use crate::kernel::features::Features;

/// The oldest release whose verifier takes the probes: they walk stacks by `bpf_loop`.
/// <https://github.com/torvalds/linux/blob/v5.17/include/uapi/linux/bpf.h>
const OLDEST: (u32, u32) = (5, 17);

/// All of them.
pub fn checks() -> Vec<Check> {
    let mut checks = vec![release()];
    checks.extend(types());
    checks.extend([jit(), lockdown(), modules()]);
    checks
}

fn release() -> Check {
    let uname = rustix::system::uname();
    let (release, machine) = (uname.release().to_string_lossy(), uname.machine().to_string_lossy());
    let found = format!("Linux {release} {machine}");
    match version(&release) {
        Some(version) if version < OLDEST => {
            Check::failed("kernel", ErrorKind::Kernel, found, "try Linux 5.17 or later")
        }
        _ => Check::ok("kernel", found),
    }
}

/// `6.12.38+deb13-amd64` is 6.12.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|char: char| !char.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The types that the probes are adapted to.
fn types() -> Vec<Check> {
    let btf = match Btf::of_kernel() {
        Ok(btf) => btf,
        Err(error) => {
            let remedy = "try a kernel built with CONFIG_DEBUG_INFO_BTF";
            return vec![Check::failed("btf", ErrorKind::Kernel, error.to_string(), remedy)];
        }
    };
    let found = format!("{}, {} KiB", btf::VMLINUX, btf.bytes() / 1024);
    let mut checks = vec![Check::ok("btf", found)];
    match Features::from_btf(&btf) {
        Err(error) => checks.push(Check::failed(
            "btf fields",
            ErrorKind::Kernel,
            error.to_string(),
            "try Linux 5.17 or later",
        )),
        Ok(features) => checks.extend(features_found(&features)),
    }
    checks
}

fn features_found(features: &Features) -> [Check; 3] {
    let value =
        |name| features.globals.iter().find(|&&(global, _)| global == name).map_or(0, |&(_, value)| value);
    let cast = match features.rdonly_cast {
        Some(_) => "bpf_rdonly_cast: finding the files of reads is cheap",
        None => "no bpf_rdonly_cast (Linux 6.2): finding the files of reads costs more",
    };
    let state = match value("PREV_STATE_ARGUMENT") {
        0 => "sched_switch without the task state (Linux 5.18): it is read from the task",
        _ => "sched_switch with the task state",
    };
    let fields = format!("all {} that the probes need", features.globals.len());
    [Check::ok("btf fields", fields), Check::ok("btf functions", cast), Check::ok("btf tracepoints", state)]
}

/// <https://github.com/torvalds/linux/blob/v6.12/Documentation/admin-guide/sysctl/net.rst>
fn jit() -> Check {
    match setting("/proc/sys/net/core/bpf_jit_enable").as_deref() {
        Some("0") => Check::lacking(
            "bpf jit",
            "off: probes are interpreted and cost several times as much",
            "try sysctl net.core.bpf_jit_enable=1",
        ),
        Some(_) => Check::ok("bpf jit", "on"),
        None => Check::ok("bpf jit", "may not be read"),
    }
}

/// <https://man7.org/linux/man-pages/man7/kernel_lockdown.7.html>
fn lockdown() -> Check {
    let modes = setting("/sys/kernel/security/lockdown");
    match modes.as_deref().and_then(|modes| modes.split(['[', ']']).nth(1)) {
        Some("confidentiality") => Check::failed(
            "lockdown",
            ErrorKind::NotPermitted,
            "confidentiality: probes may not read memory",
            "try the kernel parameter lockdown=integrity",
        ),
        Some(mode) => Check::ok("lockdown", mode),
        None => Check::ok("lockdown", "not readable, or none"),
    }
}

/// Security modules that may refuse what capabilities allow: the trial below shows.
fn modules() -> Check {
    let modules = setting("/sys/kernel/security/lsm").map(|modules| modules.replace(',', ", "));
    Check::ok("security modules", modules.unwrap_or_else(|| "not readable, or none".into()))
}

/// What a file of one line says.
pub fn setting(path: &str) -> Option<String> {
    read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_distinguished() {
        for (release, expected) in [
            ("6.12.38+deb13-amd64", Some((6, 12))),
            ("5.10.0-28-cloud-amd64", Some((5, 10))),
            ("7.2", Some((7, 2))),
            ("unknown", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
