//! Builds the tracer and runs it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::command::as_root;
use crate::{build, demo};

/// Runs the tracer with these arguments, or without any on the demo program.
pub fn run(args: &[OsString]) -> Result<ExitCode> {
    let tracer = build::build()?;
    if args.is_empty() { demo::trace(&tracer) } else { become_tracer(&tracer, args) }
}

/// Gives this process to the tracer: signals and the exit code are then between it and the caller.
fn become_tracer(tracer: &Path, args: &[OsString]) -> Result<ExitCode> {
    let error = as_root(tracer)?.args(args).exec();
    Err(error).with_context(|| format!("cannot run {}", tracer.display()))
}
