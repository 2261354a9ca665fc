//! A summary in GitHub's Markdown: for an issue, a pull request, a chat.
//!
//! <https://github.github.com/gfm/>

use std::fmt::Write as _;

use crate::report::text::header::{chosen, no_findings, whose};
use crate::report::{Frame, Name, Report, Sentence, Severity};
use crate::units::{bytes, count, counted, duration, percent};

/// Rows of a table.
const ROWS: usize = 8;

/// The summary.
pub fn write(report: &Report) -> String {
    let mut page = String::from("## tracer\n\n");
    page.push_str(&header(report));
    page.push_str(&findings(report));
    for table in
        [switches(report), reads(report), lines(report), zombies(report), signals(report), gc(report)]
    {
        page.push_str(&table);
    }
    page.push_str(&quality(report));
    page
}

fn header(report: &Report) -> String {
    let roots = report.target.processes.rows.iter().filter(|process| process.root).take(ROWS);
    let root = |process: &crate::report::TargetProcess| {
        let title = if process.title.is_empty() { &process.comm } else { &process.title };
        let python =
            process.python.as_ref().map_or_else(String::new, |version| format!(", CPython {version}"));
        format!("- pid {}: {}{}\n", process.pid, code(title), text(&python))
    };
    let switches = &report.switches;
    let only = chosen(&report.window).map_or_else(String::new, |chosen| format!(", {chosen}"));
    let times = format!(
        "{} from {}{}, {}: on-CPU {}, off-CPU {}, run queue {}\n",
        duration(report.window.duration_ns),
        report.window.start,
        only,
        whose(&report.window),
        duration(switches.on_cpu_ns),
        duration(switches.off_cpu_ns),
        duration(switches.run_queue_ns),
    );
    text(&times) + "\n\n" + &roots.map(root).collect::<String>()
}

fn findings(report: &Report) -> String {
    let mut page = String::from("\n### Findings\n\n");
    for finding in &report.findings.rows {
        let mark = match finding.severity {
            Severity::Critical => "🔴",
            Severity::Warn => "🟠",
            Severity::Info => "🔵",
        };
        let place = finding.frame.as_ref().map_or_else(String::new, |frame| format!(", at {}", place(frame)));
        let _ = writeln!(page, "- {mark} {}{place}", text(finding.text.as_str()));
    }
    if report.findings.is_empty() {
        let _ = writeln!(page, "{}", no_findings(&report.window));
    }
    page
}

fn switches(report: &Report) -> String {
    let all = report.switches.causes.sum().totals.count;
    let rows = report.switches.causes.rows.iter().take(ROWS).map(|row| {
        [
            row.cause.to_string(),
            count(row.count),
            percent(row.count, all),
            duration(row.off_cpu_ns),
            stack(row.stack.as_deref()),
        ]
    });
    let title = format!(
        "{} voluntary, {} involuntary",
        count(report.switches.voluntary),
        count(report.switches.involuntary)
    );
    table("Context switches", &title, ["cause", "switches", "share", "off-CPU", "line"], rows)
}

fn reads(report: &Report) -> String {
    let rows = report.reads.rows.iter().take(ROWS).map(|row| {
        let avoidable = row.avoidable.map_or_else(|| "-".to_owned(), count);
        [code(&row.path), count(row.syscalls), bytes(row.bytes), avoidable, stack(row.stack.as_deref())]
    });
    let sum = report.reads.sum().totals;
    let title = format!("{}, {}", counted(sum.syscalls, "call"), bytes(sum.bytes));
    table("Reads", &title, ["file", "calls", "bytes", "avoidable", "line"], rows)
}

fn lines(report: &Report) -> String {
    let taken = report.quality.samples.taken;
    let rows = report.frames.hot.rows.iter().take(ROWS).map(|row| {
        [
            percent(row.self_samples, taken),
            percent(row.total_samples, taken),
            duration(row.off_cpu_ns),
            place(&row.frame),
        ]
    });
    table("Hot lines", &counted(taken, "sample"), ["on-CPU", "incl. callees", "off-CPU", "line"], rows)
}

fn zombies(report: &Report) -> String {
    let zombies = &report.processes.zombies;
    let rows = zombies.rows.iter().take(ROWS).map(|row| {
        let parent = row.ppid.to_string();
        [
            row.pid.to_string(),
            code(&row.comm),
            duration(row.zombie_ns),
            parent,
            stack(row.spawned_at.as_deref()),
        ]
    });
    let title = count(zombies.sum().omitted);
    table("Zombies", &title, ["pid", "name", "for", "parent", "started at"], rows)
}

fn signals(report: &Report) -> String {
    let rows = report.signals.rows.iter().take(ROWS).map(|row| {
        let sender = row.sender.as_ref().map_or_else(|| "kernel".to_owned(), |sender| code(&sender.comm));
        let target = row.target.pid.to_string();
        [text(&row.signal), count(row.count), sender, target, row.outcome.to_string()]
    });
    let title = count(report.signals.sum().totals.count);
    table("Signals", &title, ["signal", "count", "sender", "to pid", "outcome"], rows)
}

fn gc(report: &Report) -> String {
    let Some(gc) = &report.gc else { return String::new() };
    let rows = gc.pauses.rows.iter().take(ROWS).map(|row| {
        let generation = row.generation.map_or_else(|| "-".to_owned(), |generation| generation.to_string());
        let line = row.started_by.as_ref().map_or_else(|| "-".to_owned(), place);
        [generation, count(row.count), duration(row.total_ns), duration(row.max_ns), line]
    });
    let title = duration(gc.pauses.sum().totals.total_ns);
    table("Garbage collection", &title, ["generation", "pauses", "total", "longest", "started by"], rows)
}

fn quality(report: &Report) -> String {
    let lost: u64 = report.quality.lost.values().sum();
    format!("\n<sub>{} of {} lost</sub>\n", count(lost), counted(report.quality.hits, "hit"))
}

/// A table, unless it has no rows. Cells are ready to be shown.
fn table<const N: usize>(
    name: &str,
    title: &str,
    columns: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let rows: String = rows.map(|cells| format!("| {} |\n", cells.join(" | "))).collect();
    if rows.is_empty() {
        return String::new();
    }
    let rule = ["---"; N].join(" | ");
    format!("\n### {name}: {}\n\n| {} |\n| {rule} |\n{rows}", text(title), columns.join(" | "))
}

fn stack(stack: Option<&[Frame]>) -> String {
    stack.and_then(|stack| stack.first()).map_or_else(|| "-".to_owned(), place)
}

/// A line, as code.
pub fn place(frame: &Frame) -> String {
    let line = frame.line.map_or_else(String::new, |line| format!(":{line}"));
    code(&format!("{}{line} {}", frame.file, frame.function).into())
}

/// A name as it is. Within a table a bar ends the cell, also in code.
fn code(name: &Name) -> String {
    let name = name.to_string();
    let longest = name.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if name.starts_with('`') || name.ends_with('`') { " " } else { "" };
    match name.is_empty() {
        true => "-".to_owned(),
        false => format!("{fence}{space}{}{space}{fence}", name.replace('|', "\\|")),
    }
}

/// Words that are shown as they are: no markup, no link, and nobody is called by `@`.
pub fn text(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    for char in Sentence::new(words.trim_end()).as_str().chars() {
        if "\\`*_{}[]<>#|~&!$".contains(char) {
            shown.push('\\');
        }
        shown.push(char);
        if "@#".contains(char) {
            shown.push_str(BREAK);
        }
    }
    shown.replace("://", &format!(":{BREAK}//")).replace("www.", &format!("www{BREAK}."))
}

/// Nothing that is seen.
const BREAK: &str = "<!-- -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_markup() {
        for (name, expected) in [
            ("plain.py", "`plain.py`"),
            ("a|b", r"`a\|b`"),
            ("``x", "``` ``x ```"),
            ("a`b", "``a`b``"),
            ("", "-"),
            ("x\n# y", r"`x\x0a# y`"),
        ] {
            assert_eq!(code(&name.into()), expected, "{name}");
        }
        for (words, expected) in [
            ("3 of 4. Then: more", "3 of 4. Then: more"),
            ("<b>*x*_y_", r"\<b\>\*x\*\_y\_"),
            ("ask @root", "ask @<!-- -->root"),
            ("see http://a.b", "see http:<!-- -->//a.b"),
            ("issue #7", r"issue \#<!-- -->7"),
        ] {
            assert_eq!(text(words), expected, "{words}");
        }
    }
}
