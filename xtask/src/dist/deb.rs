//! The package for Debian and its derivatives. The program is static, so that it needs no other package.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Release, VERSION, place};
use crate::command::{output, run};
use crate::tree;

/// Where the manual page goes.
pub const MANUAL: &str = "usr/share/man/man1/tracer.1.gz";
/// Where each shell looks for what completes command lines.
pub const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/tracer"),
    ("zsh", "usr/share/zsh/vendor-completions/_tracer"),
    ("fish", "usr/share/fish/vendor_completions.d/tracer.fish"),
];
/// Where systemd looks for the unit.
pub const UNIT: &str = "usr/lib/systemd/system/tracer@.service";

/// Where each file of the repository goes.
const FILES: &[(&str, &str)] = &[
    ("deploy/tracer@.service", UNIT),
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
    write_manual(program, &package.join(MANUAL))?;
    for (shell, to) in COMPLETIONS {
        let text = said(program, &["completions", shell])?;
        write_new(&package.join(to), text.as_bytes())?;
    }
    fs::create_dir(package.join("DEBIAN"))?;
    fs::write(package.join("DEBIAN/control"), control(fs::metadata(program)?.len()))?;
    let mut dpkg_deb = Command::new("dpkg-deb");
    dpkg_deb.args(["--root-owner-group", "--threads-max=1", "-Zxz", "--build"]).arg(&package);
    dpkg_deb.arg(release.folder.join(format!("tracer_{VERSION}_amd64.deb")));
    run(dpkg_deb.env("SOURCE_DATE_EPOCH", &release.epoch).stdout(std::io::stderr()))
}

/// Without a time and a name inside.
fn write_manual(program: &Path, to: &Path) -> Result<()> {
    let page = to.with_extension("");
    write_new(&page, said(program, &["man"])?.as_bytes())?;
    run(Command::new("gzip").args(["--best", "--no-name"]).arg(page))
}

/// What the program that was built just now prints.
fn said(program: &Path, arguments: &[&str]) -> Result<String> {
    let words = arguments.join(" ");
    output(Command::new(program).args(arguments).env_clear())
        .with_context(|| format!("cannot run tracer {words}"))
}

fn write_new(to: &Path, text: &[u8]) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    fs::write(to, text)?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(0o644))?)
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
