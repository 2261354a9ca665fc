//! Children that nobody waited for, and children that were left alone.

use super::{Found, grouped, own, place, process};
use crate::report::{FindingKind, Frame, Name, Notice, Orphan, ParentEnd, Report, Severity, Zombie};
use crate::units::duration;

/// One sentence for the zombies of one parent that were spawned at one line.
pub fn zombies(report: &Report) -> Vec<Found> {
    let end = |zombie: &Zombie| (zombie.reaped, zombie.parent_ended);
    let line = |zombie: &&Zombie| {
        (zombie.ppid, end(zombie), zombie.sigchld, own(zombie.spawned_at.as_ref()).cloned())
    };
    let groups = grouped(&report.processes.zombies.rows, line);
    groups.iter().map(|group| zombie(report, group)).collect()
}

fn zombie(report: &Report, group: &[&Zombie]) -> Found {
    let first = group[0];
    let longest = group.iter().map(|zombie| zombie.zombie_ns).max().unwrap_or_default();
    let severity = if first.reaped || first.parent_ended { Severity::Info } else { Severity::Warn };
    let spawned = own(first.spawned_at.as_ref());
    let text = format!(
        "{} of {}{} stayed {} for {}, {}",
        children(group.len(), first.pid, &first.comm),
        process(report, first.ppid),
        spawned.map_or_else(String::new, |frame| format!(", spawned at {},", place(frame))),
        if group.len() == 1 { "a zombie" } else { "zombies" },
        lasted(report, group, longest),
        end(first),
    );
    Found::new(FindingKind::Zombie, severity, first.ppid, text)
        .costs(group.iter().map(|zombie| zombie.zombie_ns).sum())
        .at(spawned)
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

fn end(zombie: &Zombie) -> String {
    let waits = !zombie.reaped && !zombie.parent_ended;
    let parent_is = own(zombie.parent_doing.as_ref()).filter(|_| waits);
    match parent_is {
        Some(frame) => format!("and nobody waits: the parent is at {}{}", place(frame), advice(zombie)),
        None if zombie.reaped => "then the parent waited".into(),
        None if zombie.parent_ended => "until the parent itself ended".into(),
        None => format!("and nobody waits{}", advice(zombie)),
    }
}

/// What would end it.
fn advice(zombie: &Zombie) -> &'static str {
    match zombie.sigchld {
        Some(Notice::Python | Notice::C) => "; its SIGCHLD handler does not wait for it",
        Some(Notice::Coalesced) => {
            "; one SIGCHLD may stand for several children: its handler must call waitpid(-1, WNOHANG) until none is left"
        }
        Some(Notice::Blocked) => "; SIGCHLD is blocked there",
        Some(Notice::Ignored | Notice::Pending) | None => "; call wait() or poll() on it, or handle SIGCHLD",
    }
}

/// One sentence for the children of one parent.
pub fn orphans(report: &Report) -> Vec<Found> {
    let left = |orphan: &&Orphan| !is_left_by_a_kill(report, orphan) && !ended_at_once(report, orphan);
    let orphans = report.processes.orphans.rows.iter().filter(left);
    let groups = grouped(orphans, |orphan| (orphan.old_ppid, orphan.new_ppid));
    groups.iter().map(|group| orphan(report, group)).collect()
}

/// Whether the sentence about the signal that left it behind tells of it.
fn is_left_by_a_kill(report: &Report, orphan: &Orphan) -> bool {
    let kills = &report.processes.kills.rows;
    kills.iter().any(|kill| kill.left.iter().any(|left| left.pid == orphan.pid))
}

/// Whether it hardly outlived its parent: both were told to end.
fn ended_at_once(report: &Report, orphan: &Orphan) -> bool {
    const AT_ONCE: u64 = 100_000_000;
    let ended = |pid| {
        let rows = report.target.processes.rows.iter();
        rows.filter(|row| row.pid == pid).filter_map(|row| row.ended_at_ns).max()
    };
    let (own, parents) = (ended(orphan.pid), ended(orphan.old_ppid));
    own.zip(parents).is_some_and(|(own, parents)| own <= parents + AT_ONCE)
}

fn orphan(report: &Report, group: &[&Orphan]) -> Found {
    let first = group[0];
    let how = match (first.old_parent_ended, &first.old_parent_signal) {
        (ParentEnd::Exit, _) => "exited".into(),
        (ParentEnd::Signal, None) => "was killed".into(),
        (ParentEnd::Signal, Some(signal)) => format!("was killed by {signal}"),
    };
    let text = format!(
        "{} {how} and left {} behind, adopted by pid {}",
        process(report, first.old_ppid),
        children(group.len(), first.pid, &first.comm),
        first.new_ppid
    );
    Found::new(FindingKind::Orphan, Severity::Warn, first.old_ppid, text)
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
