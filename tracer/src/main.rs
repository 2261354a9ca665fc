//! The `tracer` command: reads the command line, runs a session, shows its report.

mod cli;
mod status;
mod stream;

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracer::attach;
use tracer::event::{Event, Pid};
use tracer::report::output::{Destination, Format, OutputError};
use tracer::report::{Ended, Report, json, text};
use tracer::session::{self, Finished, Listener, Root, Rule, Watch};
use tracer::target;
use tracer::timeline::Names;

use cli::{Cli, Color, Shape};
use status::Status;
use stream::Stream;

/// Widest report, where the terminal has no say.
const WIDTH: u16 = 100;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("tracer: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no process was named; try tracer --pid PID, or tracer --help")]
    NoPid,
    #[error(transparent)]
    Target(#[from] target::Error),
    #[error(transparent)]
    Attach(#[from] attach::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot write the events: {0}; try a reader that stays")]
    Stream(std::io::Error),
    #[error("cannot start: {0}; try again")]
    Runtime(std::io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NoPid => 2,
            Self::Target(error) => error.exit_code(),
            Self::Attach(error) => error.exit_code(),
            Self::Output(error) if error.is_usage() => 2,
            Self::Output(_) | Self::Stream(_) | Self::Runtime(_) => 1,
        }
    }
}

fn run(cli: &Cli) -> Result<u8, Failure> {
    let pids = cli.pids();
    if pids.is_empty() {
        return Err(Failure::NoPid);
    }
    let destination = destination(cli)?;
    let roots = Root::open_all(&pids)?;
    let mut console = Console { status: Status::new(cli.quiet), stream: None };
    if cli.shape() == Shape::Stream {
        console.stream = Some(Stream::new());
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    let finished = runtime.block_on(session::trace(&cli.options(), &roots, &mut console))?;
    show(cli, &finished.report, destination, console.stream)?;
    let code = exit_code(cli, &finished);
    drop(finished); // detaching may take a while: the report has been shown
    Ok(code)
}

/// Opened before anything is attached, so that what cannot be written costs nobody anything.
fn destination(cli: &Cli) -> Result<Destination, OutputError> {
    match (cli.file(), cli.shape()) {
        (Some((path, format)), _) => Destination::open(path, format),
        (None, Shape::Report(format)) => Ok(Destination::stdout(format)),
        (None, Shape::Stream) => Ok(Destination::stdout(Format::Json)),
    }
}

fn show(cli: &Cli, report: &Report, destination: Destination, stream: Option<Stream>) -> Result<(), Failure> {
    if let Some(stream) = stream {
        return stream.finish(&json::to_event(report)).map_err(Failure::Stream);
    }
    let on_terminal = destination.is_stdout() && stdout().is_terminal();
    let bytes = match destination.format {
        Format::Json if on_terminal => json::to_string(report, json::Layout::Pretty),
        Format::Json => json::to_string(report, json::Layout::Compact),
        Format::Text => text::render(report, style(cli.color, on_terminal)),
    };
    Ok(destination.finish(bytes.as_bytes())?)
}

fn style(color: Color, on_terminal: bool) -> text::Style {
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => wants_color(on_terminal),
    };
    let columns = rustix::termios::tcgetwinsize(stdout()).map_or(0, |size| size.ws_col);
    text::Style { color, width: if on_terminal && columns > 0 { columns.min(WIDTH) } else { WIDTH } }
}

/// <https://no-color.org> and <https://bixense.com/clicolors>.
fn wants_color(on_terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !set("NO_COLOR") && (forced || (on_terminal && !dumb))
}

fn exit_code(cli: &Cli, finished: &Finished) -> u8 {
    let report = &finished.report;
    let lost: u64 = report.quality.lost.values().sum();
    if lost as f64 > cli.max_loss() * report.quality.hits as f64 {
        return 8;
    }
    let holds = |rule: &Rule| rule.is_met_in(report);
    if cli.fail_on().iter().any(holds) { 3 } else { 0 }
}

/// What a person or a program sees while a run goes on.
struct Console {
    status: Status,
    stream: Option<Stream>,
}

impl Listener for Console {
    fn event(&mut self, event: &Event, names: &Names) {
        if let Some(stream) = &mut self.stream {
            stream.event(event, &names.symbols);
        }
    }
}

impl Watch for Console {
    fn attached(&mut self, pids: &[Pid], took: Duration) {
        self.status.attached(pids, took);
    }

    fn progress(&mut self, elapsed: Duration, events: u64, lost: u64) {
        self.status.progress(elapsed, events, lost);
    }

    fn caught_up(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.flush();
        }
    }

    fn ended(&mut self, why: Ended) {
        self.status.ended(why);
    }
}
