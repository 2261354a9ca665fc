//! Children that were not waited for, and children that were left alone.

use super::whose::Whose;
use super::{RankedFinding, grouped, own, place, process};
use crate::report::{
    Ended, FindingKind, Frame, Name, Notice, Orphan, ParentEnd, Programs, Report, Severity, Zombie,
};
use crate::units::duration;

/// A parent that waits for a child at once leaves it a zombie for less.
const WORTH_A_FINDING_NS: u64 = 1_000_000_000;

/// One sentence for the zombies of one program that were started at one line.
pub fn zombies(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let end = |zombie: &Zombie| (zombie.reaped, zombie.parent_ended);
    let line = |zombie: &&Zombie| {
        // Why it was not waited for matters as long as it was not.
        let notice = zombie.sigchld.filter(|_| end(zombie) == (false, false));
        (programs.first(zombie.ppid), end(zombie), notice, own(zombie.spawned_at.as_ref()).cloned())
    };
    let rows = report.processes.zombies.rows.iter();
    // Of one that is young at the end it is not known whether its parent waits at its next event; unless it is what the
    // trace was to end with.
    let is_awaited = report.window.ended == Ended::Until;
    let long = rows.filter(|zombie| zombie.zombie_ns >= worth_a_finding(report) || is_awaited);
    grouped(long, line).iter().map(|group| zombie(report, group)).collect()
}

/// A second, or a tenth of a shorter window.
fn worth_a_finding(report: &Report) -> u64 {
    WORTH_A_FINDING_NS.min(report.window.duration_ns / 10)
}

fn zombie(report: &Report, group: &[&Zombie]) -> RankedFinding {
    let first = group[0];
    let whose = Whose::new(group.iter().map(|zombie| (zombie.ppid, 1)));
    let longest = group.iter().map(|zombie| zombie.zombie_ns).max().unwrap_or_default();
    let severity = if first.reaped || first.parent_ended { Severity::Info } else { Severity::Warn };
    let started = own(first.spawned_at.as_ref());
    let one = group.len() == 1;
    let text = format!(
        "{} of {}{} {} {} for {}{}",
        children(group.len(), first.pid, &first.comm),
        whose.text(report),
        started.map_or_else(String::new, |frame| format!(", started at {},", place(frame))),
        if one { "was" } else { "were" },
        if one { "a zombie" } else { "zombies" },
        lasted(report, group, longest),
        end(first, &whose),
    );
    RankedFinding::new(FindingKind::Zombie, severity, first.ppid, text)
        .costs(group.iter().map(|zombie| zombie.zombie_ns).sum())
        .at(started)
        .whose(&whose)
        .with("zombies", group.len() as u64)
        .with("zombie_ns", longest)
        .with("sigchld", first.sigchld.map(|notice| notice.as_str()))
        .with("parent_doing", first.parent_doing.clone())
}

/// How long; more than that where it was one before the trace.
fn lasted(report: &Report, group: &[&Zombie], longest: u64) -> String {
    let first = group[0];
    if first.exited_at_ns.is_none() && longest == report.window.duration_ns {
        return format!("all {} of the trace, and before", duration(longest));
    }
    let is_bound = group.len() > 1 || group[0].end_is_upper_bound;
    if is_bound { format!("up to {}", duration(longest)) } else { duration(longest) }
}

fn end(zombie: &Zombie, whose: &Whose) -> String {
    let parent = whose.verb("the parent", "each parent");
    if zombie.reaped {
        return format!(", until {parent} waited");
    }
    if zombie.parent_ended {
        return format!(", until {parent} ended");
    }
    let doing =
        own(zombie.parent_doing.as_ref()).map_or_else(String::new, |frame| format!(" (at {})", place(frame)));
    format!("; {parent}{doing} has not waited: {}", advice(zombie))
}

/// What would end it.
fn advice(zombie: &Zombie) -> &'static str {
    match zombie.sigchld {
        Some(Notice::Python | Notice::C) => "its SIGCHLD handler does not call wait()",
        Some(Notice::Coalesced) => {
            "one SIGCHLD may stand for several children: let its handler call waitpid(-1, WNOHANG) until none is left"
        }
        Some(Notice::Blocked) => "SIGCHLD is blocked there: unblock it, or call wait()",
        Some(Notice::Ignored | Notice::Pending) | None => "call wait() or poll() on the child",
    }
}

/// One sentence for the children of one parent.
pub fn orphans(report: &Report) -> Vec<RankedFinding> {
    let left = |orphan: &&Orphan| {
        !is_left_by_a_kill(report, orphan) && !ended_at_once(report, orphan) && !is_helper(report, orphan)
    };
    let orphans = report.processes.orphans.rows.iter().filter(left);
    let groups = grouped(orphans, |orphan| (orphan.old_ppid, orphan.new_ppid));
    groups.iter().map(|group| orphan(report, group)).collect()
}

/// Whether the sentence about the signal that left it behind names it, too.
fn is_left_by_a_kill(report: &Report, orphan: &Orphan) -> bool {
    let kills = &report.processes.kills.rows;
    kills.iter().any(|kill| kill.left.iter().any(|left| left.pid == orphan.pid))
}

/// Whether it ended right after its parent: both were to end.
fn ended_at_once(report: &Report, orphan: &Orphan) -> bool {
    const AT_ONCE: u64 = 100_000_000;
    let ended = |pid| {
        let rows = report.target.processes.rows.iter();
        rows.filter(|row| row.pid == pid).filter_map(|row| row.ended_at_ns).max()
    };
    let (own, parents) = (ended(orphan.pid), ended(orphan.old_ppid));
    own.zip(parents).is_some_and(|(own, parents)| own <= parents + AT_ONCE)
}

/// Whether it is one of those processes of `multiprocessing`, or of joblib's copy of it, that end by themselves once no
/// process is left to write to them: after the trace, if the end of their parent ended that.
/// <https://github.com/python/cpython/blob/v3.12.1/Lib/multiprocessing/resource_tracker.py#L131>
fn is_helper(report: &Report, orphan: &Orphan) -> bool {
    const HELPERS: [&str; 2] =
        ["resource_tracker import main", "from multiprocessing.forkserver import main"];
    let rows = report.target.processes.rows.iter();
    rows.filter(|row| row.pid == orphan.pid).any(|row| {
        let title = row.title.to_string();
        HELPERS.iter().any(|helper| title.contains(helper))
    })
}

fn orphan(report: &Report, group: &[&Orphan]) -> RankedFinding {
    let first = group[0];
    let how = match (first.old_parent_ended, &first.old_parent_signal) {
        (ParentEnd::Exit, _) => "exited".into(),
        (ParentEnd::Signal, None) => "was killed".into(),
        (ParentEnd::Signal, Some(signal)) => format!("was killed by {signal}"),
    };
    let text = format!(
        "{} {how} while its {} still running; the parent is now pid {}: end children first, or signal the whole \
         process group",
        process(report, first.old_ppid),
        children(group.len(), first.pid, &first.comm) + if group.len() == 1 { " was" } else { " were" },
        first.new_ppid
    );
    RankedFinding::new(FindingKind::Orphan, Severity::Warn, first.old_ppid, text)
        .at(spawned_at(report, first.pid))
        .with("orphans", group.len() as u64)
        .with("old_parent_ended", first.old_parent_ended.as_str())
}

/// `child 8 (sleep)`, `2 children`
fn children(count: usize, pid: u32, comm: &Name) -> String {
    if count == 1 { format!("child {pid} ({comm})") } else { format!("{count} children") }
}

fn spawned_at(report: &Report, pid: u32) -> Option<&Frame> {
    let process = report.target.processes.rows.iter().find(|process| process.pid == pid)?;
    own(process.started_by.as_ref())
}
