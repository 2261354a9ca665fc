//! `tracer export`: a saved report in other formats.

use tracer::report::output::Invoker;
use tracer::report::saved;

use super::outputs::Outputs;
use crate::cli::ExportOptions;
use crate::failure::Failure;

/// Writes a saved report as something else; the exit code.
pub fn export(options: &ExportOptions) -> Result<u8, Failure> {
    act_for_caller()?;
    let report = saved::read(&options.report)?;
    Outputs::open(&options.output)?.write(&report, &options.output)?;
    Ok(0)
}

/// A file is read with the rights of who asked for it.
pub fn act_for_caller() -> Result<(), Failure> {
    Invoker::current().become_here().map_err(Failure::Caller)
}
