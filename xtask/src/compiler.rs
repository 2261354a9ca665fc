//! The compiler of the probes: another one than user space's, for BPF needs an unstable toolchain.
//!
//! Two ways lead there. A nightly toolchain with its sources compiles `core` for BPF itself; Debian's packages
//! bring `core` precompiled, and `RUSTC_BOOTSTRAP=1` opens the unstable features that aya-ebpf asks for.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{cargo, isolated, output, with_remedy};
use crate::{apt, linker};

/// What the probes are compiled for: the byte order of every machine that the tracer supports.
pub const TARGET: &str = "bpfel-unknown-none";

pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// The sources of `std`, where cargo looks for them, and of the rest.
pub const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust";
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "libstd-rust-web-dev-bpf"];
const OTHER_WAY: &str = "or try `rustup toolchain install nightly --component rust-src`";

/// A compiler that can build the probes.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiler {
    way: Way,
    /// Major version of the LLVM inside, which the linker has to share: it reads this compiler's bitcode.
    pub llvm: u32,
}

#[derive(Clone, Debug, PartialEq)]
enum Way {
    /// A rustup toolchain of this name, with the component rust-src.
    Nightly(String),
    /// Debian's rustc with Debian's `core` for BPF.
    Debian,
}

impl Compiler {
    /// `cargo build` by this compiler, for [`TARGET`].
    pub fn cargo_build(&self) -> Command {
        let mut command = self.cargo();
        command.args(["build", "--target", TARGET]);
        if matches!(self.way, Way::Nightly(_)) {
            command.args(["-Z", "build-std=core"]);
        }
        command
    }

    /// A cargo that builds by this compiler, and whose unstable features are open.
    pub fn cargo(&self) -> Command {
        let mut command = match &self.way {
            Way::Nightly(toolchain) => {
                let mut rustup = isolated("rustup");
                rustup.args(["run", toolchain, "cargo"]);
                rustup
            }
            Way::Debian => {
                let mut cargo = isolated(cargo());
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
        };
        command.env_remove("RUSTUP_TOOLCHAIN");
        command
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.way {
            Way::Nightly(toolchain) => toolchain,
            Way::Debian => DEBIAN_RUSTC,
        };
        write!(f, "{name} (LLVM {})", self.llvm)
    }
}

/// Finds a compiler for the probes, or installs Debian's.
pub fn ensure() -> Result<Compiler> {
    if let Some(compiler) = choose(nightlies(), debian, linker::can_have_llvm) {
        return Ok(compiler);
    }
    let why = "the probes need a compiler for BPF, and no nightly toolchain has rust-src";
    with_remedy(apt::install(DEBIAN_PACKAGES, why).and_then(|()| debian_or_why_not()), OTHER_WAY)
}

/// Debian's compiler, with the sources of `std`: a release is built by the same one everywhere.
pub fn for_release() -> Result<Compiler> {
    let has_sources = Path::new(DEBIAN_SOURCES).join("library/std").is_dir();
    if let Some(compiler) = debian().filter(|_| has_sources) {
        return Ok(compiler);
    }
    apt::install(&[DEBIAN_PACKAGES, &["rust-web-src"]].concat(), "a release is built by Debian's compiler")?;
    debian_or_why_not()
}

/// Debian's compiler, or what keeps it from building the probes.
fn debian_or_why_not() -> Result<Compiler> {
    let compiler =
        debian().with_context(|| format!("cannot use {DEBIAN_RUSTC}: it has no core for {TARGET}"))?;
    ensure!(
        linker::READABLE.contains(&compiler.llvm),
        "cannot use {compiler}: bpf-linker reads LLVM {:?}; try with bookworm-security in apt's sources",
        linker::READABLE
    );
    Ok(compiler)
}

/// The first nightly whose bitcode a linker can be had for; else Debian's compiler, if it is there and readable.
fn choose(
    nightlies: Vec<Compiler>,
    debian: impl FnOnce() -> Option<Compiler>,
    can_have_llvm: impl Fn(u32) -> bool,
) -> Option<Compiler> {
    let readable = |compiler: &Compiler| linker::READABLE.contains(&compiler.llvm);
    let nightly = nightlies.into_iter().find(|nightly| readable(nightly) && can_have_llvm(nightly.llvm));
    nightly.or_else(|| debian().filter(readable))
}

/// The installed nightly toolchains that have rust-src.
fn nightlies() -> Vec<Compiler> {
    let list = output(Command::new("rustup").args(["toolchain", "list"])).unwrap_or_default();
    nightly_names(&list).filter_map(nightly).collect()
}

fn nightly_names(list: &str) -> impl Iterator<Item = &str> {
    // A line is a name and, for some, a remark: `nightly-x86_64-unknown-linux-gnu (active)`.
    list.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| name.starts_with("nightly"))
}

fn nightly(toolchain: &str) -> Option<Compiler> {
    let rustc =
        |arg: &str, value: &str| output(isolated("rustup").args(["run", toolchain, "rustc", arg, value]));
    let sysroot = rustc("--print", "sysroot")?;
    let sources = Path::new(sysroot.trim_end()).join("lib/rustlib/src/rust/library/core");
    let llvm = sources
        .is_dir()
        .then(|| rustc("--version", "--verbose"))
        .flatten()
        .as_deref()
        .and_then(llvm_major)?;
    Some(Compiler { way: Way::Nightly(toolchain.to_owned()), llvm })
}

/// Debian's compiler, if it is installed with its `core` for BPF.
fn debian() -> Option<Compiler> {
    let rustc = |args: &[&str]| output(isolated(DEBIAN_RUSTC).args(args));
    let libraries = rustc(&["--target", TARGET, "--print", "target-libdir"])?;
    has_core(Path::new(libraries.trim_end())).then_some(())?;
    let llvm = llvm_major(&rustc(&["--version", "--verbose"])?)?;
    Some(Compiler { way: Way::Debian, llvm })
}

fn has_core(libraries: &Path) -> bool {
    let files = fs::read_dir(libraries).into_iter().flatten().flatten();
    files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
}

/// The number in `LLVM version: 22.1.4`, a line of `rustc --version --verbose`.
fn llvm_major(version: &str) -> Option<u32> {
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    llvm.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nightly(llvm: u32) -> Compiler {
        Compiler { way: Way::Nightly(format!("nightly-of-llvm-{llvm}")), llvm }
    }

    fn debian(llvm: u32) -> Option<Compiler> {
        Some(Compiler { way: Way::Debian, llvm })
    }

    #[test]
    fn prefers_a_nightly_that_can_be_linked() {
        for (name, nightlies, debian, llvm, expected) in [
            ("a nightly and its LLVM", vec![nightly(22)], debian(22), vec![22], Some(nightly(22))),
            ("no LLVM for the nightly", vec![nightly(23)], debian(22), vec![22], debian(22)),
            (
                "LLVM for the second nightly",
                vec![nightly(23), nightly(22)],
                None,
                vec![22],
                Some(nightly(22)),
            ),
            ("a nightly too new for the linker", vec![nightly(24)], debian(22), vec![22, 24], debian(22)),
            ("Debian's, whose LLVM can be installed later", vec![], debian(22), vec![], debian(22)),
            ("Debian's, too old for the linker", vec![], debian(19), vec![19], None),
            ("neither", vec![], None, vec![22], None),
        ] {
            assert_eq!(choose(nightlies, || debian, |major| llvm.contains(&major)), expected, "{name}");
        }
    }

    #[test]
    fn lists_nightlies_without_their_remarks() {
        let list = "stable-x86_64-unknown-linux-gnu (active, default)\nnightly-x86_64-unknown-linux-gnu\n\
                    nightly-2026-05-20-x86_64-unknown-linux-gnu (override)\n";
        let names: Vec<_> = nightly_names(list).collect();
        assert_eq!(
            names,
            ["nightly-x86_64-unknown-linux-gnu", "nightly-2026-05-20-x86_64-unknown-linux-gnu"]
        );
        assert_eq!(nightly_names("no installed toolchains\n").count(), 0);
    }

    #[test]
    fn reads_the_major_version_of_llvm() {
        assert_eq!(llvm_major("rustc 1.97.0-nightly\nLLVM version: 22.1.4\n"), Some(22));
        assert_eq!(llvm_major("rustc 1.97.0-nightly\nrelease: 1.97.0\n"), None);
    }
}
