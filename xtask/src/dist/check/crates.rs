//! The crates, by cargo.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::{Release, VERSION};
use super::Elsewhere;
use super::trial::{bare, works};
use crate::command::{cargo, run};
use crate::demo::{self, Shop};

/// As if from a registry that has both crates: the only one that takes a toolchain. The probes are in the crate, so that
/// no compiler of probes is asked for; what it depends on was downloaded when the program was built.
pub fn installed(release: &Release) -> Result<Duration> {
    let begin = Instant::now();
    // A crate below the workspace's folder would be asked why it is none of its members.
    let elsewhere = Elsewhere::make()?;
    let sources = &elsewhere.0;
    for package in ["tracer", "tracer-common"] {
        let file = release.folder.join(format!("{package}-{VERSION}.crate"));
        run(Command::new("tar").arg("--extract").arg("--file").arg(file).arg("--directory").arg(sources))?;
    }
    let common = sources.join(format!("tracer-common-{VERSION}"));
    let patch = format!("patch.crates-io.tracer-common.path={:?}", common.display().to_string());
    let root = sources.join("root");
    let mut install = Command::new(cargo());
    install.args(["install", "--quiet", "--debug", "--offline", "--no-track"]);
    install.args(["--config", &patch, "--root"]).arg(&root);
    run(install.arg("--path").arg(sources.join(format!("tracer-{VERSION}"))).current_dir(sources))?;
    let shop = Shop::open(&mut Command::new("/usr/bin/python3"), &demo::program())?;
    works(|| bare(&root.join("bin/tracer")), &shop)?;
    Ok(begin.elapsed())
}
