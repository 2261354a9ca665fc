//! The package for Debian and its derivatives. The program is static, so that it needs no other package.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Release, VERSION, place};
use crate::command::run;
use crate::tree;

/// Where each file of the repository goes.
const FILES: &[(&str, &str)] = &[
    ("deploy/tracer@.service", "usr/lib/systemd/system/tracer@.service"),
    ("README.md", "usr/share/doc/tracer/README.md"),
    ("CHANGELOG.md", "usr/share/doc/tracer/CHANGELOG.md"),
    ("docs/json.md", "usr/share/doc/tracer/docs/json.md"),
    ("docs/causes.md", "usr/share/doc/tracer/docs/causes.md"),
    ("LICENSE-MIT", "usr/share/doc/tracer/copyright"),
];

pub fn write(release: &Release, program: &Path, notices: &Path) -> Result<()> {
    let package = release.staged("deb")?;
    place(program, &package.join("usr/bin/tracer"), 0o755)?;
    place(notices, &package.join("usr/share/doc/tracer/THIRD-PARTY-LICENSES.txt"), 0o644)?;
    for (from, to) in FILES {
        place(&tree::root().join(from), &package.join(to), 0o644)?;
    }
    fs::create_dir(package.join("DEBIAN"))?;
    fs::write(package.join("DEBIAN/control"), control(fs::metadata(program)?.len()))?;
    let mut dpkg_deb = Command::new("dpkg-deb");
    dpkg_deb.args(["--root-owner-group", "--threads-max=1", "-Zxz", "--build"]).arg(&package);
    dpkg_deb.arg(release.folder.join(format!("tracer_{VERSION}_amd64.deb")));
    run(dpkg_deb.env("SOURCE_DATE_EPOCH", &release.epoch).stdout(std::io::stderr()))
}

/// <https://www.debian.org/doc/debian-policy/ch-controlfields.html>
fn control(bytes: u64) -> String {
    format!(
        "Package: tracer\n\
         Version: {VERSION}\n\
         Architecture: amd64\n\
         Maintainer: The developers of tracer\n\
         Installed-Size: {}\n\
         Section: utils\n\
         Priority: optional\n\
         Description: what Python processes do at their boundary with Linux\n \
         It attaches to a running CPython process without stopping it, and reports its\n \
         context switches, reads, child processes and signals with the lines that\n \
         caused them. Probes in the kernel watch it: Linux with BTF, and root.\n",
        bytes.div_ceil(1024)
    )
}
