//! Bare `tracer`: watches processes that run, and reports.

use tracer::report::output::{Destination, Format, OutputError, check_stdout};
use tracer::report::{Report, json, text};
use tracer::session::{self, Finished, Options, Root, Rule, Watch};

use super::{pids, say_gone, threads_among};
use crate::cli::{Shape, Targets, TraceOptions};
use crate::console::Console;
use crate::failure::Failure;
use crate::screen;
use crate::stream::Stream;

/// Traces processes until the run ends; the exit code.
pub fn trace(targets: &Targets, options: &TraceOptions) -> Result<u8, Failure> {
    let selection = Some(targets.choice.selection()).filter(|selection| !selection.is_empty());
    let pids = &pids(targets)?;
    let destination = destination(options)?;
    let mut console = Console::new(options);
    let follows = options.options().follow;
    let open = if follows { Root::open_families } else { Root::open_all };
    let roots = open(pids, &mut say_gone)?;
    threads_among(pids).for_each(|line| console.status.say(&line));
    if options.verbose {
        roots.iter().for_each(|root| console.status.found(root));
    }
    let asked = Options { selection, ..options.options() };
    let finished = watch(&asked, &roots, &mut console)?;
    show(options, &finished.report, destination, console.stream)?;
    let code = exit_code(options, &finished.report);
    drop(finished); // detaching may take a while: the report has been shown
    Ok(code)
}

/// One session.
pub fn watch(options: &Options, roots: &[Root], watch: &mut dyn Watch) -> Result<Finished, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    Ok(runtime.block_on(session::trace(options, roots, watch))?)
}

/// Opened before anything is attached, so that what cannot be written costs nobody anything.
pub fn destination(options: &TraceOptions) -> Result<Destination, OutputError> {
    if options.file().is_none() {
        check_stdout().map_err(OutputError::Stdout)?;
    }
    match (options.file(), options.shape()) {
        (Some((path, format)), _) => Destination::open(path, format),
        (None, Shape::Report(format)) => Ok(Destination::stdout(format)),
        (None, Shape::Stream) => Ok(Destination::stdout(Format::Json)),
    }
}

/// Shows the report where it belongs.
pub fn show(
    options: &TraceOptions,
    report: &Report,
    destination: Destination,
    stream: Option<Stream>,
) -> Result<(), Failure> {
    if let Some(stream) = stream {
        return stream.finish(&json::to_event(report)).map_err(Failure::Stream);
    }
    let on_terminal = destination.is_stdout() && screen::is_terminal();
    let bytes = match destination.format {
        Format::Json if on_terminal => json::to_string(report, json::Layout::Pretty),
        Format::Json => json::to_string(report, json::Layout::Compact),
        Format::Text => {
            let style = screen::style(options.color, on_terminal);
            text::render(report, text::Style { full: options.full, ..style })
        }
    };
    Ok(destination.finish(bytes.as_bytes())?)
}

/// What the rules on the command line say of the report.
pub fn exit_code(options: &TraceOptions, report: &Report) -> u8 {
    if report.quality.worst_loss() > options.max_loss() {
        return 8;
    }
    let holds = |rule: &Rule| rule.is_met_in(report);
    if options.fail_on().iter().any(holds) { 3 } else { 0 }
}
