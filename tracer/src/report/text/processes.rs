//! Children that came and went, and those that were left behind.

use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use super::{and_more, tree};
use crate::report::{Bounded, Orphan, ParentEnd, Report, Zombie};
use crate::units::{count, duration};

const ZOMBIES_SHOWN: usize = 4;
const ORPHANS_SHOWN: usize = 3;

pub fn write(page: &mut Page, report: &Report) {
    let processes = &report.processes;
    let counts = [processes.forked, processes.execed, processes.exited, processes.reaped];
    let left_behind = !processes.zombies.is_empty() || !processes.orphans.is_empty();
    if counts == [0; 4] && !left_behind {
        return page.quiet_section("PROCESSES", "none started or ended");
    }
    let [forked, execed, exited, reaped] = counts.map(count);
    let summary = format!("{forked} forked, {execed} execed, {exited} exited, {reaped} reaped");
    page.section("PROCESSES", Ink::Plain, &summary);
    tree::write(page, &report.target.processes);
    write_zombies(page, &processes.zombies);
    write_orphans(page, &processes.orphans);
}

fn write_zombies(page: &mut Page, zombies: &Bounded<Zombie>) {
    if zombies.is_empty() {
        return;
    }
    // The finding has those that lasted.
    let is_left = |zombie: &Zombie| !zombie.reaped && !zombie.parent_ended;
    let most = page.most_of(ZOMBIES_SHOWN, &zombies.rows, is_left);
    let (shown, rest) = zombies.dearest(most, |zombie| (is_left(zombie), zombie.zombie_ns));
    if shown.is_empty() {
        let all = zombies.sum();
        let were = if all.omitted == 1 { "child was a zombie" } else { "children were zombies" };
        let text = format!("{} {were}, for {} in all", count(all.omitted), duration(all.totals.zombie_ns));
        return page.prose(Ink::Plain, 2, &text);
    }
    let mut table = Table::new([
        ("zombie", Setting::Figure),
        ("name", Setting::Flexible),
        ("ended", Setting::Word),
        ("unreaped", Setting::Figure),
        ("now", Setting::Word),
        ("parent", Setting::Figure),
    ]);
    for zombie in shown {
        let ink = if zombie.reaped || zombie.parent_ended { Ink::Plain } else { Ink::Warn };
        table.row(ink, zombie_cells(zombie));
        // The finding has their lines.
        table.stack(page, "started at", zombie.spawned_at.as_ref().filter(|_| page.is_full()));
        table.stack(page, "parent was at", zombie.parent_doing.as_ref().filter(|_| page.is_full()));
    }
    table.write(page);
    if let Some(rest) = rest {
        and_more(page, rest.omitted, &format!("{} unreaped in all", duration(rest.totals.zombie_ns)));
    }
}

fn zombie_cells(zombie: &Zombie) -> [Cell; 6] {
    let at_most = if zombie.end_is_upper_bound { "≤ " } else { "" };
    [
        zombie.pid.to_string().into(),
        zombie.comm.to_string().into(),
        end(zombie).into(),
        format!("{at_most}{}", duration(zombie.zombie_ns)).into(),
        match (zombie.reaped, zombie.parent_ended) {
            (true, _) => "reaped",
            (false, true) => "parent ended",
            (false, false) => "zombie",
        }
        .into(),
        zombie.ppid.to_string().into(),
    ]
}

pub(in crate::report) fn end(zombie: &Zombie) -> String {
    match (&zombie.signal, zombie.exit_code) {
        (Some(signal), _) => signal.clone(),
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => "-".to_string(),
    }
}

fn write_orphans(page: &mut Page, orphans: &Bounded<Orphan>) {
    let (shown, rest) = orphans.top(page.most(ORPHANS_SHOWN));
    for orphan in shown {
        page.prose(Ink::Warn, 2, &orphan_sentence(orphan));
    }
    if let Some(rest) = rest {
        and_more(page, rest.omitted, "orphans");
    }
}

fn orphan_sentence(orphan: &Orphan) -> String {
    let ended = match orphan.old_parent_ended {
        ParentEnd::Exit => "exited",
        ParentEnd::Signal => "was killed by a signal",
    };
    let Orphan { pid, comm, old_ppid, new_ppid, .. } = orphan;
    format!("orphan {pid} {comm}: its parent {old_ppid} {ended}, now it is a child of {new_ppid}")
}
