//! The tracer as one static program: linked to musl, since glibc's functions for users load libraries at run time, also
//! into a static program.
//!
//! Rust's own builds of `std` for musl come by rustup alone. So `std` is compiled here, by the probes' compiler, and the
//! C library and the unwinder come from Debian.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::build::nowhere;
use crate::command::{output, run, say, with_remedy};
use crate::setup::Toolchain;
use crate::suite::PrivateApt;
use crate::tree;

const TARGET: &str = "x86_64-unknown-linux-musl";
const SUITE: &str = "trixie";
/// The C library, and the unwinder that `std` links.
const PACKAGES: [&str; 2] = ["musl-dev", "libunwind-19-dev"];
const LIBC: &str = "usr/lib/x86_64-linux-musl";
const UNWINDER: &str = "usr/lib/x86_64-linux-gnu/libunwind.a";
const PRINTING: &str = "xtask/dist/checked_printing.c";

/// Where the packages were unpacked.
pub struct Libraries {
    folder: PathBuf,
}

impl Libraries {
    /// They are downloaded only once.
    pub fn get() -> Result<Self> {
        let folder = tree::root().join("target/tools/musl");
        if !folder.exists() {
            say("downloading musl and an unwinder from Debian: a few seconds, only once");
            let half = folder.with_extension("half");
            let unpacked = unpack(&half).context("cannot get musl-dev");
            with_remedy(unpacked, "try again once a Debian mirror can be reached")?;
            fs::rename(&half, &folder)?;
        }
        Ok(Self { folder })
    }

    /// Each package with its version, and the file that says what its licence is.
    pub fn packages(&self) -> Vec<(String, String, PathBuf)> {
        let versions = fs::read_to_string(self.folder.join("versions")).unwrap_or_default();
        let package = |line: &str| {
            let (name, version) = line.split_once(' ')?;
            let licence = self.folder.join("usr/share/doc").join(name).join("copyright");
            Some((name.to_owned(), version.to_owned(), licence))
        };
        versions.lines().filter_map(package).collect()
    }
}

fn unpack(folder: &Path) -> Result<()> {
    let apt = PrivateApt::new(folder.join("apt"), SUITE)?;
    apt.update()?;
    let mut versions = String::new();
    for package in PACKAGES {
        let file = apt.download_alone(package)?;
        let field = Command::new("dpkg-deb").arg("--field").arg(&file).arg("Version").output()?.stdout;
        versions += &format!("{package} {}", String::from_utf8_lossy(&field));
        run(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(folder))?;
    }
    fs::write(folder.join("versions"), versions)?;
    Ok(fs::remove_dir_all(folder.join("apt"))?)
}

/// Builds it around the probes that were built before; returns its path.
pub fn build(toolchain: &Toolchain, libraries: &Libraries, epoch: &str) -> Result<PathBuf> {
    let folder = tree::target()?.join("musl");
    let flags = [link_flags(libraries, &folder)?, nowhere()].concat();
    run(toolchain
        .compiler
        .cargo()
        .args(["build", "--locked", "--release", "--package", "tracer", "--target", TARGET])
        .args(["-Z", "build-std=std,panic_unwind", "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("SOURCE_DATE_EPOCH", epoch)
        .env("TRACER_EBPF_OBJECT", tree::object()?)
        .current_dir(tree::root()))?;
    Ok(folder.join(TARGET).join("release/tracer"))
}

/// As rustc links for musl, but with Debian's files in place of those that rustup brings.
fn link_flags(libraries: &Libraries, folder: &Path) -> Result<Vec<String>> {
    let unwinder = folder.join("unwinder");
    fs::create_dir_all(&unwinder)?;
    fs::copy(libraries.folder.join(UNWINDER), unwinder.join("libunwind.a"))?;
    let printing = unwinder.join("checked_printing.o");
    run(Command::new("cc").args(["-c", "-O2", "-o"]).arg(&printing).arg(tree::root().join(PRINTING)))?;

    let libc = libraries.folder.join(LIBC);
    let before = [libc.join("rcrt1.o"), libc.join("crti.o"), of_gcc("crtbeginS.o")?];
    let after = [printing, of_gcc("crtendS.o")?, libc.join("crtn.o")];
    let mut flags: Vec<_> =
        ["-C", "linker=cc", "-C", "link-self-contained=no", "-Z", "pre-link-args=-nostartfiles"]
            .map(str::to_owned)
            .to_vec();
    flags.extend([&libc, &unwinder].map(|folder| format!("-Lnative={}", folder.display())));
    flags.extend(before.map(|file| format!("-Zpre-link-args={}", file.display())));
    flags.extend(after.map(|file| format!("-Clink-arg={}", file.display())));
    Ok(flags)
}

/// Where the linker's driver has one of its own files.
fn of_gcc(name: &str) -> Result<PathBuf> {
    let path = output(Command::new("cc").arg(format!("-print-file-name={name}")));
    let path = PathBuf::from(path.context("cannot run cc")?.trim_end());
    ensure!(path.is_absolute(), "cc has no {name}");
    Ok(path)
}
