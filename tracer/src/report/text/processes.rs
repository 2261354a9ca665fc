//! Children that came and went, and those that were left behind.

use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use super::{and_more, tree};
use crate::report::{Bounded, Orphan, ParentEnd, Report, Zombie};
use crate::units::{count, duration};

const ZOMBIES_SHOWN: usize = 12;
const ORPHANS_SHOWN: usize = 8;

pub fn write(page: &mut Page, report: &Report) {
    let processes = &report.processes;
    let counts = [processes.forked, processes.execed, processes.exited, processes.reaped];
    let left_behind = !processes.zombies.is_empty() || !processes.orphans.is_empty();
    if counts == [0; 4] && !left_behind {
        return page.quiet_section("PROCESSES", "none came or went");
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
    let (shown, rest) = zombies.top(page.most(ZOMBIES_SHOWN));
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
        table.stack(page, "spawned at", zombie.spawned_at.as_ref());
        table.stack(page, "parent was at", zombie.parent_doing.as_ref());
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

fn end(zombie: &Zombie) -> String {
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
