//! What each signal would do, as a table for each process.

use super::model::{Handler, ProcessSignals, Signal, Signals, ThreadSignals};
use crate::report::text::Style;
use crate::report::text::page::{Ink, Page};
use crate::report::text::place::{columns, fit_text, place};
use crate::report::text::table::{Cell, Setting, Table};
use crate::report::{Disposition, Name};

const INDENT: usize = 2;
/// What `faulthandler.enable` catches.
/// <https://github.com/python/cpython/blob/v3.12.0/Modules/faulthandler.c>
const FAULTS: [u32; 5] = [4, 6, 7, 8, 11];
/// What threads use among themselves to end and to change their user: nptl(7).
const OF_THE_LIBRARY: [u32; 2] = [32, 33];
/// What asyncio installs: it only interrupts the loop, which then calls the program's function.
/// <https://github.com/python/cpython/blob/v3.12.0/Lib/asyncio/unix_events.py>
const NOTHING_BUT_A_WAKEUP: &str = "_sighandler_noop";

/// The whole answer.
#[must_use]
pub fn render(signals: &Signals, style: Style) -> String {
    let mut page = Page::new(style);
    for (number, process) in signals.processes.iter().enumerate() {
        if number > 0 {
            page.blank();
        }
        write_process(&mut page, process);
    }
    page.into_string()
}

fn write_process(page: &mut Page, process: &ProcessSignals) {
    let python = process.python.as_ref().map_or_else(String::new, |version| format!("  CPython {version}"));
    let pid = format!("pid {}  ", process.pid);
    let room = page.width().saturating_sub(columns(&pid) + columns(&python));
    let title = page.paint(Ink::Title, &fit_text(&process.title.to_string(), room));
    page.raw_line(&format!("{pid}{title}{python}"));
    page.blank();
    if process.signals.is_empty() {
        page.line(Ink::Plain, INDENT, "no signal is caught, ignored, blocked or pending");
    } else {
        table(process).write(page);
    }
    notes(process).iter().for_each(|note| page.prose(Ink::Plain, INDENT, note));
    for thread in &process.threads {
        page.prose(Ink::Plain, INDENT, &about(thread));
    }
}

fn table(process: &ProcessSignals) -> Table {
    let mut table = Table::new([
        ("signal", Setting::Word),
        ("does", Setting::Word),
        ("calls", Setting::Flexible),
        ("now", Setting::Word),
    ]);
    for signal in &process.signals {
        let state = state(signal);
        let ink = if state.is_empty() { Ink::Plain } else { Ink::Warn };
        table.row(ink, [signal.signal.as_str().into(), does(signal).into(), calls(signal), state.into()]);
    }
    table
}

fn does(signal: &Signal) -> &'static str {
    match signal.disposition {
        Disposition::Python => "Python handler",
        Disposition::C if OF_THE_LIBRARY.contains(&signal.number) => "C library's own",
        Disposition::C => "C handler",
        Disposition::Default => "default",
        Disposition::Ignored => "ignored",
    }
}

fn calls(signal: &Signal) -> Cell {
    let Some(handler) = &signal.handler else { return Cell::from("-") };
    match (&handler.frame, &handler.name) {
        (Some(frame), _) => Cell::Place(frame.clone()),
        (None, Some(name)) => format!("{name}, built in").into(),
        (None, None) => other(handler).into(),
    }
}

fn other(handler: &Handler) -> String {
    let kind = handler.kind.as_ref().map(Name::to_string);
    kind.map_or_else(|| "?".to_owned(), |kind| format!("an object of type {kind}"))
}

/// What keeps it from being handled now.
fn state(signal: &Signal) -> String {
    let blocked = match signal.blocked_by.len() {
        0 => None,
        1 => Some(format!("blocked by thread {}", signal.blocked_by[0])),
        threads => Some(format!("blocked by {threads} threads")),
    };
    let pending = signal.pending.then(|| "pending".to_owned());
    let waits = (signal.handler_pending == Some(true)).then(|| "arrived, handler not called yet".to_owned());
    [pending, waits, blocked].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn notes(process: &ProcessSignals) -> Vec<String> {
    let of = |number| process.signals.iter().find(move |signal| signal.number == number);
    let in_c = |number| of(number).is_some_and(|signal: &Signal| signal.disposition == Disposition::C);
    let wakeup = process.wakeup_fd.map(|fd| {
        format!("each signal is also written to descriptor {fd} (signal.set_wakeup_fd), for an event loop")
    });
    let asyncio = process.signals.iter().any(|signal| {
        let frame = signal.handler.as_ref().and_then(|handler| handler.frame.as_ref());
        frame.is_some_and(|frame| place(frame).ends_with(NOTHING_BUT_A_WAKEUP))
    });
    let asyncio = asyncio.then(|| {
        format!("{NOTHING_BUT_A_WAKEUP} belongs to asyncio: the loop calls the function given to loop.add_signal_handler")
    });
    let faults = FAULTS.into_iter().all(in_c);
    let faults =
        faults.then(|| "crashes are caught by a C function, as faulthandler.enable() does".to_owned());
    [wakeup, asyncio, faults].into_iter().flatten().collect()
}

/// `thread 4243 worker blocks SIGTERM; SIGUSR1 waits for it`
fn about(thread: &ThreadSignals) -> String {
    let name = thread.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    let blocks = (!thread.blocked.is_empty()).then(|| format!("blocks {}", thread.blocked.join(", ")));
    let waits = (!thread.pending.is_empty()).then(|| format!("has {} pending", thread.pending.join(", ")));
    let what: Vec<_> = [blocks, waits].into_iter().flatten().collect();
    format!("thread {}{name} {}", thread.tid, what.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Frame;

    fn signal(number: u32, disposition: Disposition, handler: Option<Handler>) -> Signal {
        let signal = crate::analysis::signal_name(number);
        let (pending, handler_pending, blocked_by) = (false, None, Vec::new());
        Signal { signal, number, disposition, handler, pending, handler_pending, blocked_by }
    }

    #[test]
    fn says_what_runs_and_what_keeps_it() {
        let frame = Frame { function: "on_term".into(), file: "/srv/app.py".into(), line: Some(12) };
        let python = Handler { frame: Some(frame), ..Handler::default() };
        let built_in = Handler { name: Some("default_int_handler".into()), ..Handler::default() };
        let kind = Handler { kind: Some("Stop\u{202e}".into()), ..Handler::default() };
        let late = Signal { handler_pending: Some(true), ..signal(15, Disposition::Python, Some(python)) };
        let held = Signal { pending: true, blocked_by: vec![8], ..signal(17, Disposition::Default, None) };
        let process = ProcessSignals {
            pid: 7,
            title: "python app.py".into(),
            python: Some("3.12.1".into()),
            wakeup_fd: Some(5),
            signals: vec![
                signal(2, Disposition::Python, Some(built_in)),
                signal(10, Disposition::Python, Some(kind)),
                signal(13, Disposition::Ignored, None),
                late,
                held,
            ],
            threads: vec![ThreadSignals {
                tid: 8,
                name: Some("worker".into()),
                blocked: vec!["SIGCHLD".into()],
                pending: vec!["SIGUSR2".into()],
            }],
        };
        let signals = Signals { schema: Signals::SCHEMA, processes: vec![process] };
        assert_eq!(
            render(&signals, Style { color: false, width: 100, full: true }),
            "\
pid 7  python app.py  CPython 3.12.1

  signal   does            calls                           now
  SIGINT   Python handler  default_int_handler, built in
  SIGUSR1  Python handler  an object of type Stop\\u{202e}
  SIGPIPE  ignored         -
  SIGTERM  Python handler  /srv/app.py:12 on_term          arrived, handler not called yet
  SIGCHLD  default         -                               pending, blocked by thread 8
  each signal is also written to descriptor 5 (signal.set_wakeup_fd), for an event loop
  thread 8 worker blocks SIGCHLD; has SIGUSR2 pending
"
        );
    }
}
