//! Packages of a Debian suite, unpacked beside this system's and never installed.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::apt;
use crate::command::{output, run};

/// Debian's package `debian-archive-keyring`, which every Debian has.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Written last: which packages were unpacked.
const STAMP: &str = "packages";

/// A suite, and what is wanted of it.
pub struct Suite {
    pub name: &'static str,
    /// With what they depend on, down to the C library.
    pub packages: &'static [&'static str],
}

impl Suite {
    /// Where it lies below `folder`, with a `usr` of its own, once it is unpacked.
    pub fn root(&self, folder: &Path) -> PathBuf {
        folder.join(self.name)
    }

    /// Whether just these packages were unpacked before.
    pub fn is_unpacked(&self, folder: &Path) -> bool {
        fs::read_to_string(self.root(folder).join(STAMP)).is_ok_and(|packages| packages == self.stamp())
    }

    /// Downloads and unpacks it.
    pub fn unpack(&self, folder: &Path) -> Result<()> {
        let root = self.root(folder);
        let half = folder.join(format!("{}.half", self.name));
        remove(&half)?;
        let apt = PrivateApt::new(folder.join(format!("{}.apt", self.name)), self.name)?;
        merge_usr(&half)?;
        for package in apt.download(self.packages)? {
            extract(&package, &half)?;
        }
        fs::write(half.join(STAMP), self.stamp())?;
        remove(&root)?;
        fs::rename(&half, &root)?;
        remove(&apt.folder)
    }

    /// One of its programs, with its `/usr` over this system's: the rest of the file system is there as ever, and the
    /// mount goes with the process. Needs root's rights.
    pub fn program(&self, folder: &Path, name: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "mount --bind \"$0/usr\" /usr && exec \"$@\""]);
        command.arg(self.root(folder)).arg(name);
        command
    }

    fn stamp(&self) -> String {
        self.packages.join("\n")
    }
}

/// An apt that knows this system's mirror, another suite and no installed package.
pub struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    /// Knows no packages before [`Self::update`].
    pub fn new(folder: PathBuf, suite: &str) -> Result<Self> {
        let mirror = mirror().context("apt has no lists from a Debian mirror; try apt-get update")?;
        remove(&folder)?;
        for inner in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(inner))?;
        }
        // With nothing installed, what is downloaded needs nothing of this system.
        fs::write(folder.join("status"), "")?;
        fs::write(folder.join("sources"), format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))?;
        Ok(Self { folder })
    }

    /// Gets the suite's list of packages.
    pub fn update(&self) -> Result<()> {
        self.get(&["update"])
    }

    /// What a package needs, by its list.
    pub fn depends(&self, package: &str) -> Result<Vec<String>> {
        let mut apt_cache = self.command("apt-cache");
        let depends = output(apt_cache.args(["depends", "--important", package]));
        let depends = depends.with_context(|| format!("no package {package}"))?;
        let names = depends.lines().filter_map(|line| line.trim_start().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    /// The file of this package, without what it depends on.
    pub fn download_alone(&self, package: &str) -> Result<PathBuf> {
        succeed(self.command("apt-get").args(["download", package]).current_dir(&self.folder))?;
        let start = format!("{package}_");
        let is_it =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
        archives(&self.folder)?.into_iter().find(is_it).with_context(|| format!("no file of {package}"))
    }

    /// The files of these packages and of all that they depend on.
    fn download(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        self.update()?;
        self.get(&[&["install", "--download-only", "--no-install-recommends"], packages].concat())?;
        archives(&self.folder.join("cache/archives"))
    }

    fn get(&self, arguments: &[&str]) -> Result<()> {
        succeed(self.command("apt-get").args(["--yes", "--quiet"]).args(arguments))
    }

    /// A program of apt's.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C");
        for (name, value) in self.options() {
            let mut option = OsString::from(format!("--option={name}="));
            option.push(value);
            command.arg(option);
        }
        command
    }

    /// apt.conf(5): its own files in place of the system's, and as few of them as will do.
    fn options(&self) -> Vec<(&'static str, OsString)> {
        let own = |name: &str| self.folder.join(name).into_os_string();
        vec![
            ("Dir::State", own("state")),
            ("Dir::State::status", own("status")),
            ("Dir::Cache", own("cache")),
            ("Dir::Etc::sourcelist", own("sources")),
            ("Dir::Etc::sourceparts", "-".into()),
            ("Debug::NoLocking", "true".into()),
            // An update that reaches no mirror would succeed all the same.
            ("APT::Update::Error-Mode", "any".into()),
            ("Acquire::Languages", "none".into()),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".into()),
        ]
    }
}

/// Runs apt-get; of what it complained of, the last is the error.
fn succeed(apt_get: &mut Command) -> Result<()> {
    let output = apt_get.output().context("cannot run apt-get")?;
    if output.status.success() {
        return Ok(());
    }
    let error = apt::last_error(&String::from_utf8_lossy(&output.stderr));
    bail!("{}", error.split(". ").next().unwrap_or_default())
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir()?.collect::<std::io::Result<Vec<_>>>()?;
    let files = entries.into_iter().map(|entry| entry.path());
    Ok(files.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect())
}

/// Where this system gets its own packages from.
fn mirror() -> Option<String> {
    let targets = output(Command::new("apt-get").args([
        "indextargets",
        "--format=$(REPO_URI)",
        "Identifier: Packages",
        "Origin: Debian",
        "Label: Debian",
    ]))?;
    targets.lines().next().map(str::to_owned)
}

/// What older packages bring for `/lib` then lies in `/usr/lib`, as on every installed system since Debian 12.
fn merge_usr(root: &Path) -> Result<()> {
    for folder in ["bin", "lib", "lib64", "sbin"] {
        fs::create_dir_all(root.join("usr").join(folder))?;
        symlink(format!("usr/{folder}"), root.join(folder))?;
    }
    Ok(())
}

/// As `dpkg --extract`, which would put a folder in the place of a link.
fn extract(package: &Path, root: &Path) -> Result<()> {
    let mut archive =
        Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn()?;
    let contents = archive.stdout.take().context("cannot read from dpkg-deb")?;
    let mut tar = Command::new("tar");
    run(tar.args(["--extract", "--keep-directory-symlink", "--directory"]).arg(root).stdin(contents))?;
    ensure!(archive.wait()?.success(), "cannot unpack {}", package.display());
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}
