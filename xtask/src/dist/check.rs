//! Each package is installed where there is no toolchain, and traces a program there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{PROGRAM, Release, VERSION, packed, place};
use crate::command::{cargo, is_root, isolated, output, run, say};
use crate::demo::{self, Shop};
use crate::suite::Suite;
use crate::{pythons, tree};

/// How long it may take from nothing to the first report.
const MOST: Duration = Duration::from_secs(60);
const SECONDS: &str = "5";

/// Runs the pip of another interpreter.
const PIP: &str =
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('pip', run_name='__main__')";

/// Releases of Debian into which the package is installed.
const DEBIANS: [Suite; 2] = [debian("bookworm"), debian("trixie")];

const fn debian(name: &'static str) -> Suite {
    Suite { name, packages: &["dpkg", "tar", "python3-minimal", "dash", "coreutils"] }
}

pub fn check(release: &Release) -> Result<()> {
    ensure!(is_root(), "cannot check what was built: the tracer needs root; try again as root");
    for python in pythons::for_packages() {
        checked(&format!("the wheel, by {}", python.display()), wheel(release, &python))?;
    }
    for suite in DEBIANS {
        checked(&format!("the package for Debian, in {}", suite.name), package(release, &suite))?;
    }
    checked("the program, alone in a file system", alone(release))?;
    checked("the crate", installed(release))?;
    checked("a second build, elsewhere", again(release))
}

fn checked(what: &str, result: Result<Duration>) -> Result<()> {
    let took = result.with_context(|| format!("{what} does not do"))?;
    say(format!("checked {what}: {:.1} s", took.as_secs_f64()));
    Ok(())
}

/// By pip, into a folder of its own; then traced with nothing else on `PATH`.
fn wheel(release: &Release, python: &Path) -> Result<Duration> {
    let begin = Instant::now();
    let folder = release.staged("installed")?.join(python.strip_prefix("/")?);
    let wheel = named(&release.folder, ".whl")?;
    let pip = pythons::pip()?;
    // Those for musl lack what a pip needs, so that another interpreter's installs what would fit them.
    let is_for_musl = python.to_string_lossy().ends_with("-musl");
    let mut install = Command::new(if is_for_musl { &pip.python } else { python });
    install.args(["-W", "ignore", "-c", PIP]).arg(&pip.folder);
    install.args(["install", "--quiet", "--no-index", "--root-user-action=ignore"]);
    if is_for_musl {
        install.args(["--platform", "musllinux_1_1_x86_64", "--only-binary", ":all:"]);
    }
    run(install.arg("--disable-pip-version-check").arg("--target").arg(&folder).arg(wheel))?;
    let shop = Shop::open(&mut Command::new(python), &demo::program())?;
    let tracer = folder.join("bin/tracer");
    traces(bare(&tracer), &shop)?;
    in_time(begin)
}

/// In a root that holds Python and no toolchain.
fn package(release: &Release, suite: &Suite) -> Result<Duration> {
    let folder = tree::root().join("target/tools/roots");
    if !suite.is_unpacked(&folder) {
        say(format!("downloading a root of Debian {}: about 15 seconds, only once", suite.name));
        fs::create_dir_all(&folder)?;
        suite.unpack(&folder)?;
    }
    let begin = Instant::now();
    let root = release.staged(suite.name)?;
    run(Command::new("cp")
        .args(["--archive", "--reflink=auto"])
        .arg(suite.root(&folder).join("."))
        .arg(&root))?;
    for database in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(database), "")?;
    }
    place(&named(&release.folder, ".deb")?, &root.join("tracer.deb"), 0o644)?;
    place(&demo::program(), &root.join("shop.py"), 0o644)?;
    run(inside(&root, "/usr/bin/dpkg")
        .args(["--force-bad-path", "--install", "/tracer.deb"])
        .stdout(Stdio::null()))?;
    let shop = Shop::open(&mut inside(&root, "/usr/bin/python3"), Path::new("/shop.py"))?;
    traces(inside(&root, "/usr/bin/tracer"), &shop)?;
    in_time(begin)
}

/// The program, `/proc` and `/sys`, and no other file.
fn alone(release: &Release) -> Result<Duration> {
    let begin = Instant::now();
    let root = release.staged("alone")?;
    place(&release.folder.join(PROGRAM), &root.join("tracer"), 0o755)?;
    let shop = Shop::open(&mut Command::new("/usr/bin/python3"), &demo::program())?;
    traces(inside(&root, "/tracer"), &shop)?;
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
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// By cargo, as if from a registry that has both crates: the only one that takes a toolchain.
fn installed(release: &Release) -> Result<Duration> {
    let begin = Instant::now();
    let sources = release.staged("unpacked")?;
    for package in ["tracer", "tracer-common"] {
        let file = release.folder.join(format!("{package}-{VERSION}.crate"));
        run(Command::new("tar").arg("--extract").arg("--file").arg(file).arg("--directory").arg(&sources))?;
    }
    let common = sources.join(format!("tracer-common-{VERSION}"));
    let patch = format!("patch.crates-io.tracer-common.path={:?}", common.display().to_string());
    let root = sources.join("root");
    let mut install = Command::new(cargo());
    install.args(["install", "--quiet", "--debug", "--no-track", "--config", &patch, "--root"]).arg(&root);
    run(install.arg("--path").arg(sources.join(format!("tracer-{VERSION}"))).current_dir(&sources))?;
    let shop = Shop::open(&mut Command::new("/usr/bin/python3"), &demo::program())?;
    traces(bare(&root.join("bin/tracer")), &shop)?;
    Ok(begin.elapsed())
}

/// Nothing of this process's environment, and no folder in which programs are looked for.
fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/nonexistent");
    command
}

/// Runs the tracer on the demo program, and checks whether it saw Python, and what happened.
fn traces(mut tracer: Command, shop: &Shop) -> Result<()> {
    let pid = shop.process.id().to_string();
    let ran = tracer
        .args(["--pid", &pid, "--duration", SECONDS, "--json"])
        .output()
        .context("cannot run tracer")?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr).trim_end());
    let report: Value = serde_json::from_slice(&ran.stdout)?;
    let count = |of: &Value| of.as_u64().unwrap_or(0);
    let quality = &report["quality"];
    let lost: u64 = quality["lost"].as_object().into_iter().flatten().map(|(_, hits)| count(hits)).sum();
    ensure!(lost == 0, "{lost} hits were lost");
    ensure!(count(&quality["samples"]["python"]) > 0, "no sample has a Python stack: {}", quality["samples"]);
    ensure!(count(&report["switches"]["voluntary"]) > 0, "no switch was seen");
    let seen = report["reads"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|row| row["path"] == format!("/proc/{pid}/stat"));
    ensure!(seen, "the reads of /proc/{pid}/stat were not seen: {}", report["reads"]);
    Ok(())
}

fn in_time(begin: Instant) -> Result<Duration> {
    let took = begin.elapsed();
    ensure!(took < MOST, "from nothing to the first report took {took:?}");
    Ok(took)
}

/// The only file whose name ends so.
fn named(folder: &Path, end: &str) -> Result<PathBuf> {
    let paths = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let mut found = paths.filter(|path| path.to_string_lossy().ends_with(end));
    found.next().with_context(|| format!("there is no {end} in {}", folder.display()))
}

/// Builds all of it from the same sources in another folder, and compares the sums.
fn again(release: &Release) -> Result<Duration> {
    let begin = Instant::now();
    let elsewhere =
        PathBuf::from(output(Command::new("mktemp").arg("--directory")).context("mktemp(1)")?.trim_end());
    let built = build_at(&elsewhere, release);
    let sums = |root: &Path| fs::read_to_string(root.join("target/dist/SHA256SUMS"));
    let compared = built.and_then(|()| Ok((sums(&tree::root())?, sums(&elsewhere)?)));
    fs::remove_dir_all(&elsewhere)?;
    let (here, there) = compared?;
    if here != there {
        bail!("its sums are others:\n{there}, not:\n{here}");
    }
    Ok(begin.elapsed())
}

fn build_at(elsewhere: &Path, release: &Release) -> Result<()> {
    packed::copy_sources(elsewhere)?;
    fs::create_dir(elsewhere.join("target"))?;
    std::os::unix::fs::symlink(tree::tools(), elsewhere.join("target/tools"))?;
    // git lists the files of a folder that it knows.
    for arguments in [&["init", "--quiet"][..], &["add", "--all"]] {
        run(Command::new("git").arg("-C").arg(elsewhere).args(arguments))?;
    }
    let mut xtask = isolated(cargo());
    xtask.args(["xtask", "dist"]).current_dir(elsewhere).env("SOURCE_DATE_EPOCH", &release.epoch);
    run(&mut xtask)
}
