//! Event loops that were kept from their descriptors.

use super::{Found, place, process};
use crate::report::{Cause, FindingKind, Loop, LoopBlock, Report, Severity};
use crate::units::{counted, duration};

/// Whoever waits for an answer notices.
const LONG_NS: u64 = 100_000_000;

/// What kept each loop for so long, once at least.
pub fn loops_blocked(report: &Report) -> Vec<Found> {
    let loops = report.loops.iter().flat_map(|loops| &loops.rows);
    let long = loops.flat_map(|row| row.by.rows.iter().map(move |by| (row, by)));
    long.filter(|(_, by)| by.max_ns >= LONG_NS).map(|(row, by)| blocked(report, row, by)).collect()
}

fn blocked(report: &Report, row: &Loop, by: &LoopBlock) -> Found {
    let at = by.frame.as_ref().map_or_else(String::new, |frame| format!(" at {}", place(frame)));
    let often = match by.count {
        1 => String::new(),
        count => format!(", {} in all {}", counted(count, "time"), duration(by.total_ns)),
    };
    let text = format!(
        "the event loop of {} was kept from its sockets for {} by {}{at}{}{often}{}",
        process(report, row.pid),
        duration(by.max_ns),
        reason(by),
        task(by),
        remedy(by)
    );
    let found = Found::new(FindingKind::LoopBlocked, Severity::Warn, row.pid, text);
    let found = found.costs(by.total_ns).at(by.frame.as_ref());
    let evidence = found.with("count", by.count).with("total_ns", by.total_ns).with("max_ns", by.max_ns);
    evidence.with("turns", row.turns).with("task", by.task.clone()).with("callback", by.callback.clone())
}

fn reason(by: &LoopBlock) -> String {
    let object = by.object.as_ref().map_or_else(String::new, |object| format!(" of {object}"));
    match by.cause {
        None if by.on_cpu => "what ran".to_owned(),
        None => "a turn that no sample saw".to_owned(),
        Some(Cause::Sleep) => "a sleep".to_owned(),
        Some(Cause::Gil) => "waiting for the GIL".to_owned(),
        Some(Cause::Lock) => "waiting for a lock".to_owned(),
        Some(Cause::Read) => format!("a read{object}"),
        Some(Cause::Write) => format!("a write{object}"),
        Some(Cause::Network) => format!("waiting for the network{object}"),
        Some(Cause::Disk | Cause::PageFault) => "waiting for the disk".to_owned(),
        Some(Cause::Wait) => "waiting for a child".to_owned(),
        Some(_) => "a system call".to_owned(),
    }
}

/// ` (task fetch-7)`, or ` (in fetch)` where the release does not tell.
fn task(by: &LoopBlock) -> String {
    let callback = by
        .callback
        .as_ref()
        .filter(|callback| by.frame.as_ref().is_none_or(|frame| frame.function != **callback));
    match (&by.task, callback) {
        (Some(task), _) => format!(" (task {task})"),
        (None, Some(callback)) => format!(" (called from {callback})"),
        (None, None) => String::new(),
    }
}

fn remedy(by: &LoopBlock) -> &'static str {
    match by.cause {
        None if by.on_cpu => "; in another process it would not",
        Some(Cause::Sleep) => "; await asyncio.sleep() instead",
        Some(Cause::Gil) => "; the threads that held it ran meanwhile",
        Some(
            Cause::Lock
            | Cause::Read
            | Cause::Write
            | Cause::Network
            | Cause::Disk
            | Cause::PageFault
            | Cause::Wait,
        ) => "; in a thread (run_in_executor) it would not",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Bounded, Frame, Process};

    const MILLISECOND: u64 = 1_000_000;

    fn told(by: LoopBlock) -> Vec<String> {
        let mut report = Report::default();
        let app = Process { pid: 7, comm: "app".into(), ..Process::default() };
        report.target.processes = vec![app].into();
        let (turns, busy_ns, max_busy_ns) = (9, by.total_ns, by.max_ns);
        let row = Loop { pid: 7, tid: 7, turns, busy_ns, max_busy_ns, by: vec![by].into() };
        report.loops = Some(Bounded::from(vec![row]));
        loops_blocked(&report).into_iter().map(|found| found.finding.text.to_string()).collect()
    }

    fn sleep() -> LoopBlock {
        LoopBlock {
            callback: Some("fetch".into()),
            frame: Some(Frame { function: "fetch".into(), file: "app.py".into(), line: Some(30) }),
            cause: Some(Cause::Sleep),
            count: 14,
            total_ns: 2_100 * MILLISECOND,
            max_ns: 312 * MILLISECOND,
            ..LoopBlock::default()
        }
    }

    #[test]
    fn what_kept_the_loop_is_told_with_what_would_not() {
        let kept = "the event loop of pid 7 (app) was kept from its sockets for 312 ms by";
        let often = ", 14 times in all 2.10 s";
        let named = || Some("job-3".into());
        for (name, by, expected) in [
            (
                "a sleep",
                sleep(),
                format!("{kept} a sleep at app.py:30 in fetch{often}; await asyncio.sleep() instead"),
            ),
            (
                "in a task",
                LoopBlock { task: named(), count: 1, ..sleep() },
                format!("{kept} a sleep at app.py:30 in fetch (task job-3); await asyncio.sleep() instead"),
            ),
            (
                "on the CPU",
                LoopBlock { on_cpu: true, cause: None, callback: Some("serve".into()), ..sleep() },
                format!(
                    "{kept} what ran at app.py:30 in fetch (called from serve){often}; in another process it would not"
                ),
            ),
            (
                "a read",
                LoopBlock { cause: Some(Cause::Read), object: Some("/data".into()), ..sleep() },
                format!(
                    "{kept} a read of /data at app.py:30 in fetch{often}; in a thread (run_in_executor) it would not"
                ),
            ),
        ] {
            assert_eq!(told(by), [expected], "{name}");
        }
    }

    #[test]
    fn short_turns_are_not_told() {
        assert_eq!(told(LoopBlock { max_ns: 99 * MILLISECOND, ..sleep() }), Vec::<String>::new());
    }
}
