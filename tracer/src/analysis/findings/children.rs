//! Children that nobody waited for, and children that were left alone.

use super::{Found, grouped, own, place, process};
use crate::report::text::units::duration;
use crate::report::{FindingKind, Frame, Name, Orphan, ParentEnd, Report, Severity, Zombie};

/// One sentence for the zombies of one parent that were spawned at one line.
pub fn zombies(report: &Report) -> Vec<Found> {
    let line = |zombie: &&Zombie| (zombie.ppid, zombie.reaped, own(zombie.spawned_at.as_ref()).cloned());
    let groups = grouped(&report.processes.zombies.rows, line);
    groups.iter().map(|group| zombie(report, group)).collect()
}

fn zombie(report: &Report, group: &[&Zombie]) -> Found {
    let first = group[0];
    let longest = group.iter().map(|zombie| zombie.zombie_ns).max().unwrap_or_default();
    let severity = if first.reaped { Severity::Info } else { Severity::Warn };
    let spawned = own(first.spawned_at.as_ref());
    let text = format!(
        "{} of {}{} stayed {} for {}, {}",
        children(group.len(), first.pid, &first.comm),
        process(report, first.ppid),
        spawned.map_or_else(String::new, |frame| format!(", spawned at {},", place(frame))),
        if group.len() == 1 { "a zombie" } else { "zombies" },
        at_most(group, longest),
        end(first),
    );
    Found::new(FindingKind::Zombie, severity, first.ppid, text)
        .costs(group.iter().map(|zombie| zombie.zombie_ns).sum())
        .at(spawned)
        .with("zombies", group.len() as u64)
        .with("zombie_ns", longest)
        .with("parent_doing", first.parent_doing.clone())
}

fn at_most(group: &[&Zombie], longest: u64) -> String {
    let is_bound = group.len() > 1 || group[0].end_is_upper_bound;
    if is_bound { format!("up to {}", duration(longest)) } else { duration(longest) }
}

fn end(zombie: &Zombie) -> String {
    let parent_is = own(zombie.parent_doing.as_ref()).filter(|_| !zombie.reaped);
    match parent_is {
        Some(frame) => format!("and nobody waits: the parent is at {}", place(frame)),
        None if zombie.reaped => "then the parent waited".into(),
        None => "and nobody waits".into(),
    }
}

/// One sentence for the children of one parent.
pub fn orphans(report: &Report) -> Vec<Found> {
    let groups = grouped(&report.processes.orphans.rows, |orphan| (orphan.old_ppid, orphan.new_ppid));
    groups.iter().map(|group| orphan(report, group)).collect()
}

fn orphan(report: &Report, group: &[&Orphan]) -> Found {
    let first = group[0];
    let how = match first.old_parent_ended {
        ParentEnd::Exit => "exited",
        ParentEnd::Signal => "was killed",
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
