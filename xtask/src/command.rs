//! How other programs are run: in the open, as root, or apart from the settings of the outer cargo.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};

/// Prints on stderr what happens; stdout belongs to the tracer.
pub fn say(what: impl AsRef<str>) {
    eprintln!("xtask: {}", what.as_ref());
}

/// Runs a program to its end, with its output on the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", line(command)))?;
    ensure!(status.success(), "cannot run `{}`: it ended with {status}", line(command));
    Ok(())
}

/// Adds to an error what its reader can do about it.
pub fn with_remedy<T>(result: Result<T>, remedy: impl Display) -> Result<T> {
    result.map_err(|error| anyhow!("{error:#}; {remedy}"))
}

/// What a program prints on stdout, if there is such a program and it succeeds.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> = [name].into_iter().chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// Whether `PATH` leads to a program of this name.
pub fn on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// Whether a program started now has the rights of root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program to be run as root: directly, or through sudo with the caller's environment.
pub fn as_root(program: impl AsRef<OsStr>) -> Result<Command> {
    let program = program.as_ref();
    if is_root() {
        return Ok(Command::new(program));
    }
    let name = program.display();
    ensure!(on_path("sudo"), "cannot run {name} as root: there is no sudo; try again as root");
    let mut sudo = Command::new("sudo");
    sudo.arg("-E").arg(program);
    Ok(sudo)
}

/// The cargo that runs xtask.
pub fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A program that is to build for another target, or by another compiler, than the cargo that runs xtask:
/// it sees none of the variables that the latter set, or that its user set for it.
pub fn isolated(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(steers_a_build) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a variable changes what cargo builds, or with what; where it downloads from is no such matter.
///
/// <https://doc.rust-lang.org/cargo/reference/environment-variables.html>
fn steers_a_build(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "CARGO_BIN_",
        "CARGO_BUILD_",
        "CARGO_ENCODED_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
    ];
    matches!(name, "CARGO" | "LD_LIBRARY_PATH") || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isolation_drops_what_steers_a_build_and_no_more() {
        for (name, steers) in [
            ("CARGO", true),
            ("CARGO_ENCODED_RUSTFLAGS", true),
            ("CARGO_MANIFEST_DIR", true),
            ("CARGO_TARGET_DIR", true),
            ("LD_LIBRARY_PATH", true),
            ("RUSTC", true),
            ("RUSTC_WRAPPER", true),
            ("RUSTFLAGS", true),
            ("CARGO_HOME", false),
            ("CARGO_HTTP_CAINFO", false),
            ("PATH", false),
            ("RUST_BACKTRACE", false),
            ("RUSTUP_HOME", false),
        ] {
            assert_eq!(steers_a_build(name), steers, "{name}");
        }
    }

    #[test]
    fn a_failure_names_the_command_and_a_remedy() {
        let error =
            with_remedy(run(Command::new("/bin/sh").args(["-c", "exit 3"])), "try harder").unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "cannot run `sh -c exit 3`: it ended with exit status: 3; try harder"
        );
    }
}
