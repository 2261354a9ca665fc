//! Where the peers are; those that are missing are got.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::{on_path, output, run, say};
use crate::{apt, tree};

/// From PyPI. austin 4 wants a newer C library than Debian 12 has.
const PACKAGES: [(&str, &str); 2] = [("py-spy", "py-spy==0.4.3"), ("austin", "austin-dist==3.7.0")];
/// From Debian.
const DEBIAN: [(&str, &str); 3] = [("strace", "strace"), ("perf", "linux-perf"), ("bpftrace", "bpftrace")];

/// Programs by name.
pub struct Peers {
    paths: BTreeMap<&'static str, PathBuf>,
}

impl Peers {
    /// Gets what can be got. A peer that cannot is left out, and said so.
    pub fn get(folder: &Path, tracer: PathBuf) -> Result<Self> {
        let mut paths = BTreeMap::from([("tracer", tracer)]);
        for (name, package) in PACKAGES {
            match of_pypi(&folder.join("peers").join(name), name, package) {
                Ok(path) => _ = paths.insert(name, path),
                Err(error) => say(format!("measuring without {name}: {error:#}")),
            }
        }
        for (name, package) in DEBIAN {
            if !on_path(name)
                && let Err(error) = apt::install(&[package], "to compare with")
            {
                say(format!("measuring without {name}: {error:#}"));
                continue;
            }
            paths.insert(name, name.into());
        }
        let sampler = tree::root().join("target/pythons/bin/python3.15");
        if output(Command::new(&sampler).args(["-c", "import profiling.sampling"])).is_some() {
            paths.insert("python3.15", sampler);
        }
        Ok(Self { paths })
    }

    /// Where it is, if it is here.
    pub fn find(&self, name: &str) -> Option<&Path> {
        self.paths.get(name).map(PathBuf::as_path)
    }

    /// Where one is that is here.
    pub fn path(&self, name: &str) -> &Path {
        &self.paths[name]
    }
}

fn of_pypi(folder: &Path, name: &str, package: &str) -> Result<PathBuf> {
    let path = folder.join("bin").join(name);
    if !path.exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--root-user-action=ignore", "--target"]);
        run(pip.arg(folder).args(["--upgrade", package]))?;
    }
    Ok(path)
}
