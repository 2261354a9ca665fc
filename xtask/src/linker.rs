//! bpf-linker, built against the LLVM that the probes' compiler has inside.

use std::env;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::command::{cargo, isolated, output, run, say, with_remedy};
use crate::{apt, tree};

const VERSION: &str = "0.13.0";

/// The major versions of LLVM that bpf-linker can be built against: its features `llvm-21` to `llvm-23`.
pub const READABLE: RangeInclusive<u32> = 21..=23;

/// Finds the linker for this major version of LLVM, or builds it.
pub fn ensure(llvm: u32) -> Result<PathBuf> {
    let linker = tree::tools().join("bin/bpf-linker");
    if !is_installed(&linker, llvm) {
        ensure_llvm(llvm)?;
        install(llvm)?;
        ensure!(is_installed(&linker, llvm), "cannot run {}: it was built just now", linker.display());
    }
    Ok(linker)
}

/// Whether LLVM's development files are here, or can be installed.
pub fn can_have_llvm(major: u32) -> bool {
    has_llvm(&prefix(major)) || apt::offers(&package(major))
}

fn is_installed(linker: &Path, llvm: u32) -> bool {
    let installs = fs::read_to_string(tree::tools().join(".crates2.json")).unwrap_or_default();
    // A record is not enough: the linker does not start once its libLLVM.so is gone.
    is_recorded(&installs, llvm) && output(Command::new(linker).arg("--version")).is_some()
}

/// Whether cargo's record of installs in `target/tools`, where nothing else is, holds the linker in this version.
fn is_recorded(installs: &str, llvm: u32) -> bool {
    installs.contains(&format!("\"bpf-linker {VERSION} ("))
        && installs.contains(&format!("\"features\":[\"{}\"]", feature(llvm)))
}

fn ensure_llvm(major: u32) -> Result<()> {
    let prefix = prefix(major);
    if !has_llvm(&prefix) {
        apt::install(&[&package(major)], "bpf-linker links the probes by the compiler's version of LLVM")?;
    }
    let place = prefix.display();
    ensure!(has_llvm(&prefix), "cannot find libLLVM.so in {place}/lib; try LLVM_PREFIX=… with LLVM {major}");
    Ok(())
}

fn install(llvm: u32) -> Result<()> {
    say(format!(
        "building bpf-linker {VERSION} for LLVM {llvm} into target/tools: about a minute, only once"
    ));
    let mut install = isolated(cargo());
    install
        .args(["install", "bpf-linker", "--version", VERSION, "--locked", "--force", "--quiet"])
        .args(["--no-default-features", "--features", &feature(llvm)])
        .arg("--root")
        .arg(tree::tools())
        .env("LLVM_PREFIX", prefix(llvm));
    with_remedy(run(&mut install), "try again once crates.io can be reached")
}

/// `LLVM_PREFIX`, which is bpf-linker's own variable, or where Debian has this version.
fn prefix(major: u32) -> PathBuf {
    env::var_os("LLVM_PREFIX").map_or_else(|| format!("/usr/lib/llvm-{major}").into(), PathBuf::from)
}

fn has_llvm(prefix: &Path) -> bool {
    ["lib", "lib64"].iter().any(|lib| prefix.join(lib).join("libLLVM.so").exists())
}

fn package(major: u32) -> String {
    format!("llvm-{major}-dev")
}

fn feature(major: u32) -> String {
    format!("llvm-{major}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_counts_for_its_version_of_llvm_alone() {
        let record = |version: &str, features: &str| {
            format!(
                r#"{{"installs":{{"bpf-linker {version} (registry+https://example.org)":{{"version_req":"={version}","bins":["bpf-linker"],"features":{features},"all_features":false}}}}}}"#
            )
        };
        for (name, installs, recorded) in [
            ("the wanted one", record("0.13.0", r#"["llvm-22"]"#), true),
            ("for another LLVM", record("0.13.0", r#"["llvm-21"]"#), false),
            ("linked otherwise", record("0.13.0", r#"["llvm-22","llvm-link-static"]"#), false),
            ("an older one", record("0.12.0", r#"["llvm-22"]"#), false),
            ("nothing installed", String::new(), false),
        ] {
            assert_eq!(is_recorded(&installs, 22), recorded, "{name}");
        }
    }
}
