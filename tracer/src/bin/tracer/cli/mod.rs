//! The command line.

mod output;
mod recordings;
mod targets;
mod trace;
mod values;
mod verbs;

use clap::{Command, CommandFactory, Parser, Subcommand, ValueEnum};

pub use output::OutputOptions;
pub use recordings::{FlightPlan, RecordOptions, ReportOptions};
pub use targets::{SelectionOptions, Targets};
pub use trace::TraceOptions;
pub use verbs::{
    AnswerOptions, CompletionsOptions, DiffOptions, DoctorOptions, DumpOptions, ExportOptions, ManOptions,
    PsOptions, RunOptions, SignalsOptions,
};

const EXAMPLES: &str = "\
Examples:
  sudo tracer --pid 4242                trace until Ctrl-C, then report
  sudo tracer 4242 -d 30s -o run.html   for 30 seconds; the report as a page
  sudo tracer --name 'gunicorn.*shop'   by command line, also later ones
  sudo tracer run -- python3 app.py     start a program and trace it";

/// Of `-h`, so that it fits a screen: commands by their names alone.
const SHORT_HELP: &str = "\
{about}

{usage-heading} {usage}

COMMANDS

Options:
{options}{after-help}";

const MORE_EXAMPLES: &str = "\
Examples:
  sudo tracer --pid 4242                     trace until Ctrl-C, then print the report
  sudo tracer 4242 -d 30s                    the same, for 30 seconds
  sudo tracer -p 4242 -d 10s --json | jq .   the report as JSON
  sudo tracer -p 4242 --jsonl                every event as it happens, then the report
  sudo tracer -p 4242 -o report.html         write the report to a file: a page for a browser
  sudo tracer -p 4242 --only signals,processes --until signal:TERM
  sudo tracer --name 'gunicorn.*shop'        by command line, and those that start later
  sudo tracer --unit shop.service -d 30s     all Python processes of a systemd unit
  sudo tracer ps                             list the Python processes
  sudo tracer dump --pid 4242                the stack of every thread, now
  sudo tracer signals --pid 4242             what each signal would do now
  sudo tracer run -- python3 app.py          start a program and trace it
  tracer export report.json -o report.txt    a saved report in other formats
  tracer diff before.json after.json         what a second run has more of, or less
  sudo tracer doctor --pid 4242              check whether tracing will work
  tracer completions bash                    for a shell; zsh, fish, elvish and powershell too
  tracer man dump                            the manual page of a command

Exit codes: 0 done, 1 failure, 2 usage, 3 a --fail-on rule held, 4 no such process, 5 not permitted,
6 not a known CPython, 7 the kernel lacks something, 8 more lost than --max-loss.";

/// Why is my Python process switching, blocking, leaking children or missing signals?
///
/// Attaches to a running CPython process without stopping it, and reports what happens between Python and Linux, each
/// fact with the Python line that caused it.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, after_long_help = MORE_EXAMPLES, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Option<Verb>,

    #[command(flatten)]
    pub targets: Targets,

    #[command(flatten)]
    pub trace: TraceOptions,
}

/// Commands other than to trace a running process.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Dump(DumpOptions),
    Signals(SignalsOptions),
    Run(RunOptions),
    Record(RecordOptions),
    Report(ReportOptions),
    Ps(PsOptions),
    Export(ExportOptions),
    Diff(DiffOptions),
    Doctor(DoctorOptions),
    Completions(CompletionsOptions),
    Man(ManOptions),
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Cli {
    /// Whether a target's words are to be hidden.
    pub fn redacts(&self) -> bool {
        match &self.verb {
            None => self.trace.redact,
            Some(Verb::Dump(options)) => options.redact,
            Some(Verb::Signals(options)) => options.redact,
            Some(Verb::Run(options)) => options.trace.redact,
            Some(Verb::Ps(options)) => options.redact,
            Some(Verb::Record(options)) => options.trace.redact,
            Some(Verb::Export(_) | Verb::Diff(_) | Verb::Report(_) | Verb::Doctor(_)) => false,
            Some(Verb::Completions(_) | Verb::Man(_)) => false,
        }
    }
}

/// The definition for a command line that has only `-h`: its help fits a screen.
pub fn with_short_help() -> Command {
    let command = Cli::command();
    let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
    let commands = format!("Commands: {}", names.join(", "));
    let commands = wrapped(&commands, SHORT_HELP_WIDTH).replace('\n', "\n  ");
    command.help_template(SHORT_HELP.replace("COMMANDS", &commands))
}

const SHORT_HELP_WIDTH: usize = 78;

/// Breaks at blanks.
fn wrapped(text: &str, width: usize) -> String {
    let mut columns = 0;
    let words = text.split(' ').map(|word| {
        let goes_on = columns > 0 && columns + 1 + word.len() <= width;
        let gap = if columns == 0 {
            ""
        } else if goes_on {
            " "
        } else {
            "\n"
        };
        columns = if goes_on { columns + 1 + word.len() } else { word.len() };
        format!("{gap}{word}")
    });
    words.collect()
}

/// The name of a command.
fn known_command(name: &str) -> Result<String, String> {
    let command = Cli::command();
    let names = || command.get_subcommands().map(Command::get_name).collect::<Vec<_>>().join(", ");
    let known = command.find_subcommand(name).map(|command| command.get_name().to_owned());
    known.ok_or_else(|| format!("there are {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_ascii_whitespace())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pids_come_in_every_way() {
        assert_eq!(parse("tracer -p 1,2 --pid 3 4").unwrap().targets.pids(), [1, 2, 3, 4]);
        assert_eq!(parse("tracer 4242").unwrap().targets.pids(), [4242]);
        assert!(
            parse("tracer -p 0").is_err() && parse("tracer -p x").is_err() && parse("tracer -p -5").is_err()
        );
    }

    #[test]
    fn a_verb_has_its_own_options() {
        let Some(Verb::Dump(dump)) = parse("tracer dump -p 7 8 --depth 3").unwrap().verb else {
            panic!("dump")
        };
        assert_eq!((dump.targets.pids(), dump.depth), (vec![7, 8], 3));
        assert!(parse("tracer -p 7 dump").is_err() && parse("tracer dump -p 7 -d 3s").is_err());
    }

    #[test]
    fn a_command_keeps_its_own_flags() {
        for line in ["tracer run -d 5s -- python3 -c pass -d", "tracer run -d 5s python3 -c pass -d"] {
            let Some(Verb::Run(run)) = parse(line).unwrap().verb else { panic!("run") };
            assert_eq!(run.command, ["python3", "-c", "pass", "-d"], "{line}");
        }
        assert!(parse("tracer run").is_err() && parse("tracer run --pid 5 -- true").is_err());
    }

    #[test]
    fn short_help_fits_a_screen() {
        let help = with_short_help().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 24 && help.lines().all(|line| line.len() <= 80), "{help}");
        for command in Cli::command().get_subcommands() {
            assert!(help.contains(command.get_name()), "{} in {help}", command.get_name());
        }
    }

    #[test]
    fn long_help_has_every_option() {
        let mut command = Cli::command();
        let help = command.render_long_help().to_string();
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let name = argument.get_long().map(|name| format!("--{name}"));
            assert!(name.is_none_or(|name| help.contains(&name)), "{argument}");
        }
    }

    #[test]
    fn a_manual_page_is_of_a_command_that_there_is() {
        let Some(Verb::Man(man)) = parse("tracer man dump").unwrap().verb else { panic!("man") };
        assert_eq!(man.command.as_deref(), Some("dump"));
        assert!(parse("tracer man").is_ok() && parse("tracer man nothing").is_err());
        assert!(parse("tracer completions bash").is_ok() && parse("tracer completions csh").is_err());
    }
}
