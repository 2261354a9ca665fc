//! Everything that has to hold before a change goes in, cheapest first.

use std::env;
use std::ffi::OsString;
use std::panic::resume_unwind;
use std::process::Command;
use std::thread;

use anyhow::{Result, ensure};

use crate::build::{build_probes, in_workspace};
use crate::command::{cargo, is_root, on_path, run, say};
use crate::setup::{self, Toolchain};
use crate::{pythons, tree};

/// Checks formatting, lints and docs, then runs the tests whose names contain one of `filters`.
pub fn test(filters: &[OsString]) -> Result<()> {
    let mut tests = all_tests(filters)?;
    let toolchain = setup::for_testing()?;
    // They come over the network while the CPUs compile.
    thread::scope(|scope| {
        let pythons = scope.spawn(get_pythons);
        let checked = check_all(&toolchain);
        let got = pythons.join().unwrap_or_else(|panic| resume_unwind(panic));
        checked.and(got)
    })?;
    run(&mut tests)
}

fn check_all(toolchain: &Toolchain) -> Result<()> {
    check("the workspace's formatting", in_workspace("fmt").args(["--all", "--check"]))?;
    check("the probes' formatting", &mut probes_fmt())?;
    build_probes(toolchain)?;
    check("lints", in_workspace("clippy").args(["--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    check("the probes' lints", &mut probes_clippy()?)?;
    check("docs", in_workspace("doc").args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Without a network the tests make do with what is here, except where all of them have to run.
fn get_pythons() -> Result<()> {
    match pythons::provide() {
        Err(cause) if !has_to_be_whole() => {
            say(format!("{cause:#}"));
            Ok(())
        }
        provided => provided,
    }
}

/// Where nobody reads the reasons, a test that cannot run has failed.
fn has_to_be_whole() -> bool {
    env::var_os("CI").is_some()
}

fn check(what: &str, command: &mut Command) -> Result<()> {
    say(format!("checking {what}"));
    run(command)
}

fn probes_fmt() -> Command {
    let mut fmt = Command::new(cargo());
    fmt.args(["fmt", "--check", "--manifest-path"]).arg(tree::root().join("tracer-ebpf/Cargo.toml"));
    fmt
}

/// As if for this machine: clippy comes without a `core` for BPF.
fn probes_clippy() -> Result<Command> {
    let mut clippy = Command::new(cargo());
    clippy.args(["clippy", "--manifest-path"]).arg(tree::root().join("tracer-ebpf/Cargo.toml"));
    clippy.arg("--target-dir").arg(tree::target()?.join("lints")).args(["--", "-D", "warnings"]);
    // They use unstable features, and have a panic handler that does not unwind.
    clippy.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-C panic=abort");
    Ok(clippy)
}

fn all_tests(filters: &[OsString]) -> Result<Command> {
    let mut test = tests_of(&["--workspace"])?;
    test.arg("--").args(filters);
    Ok(test)
}

/// The end-to-end tests alone.
pub fn end_to_end() -> Result<Command> {
    tests_of(&["--package", "tracer", "--test", "e2e"])
}

/// As root.
fn tests_of(which: &[&str]) -> Result<Command> {
    let mut test = in_workspace("test");
    test.args(["--profile", "tested"]).args(which);
    if !is_root() {
        ensure!(on_path("sudo"), "cannot run the end-to-end tests: neither root nor sudo; try again as root");
        test.arg("--config").arg(sudo_runner());
    }
    if has_to_be_whole() {
        test.env("TRACER_REQUIRE_E2E", "1");
    }
    Ok(test)
}

/// Makes cargo build the tests as the caller, and run them as root.
///
/// `PATH`, which sudo would replace, is where the tests look for interpreters.
fn sudo_runner() -> String {
    let path = format!("PATH={}", env::var("PATH").unwrap_or_default());
    format!(r#"target."cfg(all())".runner = ["sudo", "-E", "env", {path:?}]"#)
}
