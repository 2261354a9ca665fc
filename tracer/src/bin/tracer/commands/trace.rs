//! Bare `tracer`: watches processes that run, and reports.

use tracer::report::{Report, json};
use tracer::roots::Root;
use tracer::session::{self, Finished, Options, Rule, Triggers};

use super::outputs::Outputs;
use super::{pids, say_gone, threads_among};
use crate::cli::{Targets, TraceOptions};
use crate::console::Console;
use crate::failure::Failure;
use crate::notice;
use crate::stream::Stream;

/// Traces processes until the run ends; the exit code.
pub fn trace(targets: &Targets, options: &TraceOptions) -> Result<u8, Failure> {
    let outputs = Outputs::open(&options.output)?;
    let mut console = Console::new(options);
    let finished = watch_targets(targets, options, None, &mut console)?;
    show(options, &finished.report, outputs, console.stream)?;
    let code = exit_code(options, &finished.report);
    drop(finished); // detaching may take a while: the report has been shown
    Ok(code)
}

/// A session with the processes that were asked for.
pub fn watch_targets(
    targets: &Targets,
    options: &TraceOptions,
    triggers: Option<Triggers>,
    console: &mut Console,
) -> Result<Finished, Failure> {
    let selection = Some(targets.choice.selection()).filter(|selection| !selection.is_empty());
    let pids = &pids(targets)?;
    let follows = options.options().follow;
    let open = if follows { Root::open_families } else { Root::open_all };
    let roots = open(pids, &mut say_gone)?;
    threads_among(pids).for_each(|line| console.status.say(&line));
    if options.verbose {
        roots.iter().for_each(|root| console.status.found(root));
    }
    let asked = Options { selection, triggers, ..options.options() };
    Ok(session::run(&asked, &roots, console)?)
}

/// Shows the report where it belongs.
pub fn show(
    options: &TraceOptions,
    report: &Report,
    outputs: Outputs,
    stream: Option<Stream>,
) -> Result<(), Failure> {
    notice::settle(); // on a terminal the report comes last
    match stream {
        Some(stream) => stream.finish(&json::to_event(report)).map_err(Failure::Stream),
        None => outputs.write(report, &options.output),
    }
}

/// What the rules on the command line say of the report.
pub fn exit_code(options: &TraceOptions, report: &Report) -> u8 {
    if report.quality.worst_loss() > options.max_loss() {
        return 8;
    }
    let holds = |rule: &Rule| rule.holds_in(report);
    if options.fail_on().iter().any(holds) { 3 } else { 0 }
}
