//! What a machine needs before it can build and test: found in a moment, or installed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, on_path, output, run, say, with_remedy};
use crate::compiler::{self, Compiler};
use crate::{apt, linker};

/// What builds the probes.
pub struct Toolchain {
    pub compiler: Compiler,
    pub linker: PathBuf,
}

/// A program that something here starts, and the packages that bring it.
struct Program {
    name: &'static str,
    packages: &'static [&'static str],
    why: &'static str,
}

const FOR_BUILDING: &[Program] =
    &[Program { name: "cc", packages: &["gcc", "libc6-dev"], why: "Rust programs are linked by cc" }];

const FOR_TESTING: &[Program] = &[
    Program { name: "git", packages: &["git"], why: "the tests check the files that git tracks" },
    Program { name: "python3", packages: &["python3"], why: "the tests trace Python programs" },
    Program {
        name: "strace",
        packages: &["strace"],
        why: "the tests compare counts of system calls with its",
    },
    Program {
        name: "ps",
        packages: &["procps"],
        why: "the tests compare processes and signals with its tools",
    },
];

/// Prepares this machine for everything, and says what it found.
pub fn setup() -> Result<()> {
    let toolchain = for_testing()?;
    say(format!("all is there; {} compiles the probes", toolchain.compiler));
    Ok(())
}

/// Prepares this machine for building; silent when nothing is missing.
pub fn for_building() -> Result<Toolchain> {
    ensure_programs(FOR_BUILDING)?;
    let compiler = compiler::ensure()?;
    let linker = linker::ensure(compiler.llvm)?;
    Ok(Toolchain { compiler, linker })
}

/// Prepares this machine for building what others are given.
pub fn for_release() -> Result<Toolchain> {
    ensure_programs(FOR_BUILDING)?;
    ensure_programs(FOR_TESTING)?;
    let compiler = compiler::for_release()?;
    let linker = linker::ensure(compiler.llvm)?;
    Ok(Toolchain { compiler, linker })
}

/// Prepares this machine for building and testing; silent when nothing is missing.
pub fn for_testing() -> Result<Toolchain> {
    ensure_programs(FOR_TESTING)?;
    ensure_component("rustfmt", "fmt", "the tests check formatting")?;
    ensure_component("clippy", "clippy", "the tests check lints")?;
    for_building()
}

fn ensure_programs(programs: &[Program]) -> Result<()> {
    for program in programs.iter().filter(|program| !on_path(program.name)) {
        apt::install(program.packages, program.why)?;
    }
    Ok(())
}

/// Rustup's minimal profile, which container images have, comes without these.
fn ensure_component(component: &str, subcommand: &str, why: &str) -> Result<()> {
    if output(Command::new(cargo()).args([subcommand, "--version"])).is_some() {
        return Ok(());
    }
    say(format!("installing {component}: {why}"));
    let added = run(Command::new("rustup").args(["component", "add", component]));
    with_remedy(
        added,
        format_args!("try again once rustup can download, or install cargo-{subcommand} otherwise"),
    )
}
