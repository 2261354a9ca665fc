//! Which processes a signal reached, and which children it left running.

use super::ends::is_traced;
use super::{RankedFinding, at, grouped, own, process, when};
use crate::report::{FindingKind, Kill, KillAim, KillEnd, KillLeft, KillReached, Report, Severity};

/// Processes that a sentence names; of more it has the number.
const NAMED: usize = 5;

/// One sentence for the calls of one line that were for groups, or that left children behind, and came to the same.
pub fn groups(report: &Report) -> Vec<RankedFinding> {
    let kills = report.processes.kills.rows.iter().filter(|kill| kill.ended_count > 0 || kill.left_count > 0);
    let kills = kills.filter_map(|kill| Some((kill, leader(kill)?)));
    let alike = |(kill, first): &(&Kill, &KillReached)| {
        let sender = kill.sender.as_ref().map(|sender| sender.pid);
        let line = own(kill.sender_stack.as_ref()).cloned();
        let all_ended = kill.ended_count == kill.reached_count;
        (kill.number, kill.aim, sender, line, kill.left_count > 0, all_ended, leads(kill, first))
    };
    grouped(kills, alike).iter().map(|alike| again(group(report, alike[0].0, alike[0].1), alike)).collect()
}

/// Says how often the same was done.
fn again(mut found: RankedFinding, alike: &[(&Kill, &KillReached)]) -> RankedFinding {
    let times = |of: fn(u64, u64) -> u64| alike.iter().map(|(kill, _)| kill.at_ns).reduce(of).unwrap_or(0);
    let (count, first, last) = (alike.len() as u64, times(u64::min), times(u64::max));
    if count > 1 {
        found.finding.text =
            format!("{} ({count} such calls, {})", found.finding.text, when([first, last])).into();
    }
    found.with("count", count).with("last_at_ns", last)
}

fn group(report: &Report, kill: &Kill, first: &KillReached) -> RankedFinding {
    let text = match kill.aim {
        KillAim::Process => format!(
            "{} {} reached only {}: {}; {}",
            kill.signal,
            from(kill),
            process(report, first.pid),
            outlived(kill, "its child", "its children"),
            advice(kill, first)
        ),
        KillAim::Group | KillAim::All => {
            let parts = [reached(kill), outcome(kill), not_reached(kill)];
            format!(
                "{} {} {}",
                kill.signal,
                from(kill),
                parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
            )
        }
    };
    let severity = severity(report, kill);
    RankedFinding::new(FindingKind::SignalKill, severity, first.pid, text)
        .leads_by(kill.at_ns)
        .at(own(kill.sender_stack.as_ref()))
        .with("signal", kill.signal.as_str())
        .with("aim", kill.aim.as_str())
        .with("at_ns", kill.at_ns)
        .with("pgid", kill.pgid.map(u64::from))
        .with("reached", kill.reached_count)
        .with("left", kill.left_count)
        .with("sender_pid", kill.sender.as_ref().and_then(|sender| sender.pid).map(u64::from))
}

/// The process that it was for, or that leads those.
fn leader(kill: &Kill) -> Option<&KillReached> {
    kill.reached.iter().find(|reached| Some(reached.pid) == kill.pgid).or(kill.reached.first())
}

/// `from pid 1 (systemd, uid 0)`
fn from(kill: &Kill) -> String {
    match &kill.sender {
        Some(sender) => {
            let line = at(kill.sender_stack.as_ref());
            format!("from {} ({}, uid {}){line}", sender.process(), sender.comm, sender.uid)
        }
        None if kill.aim == KillAim::Group => "from the terminal".into(),
        None => "from the kernel".into(),
    }
}

/// `to process group 830 reached 4 processes: 830 (app), 831 (worker), …`
fn reached(kill: &Kill) -> Option<String> {
    let to = match (kill.aim, kill.pgid) {
        (KillAim::Group, Some(pgid)) => format!("to process group {pgid}"),
        (KillAim::Group, None) => "to a process group".into(),
        _ => "to all processes".into(),
    };
    let names = kill.reached.iter().map(|reached| (reached.pid, &reached.comm));
    let plural = if kill.reached_count == 1 { "process" } else { "processes" };
    Some(format!("{to} reached {} {plural}: {}", kill.reached_count, named(names, kill.reached_count)))
}

/// What became of those that it reached.
fn outcome(kill: &Kill) -> Option<String> {
    let count = kill.reached_count - kill.ended_count;
    if count == 0 {
        return Some(if kill.reached_count == 1 { "it ended" } else { "all of them ended" }.into());
    }
    let others: Vec<_> = kill.reached.iter().filter(|reached| !reached.by_it).collect();
    let live = match count {
        _ if others.iter().any(|other| other.end != KillEnd::Lives) => "did not end because of it",
        1 => "is still running",
        _ => "are still running",
    };
    let names = others.into_iter().map(|reached| (reached.pid, &reached.comm));
    Some(format!("{} {live}", named(names, count)))
}

fn not_reached(kill: &Kill) -> Option<String> {
    let first = kill.left.first()?;
    let elsewhere = match first.pgid {
        Some(pgid) if kill.left_count == 1 => format!("is in process group {pgid}"),
        _ if kill.left_count == 1 => "is in another group".into(),
        _ => "are in other groups".into(),
    };
    Some(format!("{}: not reached, since {} {elsewhere}", outlived(kill, "child", "children"), it(kill)))
}

/// `its children 831 (worker), 832 (worker) outlived it`
fn outlived(kill: &Kill, one: &str, many: &str) -> String {
    let names = named(kill.left.iter().map(|left| (left.pid, &left.comm)), kill.left_count);
    format!("{} {names} outlived it", if kill.left_count == 1 { one } else { many })
}

/// Whether it leads the group.
fn leads(kill: &Kill, first: &KillReached) -> bool {
    kill.pgid == Some(first.pid)
}

/// How to reach them all.
fn advice(kill: &Kill, first: &KillReached) -> String {
    let is_member = |left: &KillLeft| left.pgid.is_none_or(|pgid| Some(pgid) == kill.pgid);
    match kill.left.iter().all(is_member) {
        true if leads(kill, first) => format!("os.killpg({}, …) reaches its whole group", first.pid),
        true => {
            "start it with start_new_session=True and end it with os.killpg, which reaches them too".into()
        }
        false => format!("{} another process group: signal {} separately", is_in(kill), them(kill)),
    }
}

fn is_in(kill: &Kill) -> &'static str {
    if kill.left_count == 1 { "it is in" } else { "they are in" }
}

fn them(kill: &Kill) -> &'static str {
    if kill.left_count == 1 { "it" } else { "them" }
}

fn it(kill: &Kill) -> &'static str {
    if kill.left_count == 1 { "it" } else { "they" }
}

/// `831 (worker), 832 (worker) and 3 more`
fn named<'a>(names: impl Iterator<Item = (u32, &'a crate::report::Name)>, count: u64) -> String {
    let names: Vec<_> = names.take(NAMED).map(|(pid, comm)| format!("{pid} ({comm})")).collect();
    let more = count.saturating_sub(names.len() as u64);
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

/// Processes that are left are worth a finding; a process that ends its own children means to.
fn severity(report: &Report, kill: &Kill) -> Severity {
    let own = kill.sender.as_ref().is_some_and(|sender| is_traced(report, sender.pid));
    match kill.left_count {
        0 if own => Severity::Info,
        _ if own => Severity::Warn,
        _ => Severity::Critical,
    }
}
