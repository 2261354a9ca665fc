//! What is given to others: one static program, and the packages that hold it, in `target/dist`.
//!
//! Two builds of the same sources are equal to the byte: no file says where or when it was made.

mod bill;
mod check;
mod deb;
mod musl;
mod packed;
mod wheel;

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::build::build_probes;
use crate::command::{output, run, say};
use crate::{setup, tree};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
const PROGRAM: &str = "tracer-x86_64-linux-musl";
const MOST_BYTES: u64 = 12 << 20;

/// What every package is made of.
pub struct Release {
    /// Where the packages go.
    pub folder: PathBuf,
    /// Where they are put together.
    pub stage: PathBuf,
    /// When the sources were committed, in seconds since 1970: what every file says it was made.
    pub epoch: String,
}

/// Builds all of it; `and_check` installs and runs each as well.
pub fn dist(and_check: bool) -> Result<()> {
    let toolchain = setup::for_release()?;
    let libraries = musl::Libraries::get()?;
    let release = Release::begin()?;
    build_probes(&toolchain)?;
    let program = release.program(&musl::build(&toolchain, &libraries, &release.epoch)?)?;
    let bill = bill::Bill::read(&libraries)?;
    bill.write(&release)?;
    let notices = bill.notices(&release)?;
    wheel::write(&release, &program, &notices)?;
    deb::write(&release, &program, &notices)?;
    packed::write(&release)?;
    release.sums()?;
    if and_check { check::check(&release) } else { Ok(()) }
}

impl Release {
    fn begin() -> Result<Self> {
        let folder = tree::root().join("target/dist");
        let stage = tree::target()?.join("stage");
        for folder in [&folder, &stage] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(Self { folder, stage, epoch: epoch()? })
    }

    fn program(&self, built: &Path) -> Result<PathBuf> {
        let program = self.folder.join(PROGRAM);
        fs::copy(built, &program)?;
        let bytes = fs::metadata(&program)?.len();
        ensure!(bytes <= MOST_BYTES, "{PROGRAM} has {bytes} bytes, more than {MOST_BYTES}");
        Ok(program)
    }

    /// A folder of the stage.
    pub fn staged(&self, name: &str) -> Result<PathBuf> {
        let folder = self.stage.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The sums of all other files, as `sha256sum --check` reads them.
    fn sums(&self) -> Result<()> {
        let mut names: Vec<_> =
            fs::read_dir(&self.folder)?.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        let sums = File::create(self.folder.join("SHA256SUMS"))?;
        run(Command::new("sha256sum").args(&names).current_dir(&self.folder).stdout(sums))?;
        for name in names {
            let bytes = fs::metadata(self.folder.join(&name))?.len();
            say(format!("target/dist/{}: {} KiB", name.display(), bytes / 1024));
        }
        Ok(())
    }
}

/// `SOURCE_DATE_EPOCH`, or the time of the commit.
/// <https://reproducible-builds.org/specs/source-date-epoch/>
fn epoch() -> Result<String> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let log = output(git().args(["log", "-1", "--format=%ct"]));
    Ok(log.context("git names no commit; try with SOURCE_DATE_EPOCH")?.trim().to_owned())
}

/// In the workspace, also where another user owns it.
pub fn git() -> Command {
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "-C"]).arg(tree::root());
    git
}

/// Copies a file, which everybody may read, and makes the folders that it wants.
pub fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}
