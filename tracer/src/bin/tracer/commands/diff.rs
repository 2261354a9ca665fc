//! `tracer diff`: what a second run has more of, or less.

use tracer::diff::{self, markdown, text};
use tracer::report::export::flame;
use tracer::report::json::Layout;
use tracer::report::{Format, saved};
use tracer::session::Rule;

use super::export::act_for_caller;
use super::outputs::Outputs;
use crate::cli::DiffOptions;
use crate::failure::Failure;

/// Compares two saved reports; the exit code.
pub fn diff(options: &DiffOptions) -> Result<u8, Failure> {
    act_for_caller()?;
    let (before, after) = (saved::read(&options.before)?, saved::read(&options.after)?);
    let outputs = Outputs::open(&options.output)?;
    if let Some(format) = outputs.formats().find(|format| !is_known(*format)) {
        return Err(Failure::NoDiff(format.name()));
    }
    let diff = diff::diff(&before, &after);
    outputs.write_each(&options.output, |format, view| match format {
        Format::Json => diff.to_json(view.layout == Layout::Pretty).into_bytes(),
        Format::Markdown => markdown::write(&diff).into_bytes(),
        Format::FlameGraph => flame::compare(&before, &after, view.of),
        _ => text::render(&diff, view.style).into_bytes(),
    })?;
    let holds = |rule: &Rule| rule.holds_in(&after) || (*rule == Rule::Worse && diff.is_worse());
    Ok(if options.fail_on.iter().any(holds) { 3 } else { 0 })
}

fn is_known(format: Format) -> bool {
    matches!(format, Format::Text | Format::Json | Format::Markdown | Format::FlameGraph)
}
