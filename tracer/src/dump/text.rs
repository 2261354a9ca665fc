//! The dump as text: a block for each thread, innermost frame first.

use super::model::{Dump, DumpedThread, State, Status};
use crate::report::text::Style;
use crate::report::text::header::pid;
use crate::report::text::page::{Ink, Page};
use crate::report::text::place::{columns, fit_place, fit_text};
use crate::report::{Name, TargetProcess};
use crate::units::counted;

const INDENT: usize = 4;

/// The whole dump.
#[must_use]
pub fn render(dump: &Dump, style: Style) -> String {
    let mut page = Page::new(style);
    for (number, process) in dump.target.processes.rows.iter().enumerate() {
        if number > 0 {
            page.blank();
        }
        let threads: Vec<_> = dump.threads.iter().filter(|thread| thread.pid == process.pid).collect();
        write_process(&mut page, process, threads.len() as u64);
        threads.into_iter().for_each(|thread| write_thread(&mut page, thread));
    }
    page.into_string()
}

fn write_process(page: &mut Page, process: &TargetProcess, threads: u64) {
    let title = if process.title.is_empty() { &process.comm } else { &process.title };
    let python = process.python.as_ref().map_or_else(String::new, |version| format!("  CPython {version}"));
    let (pid, rest) = (format!("{}  ", pid(process)), format!("{python}, {}", counted(threads, "thread")));
    let room = page.width().saturating_sub(columns(&pid) + columns(&rest));
    let title = page.paint(Ink::Title, &fit_text(&title.to_string(), room));
    page.raw_line(&format!("{pid}{title}{rest}"));
}

fn write_thread(page: &mut Page, thread: &DumpedThread) {
    page.blank();
    let name = thread.name.as_ref().map_or_else(String::new, Name::to_string);
    let inside = thread.namespace_tid.map_or_else(String::new, |tid| format!(" ({tid} in its namespace)"));
    let lead = page.paint(Ink::Title, &format!("thread {}{inside} {name}", thread.tid));
    page.raw_line(&format!("{lead}  {}", page.paint(ink(thread), &doing(thread))));
    for frame in &thread.stack {
        page.line(Ink::Plain, INDENT, &fit_place(frame, page.width() - INDENT));
    }
    if let Some(note) = note(thread) {
        page.line(Ink::Faint, INDENT, note);
    }
}

fn ink(thread: &DumpedThread) -> Ink {
    match thread.state {
        State::Running | State::Runnable => Ink::Warn,
        _ if thread.holds_gil == Some(true) => Ink::Critical,
        _ => Ink::Plain,
    }
}

/// `sleeping in futex, waits for the GIL`
fn doing(thread: &DumpedThread) -> String {
    let mut doing = thread.state.word().to_owned();
    if let Some(syscall) = &thread.sleeps_in {
        doing += &format!(" in {syscall}");
    }
    if thread.waits_for.is_some() {
        doing += ", waits for the GIL";
    }
    if thread.holds_gil == Some(true) {
        doing += ", holds the GIL";
    }
    if let Some(task) = &thread.task {
        doing += &format!(", task {task}");
    }
    doing
}

fn note(thread: &DumpedThread) -> Option<&'static str> {
    match thread.status {
        Status::Ok => None,
        Status::NoPythonFrame if thread.state == State::Zombie => Some("it has ended"),
        Status::NoPythonFrame => Some("no Python code"),
        Status::Faulted => Some("and more that could not be read"),
        Status::Truncated => Some("and more; raise --depth"),
        Status::Torn => Some("the thread ran while it was read: these frames may not belong together"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Frame, Target};

    fn thread(tid: u32, state: State, status: Status) -> DumpedThread {
        let frame = |function: &str, line| Frame {
            function: function.into(),
            file: "/srv/shop/app.py".into(),
            line: Some(line),
        };
        DumpedThread {
            pid: 7,
            tid,
            namespace_tid: (tid == 8).then_some(2),
            name: Some("worker\u{202e}".into()),
            state,
            sleeps_in: None,
            waits_for: None,
            holds_gil: Some(false),
            task: None,
            stack: vec![frame("Cart.total", 41), frame("<module>", 90)],
            status,
        }
    }

    #[test]
    fn a_block_reads_like_a_sentence() {
        let process = TargetProcess {
            pid: 7,
            title: "python3 app.py".into(),
            python: Some("3.12.1".into()),
            ..TargetProcess::default()
        };
        let target = Target { pids: vec![7], processes: [process].into_iter().collect() };
        let waits = DumpedThread {
            sleeps_in: Some("futex".into()),
            waits_for: Some("gil"),
            ..thread(7, State::Sleeping, Status::Ok)
        };
        let holds = DumpedThread { holds_gil: Some(true), ..thread(8, State::Running, Status::Truncated) };
        let dump = Dump { schema: Dump::SCHEMA, target, threads: vec![waits, holds] };
        assert_eq!(
            render(&dump, Style { color: false, width: 60, full: true }),
            r"pid 7  python3 app.py  CPython 3.12.1, 2 threads

thread 7 worker\u{202e}  sleeping in futex, waits for the GIL
    /srv/shop/app.py:41 Cart.total
    /srv/shop/app.py:90 <module>

thread 8 (2 in its namespace) worker\u{202e}  running, holds the GIL
    /srv/shop/app.py:41 Cart.total
    /srv/shop/app.py:90 <module>
    and more; raise --depth
"
        );
    }
}
