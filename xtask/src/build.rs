//! Builds the probes, and the tracer around them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

use crate::command::{cargo, run};
use crate::compiler::TARGET;
use crate::setup::{self, Toolchain};
use crate::tree;

/// Builds the probes, and sets up what that takes.
pub fn probes() -> Result<()> {
    build_probes(&setup::for_building()?)
}

/// Builds everything; returns the path of the tracer.
pub fn build() -> Result<PathBuf> {
    probes()?;
    run(in_workspace("build").args(["--release", "--package", "tracer"]))?;
    Ok(tree::target()?.join("release/tracer"))
}

/// A subcommand of cargo, in the workspace, with the caller's settings.
pub fn in_workspace(subcommand: &str) -> Command {
    let mut cargo = Command::new(cargo());
    cargo.arg(subcommand).arg("--manifest-path").arg(tree::root().join("Cargo.toml"));
    cargo
}

/// Builds the probes into the object that the tracer embeds.
pub fn build_probes(toolchain: &Toolchain) -> Result<()> {
    let object = tree::object()?;
    let target_directory = object.with_file_name("");
    run(toolchain
        .compiler
        .cargo_build()
        .args(["--release", "--target-dir"])
        .arg(&target_directory)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&toolchain.linker).join("\x1f"))
        .current_dir(tree::root().join("tracer-ebpf")))?;
    let built = target_directory.join(TARGET).join("release/tracer-ebpf");
    let stripped = fs::read(&built).map_err(Into::into).and_then(|built| without_debug_info(&built));
    stripped
        .and_then(|stripped| Ok(replace_if_changed(&stripped, &object)?))
        .with_context(|| format!("cannot copy {} to {}", built.display(), object.display()))
}

/// What the kernel has no use for, once the linker has made BTF of it: four fifths of the object, which the tracer embeds.
fn without_debug_info(object: &[u8]) -> Result<Vec<u8>> {
    let mut object = Builder::read64(object)?;
    for section in &mut object.sections {
        let name = section.name.as_slice();
        section.delete = name.strip_prefix(b".rel").unwrap_or(name).starts_with(b".debug_");
        if name == b".strtab" {
            section.data = SectionData::String; // which LLVM keeps the names of sections in, too
        }
    }
    let names = object.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    object.delete_orphans();
    let mut stripped = Vec::new();
    object.write(&mut stripped)?;
    Ok(stripped)
}

/// Debug info is what the linker makes BTF from, which the kernel asks for; it costs nothing at run time.
fn rustflags(linker: &Path) -> Vec<String> {
    let linker = format!("linker={}", linker.display());
    let flags = ["-C", &linker, "-C", "debuginfo=2", "-C", "link-arg=--btf"].map(str::to_owned);
    [flags.to_vec(), nowhere()].concat()
}

/// Flags by which what is compiled does not say where: two machines make the same of the same sources.
pub fn nowhere() -> Vec<String> {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let places = [(Some(tree::root()), "tracer"), (cargo_home, "cargo")];
    let remapped = |(place, name): (Option<PathBuf>, &str)| {
        Some(format!("--remap-path-prefix={}=/{name}", place?.display()))
    };
    places.into_iter().filter_map(remapped).collect()
}

/// Leaves an equal file as it is: a new modification time would make cargo build the tracer again.
fn replace_if_changed(new: &[u8], to: &Path) -> std::io::Result<()> {
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    // By a rename, so that a build that reads it at this moment never sees half of it.
    let half = to.with_extension("half");
    fs::write(&half, new)?;
    fs::rename(half, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_file_only_when_it_changed() {
        let directory = std::env::temp_dir().join(format!("xtask-replace-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let to = directory.join("to");
        let modified = || fs::metadata(&to).unwrap().modified().unwrap();

        replace_if_changed(b"one", &to).unwrap();
        let first = modified();
        replace_if_changed(b"one", &to).unwrap();
        assert_eq!(modified(), first, "an equal file was written again");

        replace_if_changed(b"two", &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
        fs::remove_dir_all(directory).unwrap();
    }
}
