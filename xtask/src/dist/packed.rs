//! The crates, as `cargo publish` would send them. `tracer` brings its probes, for which others lack a compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Release, git, place};
use crate::command::{cargo, output, run};
use crate::tree;

/// In the order in which one needs the other.
const PACKAGES: [&str; 2] = ["tracer-common", "tracer"];
/// What every crate has beside its own files.
const SHARED: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

pub fn write(release: &Release) -> Result<()> {
    let workspace = release.staged("workspace")?;
    copy_sources(&workspace)?;
    for package in PACKAGES {
        for name in SHARED {
            place(&tree::root().join(name), &workspace.join(package).join(name), 0o644)?;
        }
    }
    place(&tree::object()?, &workspace.join("tracer/tracer.bpf.o"), 0o644)?;
    let built = release.staged("crates")?;
    // Outside of a repository cargo notes no commit, and leaves out nothing that git ignores.
    let mut package = Command::new(cargo());
    package
        .args(["package", "--quiet", "--no-verify", "--allow-dirty", "--locked", "--target-dir"])
        .arg(&built);
    for name in PACKAGES {
        package.args(["--package", name]);
    }
    run(package.current_dir(&workspace))?;
    for entry in fs::read_dir(built.join("package"))?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "crate") {
            place(&entry.path(), &release.folder.join(entry.file_name()), 0o644)?;
        }
    }
    Ok(())
}

/// The files that git tracks, as they are now.
pub fn copy_sources(to: &Path) -> Result<()> {
    let files = output(git().args(["ls-files"])).context("git lists no files")?;
    for path in files.lines() {
        let from = tree::root().join(path);
        if from.is_file() {
            let executable = path.starts_with(".ci/");
            place(&from, &to.join(path), if executable { 0o755 } else { 0o644 })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is built or run here alone: of a crate from a registry nobody runs tests.
    const OURS_ALONE: [&str; 4] = ["Cargo.toml", "benches", "fuzz", "tests"];

    #[test]
    fn the_crate_holds_all_that_it_is_compiled_from() {
        let files = output(git().args(["ls-files", "tracer"])).unwrap();
        let names: BTreeSet<_> = files.lines().filter_map(|path| path.split('/').nth(1)).collect();
        assert!(names.contains("templates"), "{names:?}");
        let manifest = fs::read_to_string(tree::root().join("tracer/Cargo.toml")).unwrap();
        let include = manifest.lines().find(|line| line.starts_with("include = ")).unwrap();
        for name in names.into_iter().filter(|name| !OURS_ALONE.contains(name)) {
            assert!(include.contains(&format!("\"/{name}\"")), "{name} is not packed: {include}");
        }
    }
}
