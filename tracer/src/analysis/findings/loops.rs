//! Event loops that were blocked.

use super::cpus::is_short;
use super::whose::Whose;
use super::{RankedFinding, grouped, place};
use crate::report::{Cause, FindingKind, Frame, Loop, LoopBlock, Programs, Report, Severity};
use crate::units::{counted, duration};

/// A person who waits for an answer notices.
const LONG_NS: u64 = 100_000_000;

/// What blocked loops for so long, once at least.
pub fn loops_blocked(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let loops = report.loops.iter().flat_map(|loops| &loops.rows);
    let all = loops.flat_map(|row| row.by.rows.iter().map(move |by| (row, by)));
    let long = all.filter(|(_, by)| by.max_ns >= LONG_NS);
    let alike = |(row, by): &(&Loop, &LoopBlock)| {
        (programs.first(row.pid), by.frame.clone(), by.callback.clone(), by.cause, by.on_cpu)
    };
    grouped(long, alike).iter().map(|rows| blocked(report, rows)).collect()
}

fn blocked(report: &Report, rows: &[(&Loop, &LoopBlock)]) -> RankedFinding {
    let whose = Whose::new(rows.iter().map(|(row, by)| (row.pid, by.total_ns)));
    let by = rows.iter().map(|(_, by)| by).max_by_key(|by| by.max_ns).expect("a group has a row");
    let count: u64 = rows.iter().map(|(_, by)| by.count).sum();
    let at = by.frame.as_ref().map_or_else(String::new, |frame| format!(" at {}", place(frame)));
    let often = match count {
        1 => String::new(),
        count => format!(", {} in all, {}", duration(whose.cost()), counted(count, "time")),
    };
    let text = format!(
        "the event {} of {} {} blocked for {}{} by {}{at}{}{often}{}{}",
        whose.verb("loop", "loops"),
        whose.text(report),
        whose.verb("was", "were"),
        if count > 1 { "up to " } else { "" },
        duration(by.max_ns),
        reason(by),
        task(by),
        whose.outliers(report, duration),
        remedy(report, by)
    );
    let found = RankedFinding::new(FindingKind::LoopBlocked, Severity::Warn, whose.pid(), text).whose(&whose);
    let found = found.costs(whose.cost()).at(by.frame.as_ref());
    let evidence = found.with("count", count).with("total_ns", whose.cost()).with("max_ns", by.max_ns);
    let turns: u64 = rows.iter().map(|(row, _)| row.turns).sum();
    evidence.with("turns", turns).with("task", by.task.clone()).with("callback", by.callback.clone())
}

fn reason(by: &LoopBlock) -> String {
    let object = by.object.as_ref().map_or_else(String::new, |object| format!(" of {object}"));
    match by.cause {
        None if by.on_cpu => "Python code".to_owned(),
        None => "something that no sample shows".to_owned(),
        Some(Cause::Preempted) => "waiting for a CPU".to_owned(),
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

/// ` (task fetch-7)`, or ` (in fetch)` where the release does not say.
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

fn remedy(report: &Report, by: &LoopBlock) -> &'static str {
    match by.cause {
        None if by.on_cpu && is_short(report) => "; threads waited longer for a CPU than they ran",
        None if by.on_cpu && by.frame.is_none() => "",
        None if by.on_cpu => "; move it to a process pool",
        Some(Cause::Preempted) => "; the CPUs are busy, or a CPU limit applies",
        Some(Cause::Sleep) if is_twisted(by) => "; use reactor.callLater() instead",
        Some(Cause::Sleep) => "; await asyncio.sleep() instead",
        Some(Cause::Gil) => "; other threads held it meanwhile: see GIL",
        Some(
            Cause::Lock
            | Cause::Read
            | Cause::Write
            | Cause::Network
            | Cause::Disk
            | Cause::PageFault
            | Cause::Wait,
        ) => match is_twisted(by) {
            true => "; run it in a thread (twisted.internet.threads.deferToThread)",
            false => "; run it in a thread (asyncio.to_thread, run_in_executor)",
        },
        _ => "",
    }
}

/// Whether Twisted's own reactor runs the loop, which has other means than asyncio.
fn is_twisted(by: &LoopBlock) -> bool {
    let is_its = |frame: &Frame| frame.file.as_bytes().ends_with(b"twisted/internet/base.py");
    by.stack.iter().flatten().any(is_its)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Bounded, TargetProcess};

    const MILLISECOND: u64 = 1_000_000;

    fn reported(by: LoopBlock) -> Vec<String> {
        let mut report = Report::default();
        let app = TargetProcess { pid: 7, comm: "app".into(), ..TargetProcess::default() };
        report.target.processes = vec![app].into();
        let (turns, busy_ns, max_busy_ns) = (9, by.total_ns, by.max_ns);
        let row = Loop { pid: 7, tid: 7, turns, busy_ns, max_busy_ns, by: vec![by].into() };
        report.loops = Some(Bounded::from(vec![row]));
        loops_blocked(&report, &Programs::new(&report))
            .into_iter()
            .map(|found| found.finding.text.to_string())
            .collect()
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
    fn what_blocked_the_loop_is_reported_with_a_remedy() {
        let kept = "the event loop of pid 7 (app) was blocked for up to 312 ms by";
        let often = ", 2.10 s in all, 14 times";
        let once = kept.replace("up to ", "");
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
                format!("{once} a sleep at app.py:30 in fetch (task job-3); await asyncio.sleep() instead"),
            ),
            (
                "on the CPU",
                LoopBlock { on_cpu: true, cause: None, callback: Some("serve".into()), ..sleep() },
                format!(
                    "{kept} Python code at app.py:30 in fetch (called from serve){often}; move it to a process pool"
                ),
            ),
            (
                "in Twisted",
                LoopBlock {
                    stack: Some(vec![Frame {
                        file: "/srv/twisted/internet/base.py".into(),
                        ..Frame::default()
                    }]),
                    ..sleep()
                },
                format!("{kept} a sleep at app.py:30 in fetch{often}; use reactor.callLater() instead"),
            ),
            (
                "without a CPU",
                LoopBlock { cause: Some(Cause::Preempted), callback: None, frame: None, ..sleep() },
                format!("{kept} waiting for a CPU{often}; the CPUs are busy, or a CPU limit applies"),
            ),
            (
                "a read",
                LoopBlock { cause: Some(Cause::Read), object: Some("/data".into()), ..sleep() },
                format!(
                    "{kept} a read of /data at app.py:30 in fetch{often}; run it in a thread (asyncio.to_thread, \
                     run_in_executor)"
                ),
            ),
        ] {
            assert_eq!(reported(by), [expected], "{name}");
        }
    }

    #[test]
    fn short_turns_are_not_reported() {
        assert_eq!(reported(LoopBlock { max_ns: 99 * MILLISECOND, ..sleep() }), Vec::<String>::new());
    }
}
