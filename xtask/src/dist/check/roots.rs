//! The package for Debian, and the program alone, each in a root of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::{PROGRAM, Release, deb, place};
use super::named;
use super::trial::{SECONDS, in_time, is_of, succeed, toolchain, works};
use crate::command::{run, say};
use crate::demo::{self, Shop};
use crate::suite::Suite;
use crate::tree;

/// Releases of Debian into which the package is installed.
pub const DEBIANS: [Suite; 2] = [debian("bookworm"), debian("trixie")];

const fn debian(name: &'static str) -> Suite {
    Suite { name, packages: &["dpkg", "tar", "python3-minimal", "dash", "coreutils"] }
}

/// Where programs are looked for in there.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// In a root that holds a Python that is busy, the package, and no toolchain: one command line leads to a report.
pub fn package(release: &Release, suite: &Suite) -> Result<Duration> {
    let root = root_of(release, suite)?;
    place(&named(&release.folder, ".deb")?, &root.join("tracer.deb"), 0o644)?;
    place(&demo::program(), &root.join("shop.py"), 0o644)?;
    let folders = PATH.split(':').map(|folder| root.join(folder.trim_start_matches('/')));
    let tool = toolchain(folders.collect::<Vec<_>>());
    ensure!(tool.is_none(), "{} could have built it", tool.unwrap_or_default().display());
    let shop = Shop::open(&mut inside(&root, "/usr/bin/python3"), Path::new("/shop.py"))?;
    let pid = shop.process.id();
    // Of what dpkg looks for beforehand, such a root lacks what no file of ours needs.
    let line = format!(
        "dpkg --force-bad-path --install /tracer.deb >&2 && tracer --pid {pid} --duration {SECONDS} --json"
    );
    let begin = Instant::now();
    let reported = succeed(inside(&root, "/bin/sh").args(["-c", &line]))?;
    let took = in_time(begin)?;
    is_of(&reported.stdout, pid)?;
    works(|| inside(&root, "/usr/bin/tracer"), &shop)?;
    brings_its_papers(&root)?;
    Ok(took)
}

/// A Debian of the fewest packages, in which nothing has been installed.
fn root_of(release: &Release, suite: &Suite) -> Result<PathBuf> {
    let folder = tree::root().join("target/tools/roots");
    if !suite.is_unpacked(&folder) {
        say(format!("downloading a root of Debian {}: about 15 seconds, only once", suite.name));
        fs::create_dir_all(&folder)?;
        suite.unpack(&folder)?;
    }
    let root = release.staged(suite.name)?;
    let mut copy = Command::new("cp");
    copy.args(["--archive", "--reflink=auto"]).arg(suite.root(&folder).join(".")).arg(&root);
    run(&mut copy)?;
    for database in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(database), "")?;
    }
    Ok(root)
}

/// The manual page is one, shells take the completions, and the unit runs the program that is there.
fn brings_its_papers(root: &Path) -> Result<()> {
    let page = succeed(Command::new("gzip").args(["--decompress", "--stdout"]).arg(root.join(deb::MANUAL)))?;
    ensure!(String::from_utf8_lossy(&page.stdout).contains("\n.TH tracer 1 "), "the manual has no title");
    let (_, bash) = deb::COMPLETIONS[0];
    let mut complete = Command::new("bash");
    complete.args(["--norc", "-c", "source \"$0\" && complete -p tracer"]).arg(root.join(bash));
    succeed(&mut complete).context("bash does not take the completions")?;
    for (_, file) in deb::COMPLETIONS {
        let text = fs::read_to_string(root.join(file)).with_context(|| format!("there is no {file}"))?;
        ensure!(text.contains("doctor"), "{file} does not know the commands");
    }
    let unit = fs::read_to_string(root.join(deb::UNIT)).context("there is no unit")?;
    let started = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/")).unwrap_or_default();
    let program = started.split(' ').next().unwrap_or_default();
    ensure!(root.join(program).is_file(), "the unit starts /{program}, which is not there");
    Ok(())
}

/// The program, `/proc` and `/sys`, and no other file.
pub fn alone(release: &Release) -> Result<Duration> {
    let begin = Instant::now();
    let root = release.staged("alone")?;
    place(&release.folder.join(PROGRAM), &root.join("tracer"), 0o755)?;
    let shop = Shop::open(&mut Command::new("/usr/bin/python3"), &demo::program())?;
    works(|| inside(&root, "/tracer"), &shop)?;
    in_time(begin)
}

/// A program of another root, which has `/proc` and `/sys` mounted for as long as that runs.
fn inside(root: &Path, program: &str) -> Command {
    let mut command = Command::new("unshare");
    let mounts =
        "mkdir -p \"$0/proc\" \"$0/sys\" && mount -t proc proc \"$0/proc\" && mount --rbind /sys \"$0/sys\"";
    command
        .args(["--mount", "sh", "-c", &format!("{mounts} && exec chroot \"$0\" \"$@\"")])
        .arg(root)
        .arg(program);
    command.env("PATH", PATH);
    command
}
