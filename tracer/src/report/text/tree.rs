//! Parents and children: one line a process, or one for many that are alike.

use super::and_more;
use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use crate::report::{Bounded, TargetProcess};
use crate::units::{count, duration, known};

const LINES_SHOWN: usize = 10;
/// From so many alike siblings on, one line stands for all.
const MANY: usize = 3;

/// Shows the tree, unless there is only a root.
pub fn write(page: &mut Page, processes: &Bounded<TargetProcess>) {
    if processes.rows.len() < 2 {
        return;
    }
    let tree = Tree::new(&processes.rows, page.most(LINES_SHOWN));
    let mut lines = Vec::new();
    for &root in &tree.roots {
        tree.add(root, "", "", &mut lines);
    }
    let mut table = Table::new([
        ("process", Setting::Word),
        ("title", Setting::Flexible),
        ("started", Setting::Figure),
        ("by", Setting::Word),
        ("at", Setting::Flexible),
        ("ended", Setting::Word),
        ("lived", Setting::Figure),
    ]);
    for line in &lines {
        table.row(ink(line.rows[0]), line.cells());
    }
    table.write(page);
    let shown: usize = lines.iter().map(|line| line.rows.len()).sum();
    let omitted = processes.sum().omitted.saturating_sub(shown as u64);
    if omitted > 0 {
        and_more(page, omitted, "processes");
    }
}

/// One line of it.
struct TreeLine<'a> {
    branch: String,
    /// One process, or several that are alike.
    rows: Vec<&'a TargetProcess>,
}

/// Processes by their place in the list.
struct Tree<'a> {
    rows: &'a [TargetProcess],
    /// Lines that are shown.
    most: usize,
    roots: Vec<usize>,
    children: Vec<Vec<usize>>,
}

impl<'a> Tree<'a> {
    fn new(rows: &'a [TargetProcess], most: usize) -> Self {
        let mut tree = Self { rows, most, roots: Vec::new(), children: vec![Vec::new(); rows.len()] };
        for index in 0..rows.len() {
            match tree.parent(index) {
                Some(parent) => tree.children[parent].push(index),
                None => tree.roots.push(index),
            }
        }
        tree
    }

    /// A pid may be used again: the parent is the last to have had it by then.
    fn parent(&self, child: usize) -> Option<usize> {
        let TargetProcess { ppid, at_ns, .. } = self.rows[child];
        let born = at_ns.unwrap_or(0); // of those who were there before, the parent was there, too
        let older = |&index: &usize| index != child && self.rows[index].at_ns.is_none_or(|at| at <= born);
        (0..self.rows.len()).rev().filter(older).find(|&index| self.rows[index].pid == ppid)
    }

    fn add(&self, index: usize, branch: &str, margin: &str, lines: &mut Vec<TreeLine<'a>>) {
        if lines.len() >= self.most {
            return;
        }
        lines.push(TreeLine { branch: shortened(branch), rows: vec![&self.rows[index]] });
        let groups = self.alike(index);
        for (number, group) in groups.iter().enumerate() {
            let last = number + 1 == groups.len();
            let (branch, below) = if last { ("└ ", "  ") } else { ("├ ", "│ ") };
            let branch = format!("{margin}{branch}");
            match group[..] {
                [child] => self.add(child, &branch, &format!("{margin}{below}"), lines),
                _ if lines.len() < self.most => {
                    let rows = group.iter().map(|&index| &self.rows[index]).collect();
                    lines.push(TreeLine { branch: shortened(&branch), rows });
                }
                _ => return,
            }
        }
    }

    /// Children, those that are alike together.
    fn alike(&self, parent: usize) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for &child in &self.children[parent] {
            let is_leaf = self.children[child].is_empty();
            let alike = |group: &&mut Vec<usize>| {
                self.children[group[0]].is_empty() && is_alike(&self.rows[group[0]], &self.rows[child])
            };
            match groups.iter_mut().filter(|_| is_leaf).find(alike) {
                Some(group) => group.push(child),
                None => groups.push(vec![child]),
            }
        }
        let few = |group: &Vec<usize>| group.len() < MANY;
        groups.into_iter().flat_map(|group| if few(&group) { singles(group) } else { vec![group] }).collect()
    }
}

/// Its end, where it would leave the other columns no room: these are figures, which must not be cut.
fn shortened(branch: &str) -> String {
    const WIDEST: usize = 16;
    let over = branch.chars().count().saturating_sub(WIDEST);
    let end: String = branch.chars().skip(over).collect();
    if over == 0 { end } else { format!("…{}", end.chars().skip(1).collect::<String>()) }
}

fn singles(group: Vec<usize>) -> Vec<Vec<usize>> {
    group.into_iter().map(|child| vec![child]).collect()
}

fn is_alike(one: &TargetProcess, other: &TargetProcess) -> bool {
    fn about(row: &TargetProcess) -> impl PartialEq {
        (
            &row.title,
            &row.started_at,
            row.how,
            row.exit_code,
            &row.exit_signal,
            row.ended_at_ns.is_some(),
            row.at_ns.is_some(),
            leads(row),
        )
    }
    about(one) == about(other)
}

fn ink(row: &TargetProcess) -> Ink {
    if row.exit_signal.is_some() { Ink::Warn } else { Ink::Plain }
}

impl TreeLine<'_> {
    fn cells(&self) -> [Cell; 7] {
        let first = self.rows[0];
        let who = match self.rows.len() {
            1 => first.pid.to_string(),
            many => format!("{} ×", count(many as u64)),
        };
        [
            format!("{}{who}", self.branch).into(),
            title(first).into(),
            born(first).into(),
            format!("{}{}", known(first.how.map(|how| how.to_string())), leads(first)).into(),
            Cell::place(first.started_at.as_ref()),
            end(first).into(),
            self.lived().into(),
        ]
    }

    fn lived(&self) -> String {
        let lived = |row: &&TargetProcess| Some(row.ended_at_ns?.saturating_sub(row.at_ns?));
        let longest = self.rows.iter().filter_map(lived).max();
        let at_most = if self.rows.len() > 1 { "≤ " } else { "" };
        known(longest.map(|longest| format!("{at_most}{}", duration(longest))))
    }
}

/// A descendant may have been there before the window.
fn born(row: &TargetProcess) -> String {
    let before = || if row.root { String::from("-") } else { String::from("before") };
    row.at_ns.map_or_else(before, duration)
}

fn title(row: &TargetProcess) -> String {
    let shown = if row.title.as_bytes().is_empty() { &row.comm } else { &row.title };
    let shown = shown.to_string();
    // Of a program the name says enough, and its arguments say more than where it lies.
    let program = shown.find(' ').unwrap_or(shown.len());
    shown[..program].rfind('/').map_or(shown.as_str(), |slash| &shown[slash + 1..]).to_owned()
}

/// What it leads, if it was born in the window.
fn leads(row: &TargetProcess) -> &'static str {
    let own = Some(row.pid);
    match row.at_ns {
        Some(_) if row.sid == own => ", own session",
        Some(_) if row.pgid == own => ", own group",
        _ => "",
    }
}

pub(in crate::report) fn end(row: &TargetProcess) -> String {
    match (&row.exit_signal, row.exit_code) {
        (Some(signal), _) if row.out_of_memory => format!("{signal}, no memory"),
        (Some(signal), _) => signal.clone(),
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => known(row.ended_at_ns.map(|_| "ended".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::Style;

    fn child(pid: u32, ppid: u32, at_ns: u64, title: &str) -> TargetProcess {
        let title = title.into();
        TargetProcess {
            pid,
            ppid,
            title,
            at_ns: Some(at_ns),
            ended_at_ns: Some(at_ns + 1_000),
            ..TargetProcess::default()
        }
    }

    fn tree(rows: Vec<TargetProcess>) -> Vec<String> {
        let mut page = Page::new(Style { color: false, width: 100, full: false });
        write(&mut page, &rows.into());
        let line = |line: &str| line.chars().take(23).collect::<String>().trim_end().to_string();
        page.into_string().lines().skip(1).map(line).collect()
    }

    #[test]
    fn children_stand_below_their_parents_and_alike_ones_together() {
        let root =
            TargetProcess { pid: 7, root: true, title: "/usr/bin/app x".into(), ..TargetProcess::default() };
        let again = child(9, 8, 40, "later"); // the pid of an earlier child of the root
        let rows = vec![
            root.clone(),
            child(8, 7, 10, "server"),
            child(9, 8, 20, "worker"),
            child(10, 9, 30, "grandchild"),
            again,
            child(11, 9, 50, "its child"),
            child(12, 7, 60, "true"),
            child(13, 7, 61, "true"),
            child(14, 7, 62, "true"),
        ];
        assert_eq!(
            tree(rows),
            [
                "  7         app x",
                "  ├ 8       server",
                "  │ ├ 9     worker",
                "  │ │ └ 10  grandchild",
                "  │ └ 9     later",
                "  │   └ 11  its child",
                "  └ 3 ×     true",
            ]
        );
        assert!(tree(vec![root]).is_empty(), "one process is no tree");
    }

    #[test]
    fn a_deep_or_wide_tree_is_cut_and_counted() {
        let root = TargetProcess { pid: 1, root: true, ..TargetProcess::default() };
        let deep = (2..900).map(|pid| child(pid, pid - 1, pid.into(), "deep"));
        let wide = (2..900).map(|pid| child(pid, 1, pid.into(), &pid.to_string()));
        for rows in [deep.collect::<Vec<_>>(), wide.collect()] {
            let lines = tree([vec![root.clone()], rows].concat());
            assert_eq!(lines.len(), LINES_SHOWN + 1);
            assert_eq!(lines[LINES_SHOWN], "  and 889 more: process");
        }
        assert_eq!(shortened("│ │ │ │ │ │ │ │ └ "), "… │ │ │ │ │ │ └ ");
    }
}
