//! Which processes there were, and which children were left behind.

use super::Section;
use crate::report::html::table::{Cell, Setting::*, Table, TableRow, frames};
use crate::report::text::processes::end as zombie_end;
use crate::report::text::tree::end;
use crate::report::{Kill, Orphan, ParentEnd, Report, TargetProcess, Zombie};
use crate::units::count;

const HINT: &str =
    "A zombie has ended, and its parent has not waited for it. An orphan has outlived its parent.";

pub fn section(report: &Report, most: usize) -> Section<'_> {
    let of = &report.processes;
    let [forked, execed, exited, reaped] = [of.forked, of.execed, of.exited, of.reaped].map(count);
    Section::new(
        "processes",
        "Processes",
        format!("{forked} forked, {execed} execed, {exited} exited, {reaped} reaped"),
    )
    .hint(HINT)
    .tables([traced(report, most), zombies(report, most), orphans(report, most), kills(report, most)])
}

fn traced(report: &Report, most: usize) -> Table<'_> {
    Table::from_rows(
        ("traced", "Traced"),
        &[
            ("pid", Figure),
            ("parent", Figure),
            ("command", Word),
            ("Python", Word),
            ("started", Figure),
            ("ended", Figure),
            ("how", Word),
            ("reaped by", Figure),
            ("started at", Word),
        ],
        (&report.target.processes, most),
        process,
        |_| (0..8).map(|_| Cell::none()).collect(),
    )
}

fn process(row: &TargetProcess) -> TableRow<'_> {
    let title = if row.title.is_empty() { &row.comm } else { &row.title };
    let started = row.started_by.clone().or_else(|| row.started_at.clone().map(|line| vec![line]));
    TableRow {
        cells: vec![
            Cell::id(row.pid),
            Cell::id(row.ppid),
            Cell::word(title),
            Cell::maybe(row.python.as_ref()),
            Cell::known(row.at_ns, Cell::duration),
            Cell::known(row.ended_at_ns, Cell::duration),
            Cell::word(end(row)),
            row.reaped_by.map_or(Cell::Unknown, Cell::id),
            Cell::stack(started.as_ref(), ended_in(row)),
        ],
        pids: vec![row.pid],
        frames: frames(row.started_by.as_ref()),
        at_ns: row.ended_at_ns,
        ..TableRow::default()
    }
}

fn ended_in(row: &TargetProcess) -> Vec<String> {
    let Some(ended) = &row.ended_in else { return Vec::new() };
    let call = ended.syscall.iter().map(|call| format!("it ended in {call}"));
    let line = ended.stack.iter().filter_map(|stack| stack.first());
    call.chain(line.map(|frame| format!("it ended at {}", crate::report::text::place::place(frame))))
        .collect()
}

fn zombies(report: &Report, most: usize) -> Table<'_> {
    Table::from_rows(
        ("zombies", "Zombies"),
        &[
            ("pid", Figure),
            ("parent", Figure),
            ("name", Word),
            ("ended", Figure),
            ("how", Word),
            ("zombie for", Figure),
            ("now", Word),
            ("SIGCHLD", Word),
            ("started at", Word),
        ],
        (&report.processes.zombies, most),
        zombie,
        |totals| {
            let none = |cells: usize| (0..cells).map(|_| Cell::none());
            none(4).chain([Cell::duration(totals.zombie_ns)]).chain(none(3)).collect()
        },
    )
}

fn zombie(row: &Zombie) -> TableRow<'_> {
    let doing = row.parent_doing.as_ref().and_then(|stack| stack.first());
    let doing = doing
        .map(|frame| format!("meanwhile the parent was at {}", crate::report::text::place::place(frame)));
    let bound = row.end_is_upper_bound.then(|| "waited for at some moment in this time".to_owned());
    TableRow {
        cells: vec![
            Cell::id(row.pid),
            Cell::id(row.ppid),
            Cell::word(&row.comm),
            Cell::known(row.exited_at_ns, Cell::duration),
            Cell::word(zombie_end(row)),
            Cell::duration(row.zombie_ns),
            Cell::word(match (row.reaped, row.parent_ended) {
                (true, _) => "reaped",
                (false, true) => "parent ended",
                (false, false) => "zombie",
            }),
            Cell::maybe(row.sigchld),
            Cell::stack(row.spawned_at.as_ref(), doing.into_iter().chain(bound).collect()),
        ],
        pids: vec![row.ppid, row.pid],
        frames: frames(row.spawned_at.as_ref()),
        ..TableRow::default()
    }
}

fn orphans(report: &Report, most: usize) -> Table<'_> {
    Table::from_rows(
        ("orphans", "Orphans"),
        &[("pid", Figure), ("name", Word), ("parent was", Figure), ("it", Word), ("parent now", Figure)],
        (&report.processes.orphans, most),
        |row: &Orphan| TableRow {
            cells: vec![
                Cell::id(row.pid),
                Cell::word(&row.comm),
                Cell::id(row.old_ppid),
                Cell::word(match (row.old_parent_ended, &row.old_parent_signal) {
                    (ParentEnd::Exit, _) => "exited".to_owned(),
                    (ParentEnd::Signal, None) => "was killed by a signal".to_owned(),
                    (ParentEnd::Signal, Some(signal)) => format!("was killed by {signal}"),
                }),
                Cell::id(row.new_ppid),
            ],
            pids: vec![row.old_ppid, row.pid],
            ..TableRow::default()
        },
        |_| (0..4).map(|_| Cell::none()).collect(),
    )
}

fn kills(report: &Report, most: usize) -> Table<'_> {
    Table::from_rows(
        ("kills", "Signals to end processes"),
        &[
            ("at", Figure),
            ("signal", Word),
            ("from", Word),
            ("for", Word),
            ("reached", Figure),
            ("ended", Figure),
            ("left", Figure),
            ("sent at", Word),
        ],
        (&report.processes.kills, most),
        kill,
        |_| (0..7).map(|_| Cell::none()).collect(),
    )
}

fn kill(row: &Kill) -> TableRow<'_> {
    let sender = row.sender.as_ref();
    let group = row.pgid.map_or_else(String::new, |group| format!(" (group {group})"));
    let left = row.left.iter().map(|left| format!("left behind: {} {}", left.pid, left.comm));
    TableRow {
        cells: vec![
            Cell::duration(row.at_ns),
            Cell::word(&row.signal),
            Cell::maybe(sender.map(|sender| format!("{} {}", sender.process(), sender.comm))),
            Cell::word(format!("{}{group}", row.aim)),
            Cell::count(row.reached_count),
            Cell::count(row.ended_count),
            Cell::count(row.left_count),
            Cell::stack(row.sender_stack.as_ref(), left.collect()),
        ],
        pids: row
            .reached
            .iter()
            .map(|reached| reached.pid)
            .chain(sender.and_then(|sender| sender.pid))
            .collect(),
        frames: frames(row.sender_stack.as_ref()),
        at_ns: Some(row.at_ns),
        about: row.signal.clone(),
    }
}
