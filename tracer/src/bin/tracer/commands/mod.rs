//! What the verbs do: each reads its options, asks the library, shows the answer.

pub mod describe;
pub mod diff;
pub mod doctor;
pub mod dump;
pub mod export;
mod outputs;
pub mod ps;
pub mod record;
pub mod report;
pub mod run;
pub mod signals;
pub mod trace;

use std::io::{IsTerminal, stderr, stdin};

use serde::Serialize;
use tracer::event::Pid;
use tracer::process::{self, Process};
use tracer::report::Format;
use tracer::report::output::{Destination, OutputError};
use tracer::report::text::Style;

use crate::cli::{AnswerOptions, Targets};
use crate::failure::Failure;
use crate::notice;
use crate::screen;

/// Prints an answer, as JSON or as the text that `render` makes of it.
fn print<T: Serialize>(
    answer: &T,
    options: &AnswerOptions,
    render: impl FnOnce(&T, Style) -> String,
) -> Result<(), OutputError> {
    let on_terminal = screen::is_terminal();
    let json = if on_terminal { serde_json::to_string_pretty } else { serde_json::to_string };
    let text = match options.json {
        true => json(answer).expect("every key is a string") + "\n",
        false => render(answer, screen::style(options.color, on_terminal)),
    };
    Destination::stdout(Format::Text).finish(text.as_bytes())
}

/// The processes that were asked for.
fn pids(targets: &Targets) -> Result<Vec<Pid>, Failure> {
    let (pids, selection) = (targets.pids(), targets.choice.selection());
    match (pids.is_empty(), selection.is_empty()) {
        (false, _) => Ok(pids),
        (true, true) => ask(),
        (true, false) => {
            let pids = selection.pids(|error| notice::say(format_args!("left out: {error}")));
            if pids.is_empty() { Err(Failure::NoneSelected) } else { Ok(pids) }
        }
    }
}

/// On a terminal, shows what there is and lets a person choose.
fn ask() -> Result<Vec<Pid>, Failure> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Failure::NoPid);
    }
    notice::write(format!("{}\nPID to trace: ", ps::choices()));
    notice::settle();
    let mut line = String::new();
    stdin().read_line(&mut line).map_err(|_| Failure::NoPid)?;
    let pids = line.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    let pids: Result<Vec<Pid>, _> = pids.map(str::parse).collect();
    pids.ok().filter(|pids| !pids.is_empty()).ok_or(Failure::NoPid)
}

/// A sentence for each id that is a thread's: it is taken as its process.
fn threads_among(pids: &[Pid]) -> impl Iterator<Item = String> {
    let opened = pids.iter().filter_map(|&pid| Some((pid, Process::open(pid).ok()?.pid)));
    let threads = opened.filter(|(asked, process)| asked != process);
    threads.map(|(asked, process)| format!("{asked} is a thread of PID {process}: tracing that process"))
}

/// Of several processes one is gone: the others are read.
fn say_gone(error: &process::Error) {
    notice::say(error);
}
