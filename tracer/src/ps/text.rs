//! The list as a table.

use super::model::{ListedProcess, Processes};
use crate::report::text::Style;
use crate::report::text::page::{Ink, Page};
use crate::report::text::table::{Cell, Setting, Table};
use crate::selection::control_group::SHORT_ID;
use crate::units::{bytes, count, duration};

/// The whole list.
#[must_use]
pub fn render(found: &Processes, style: Style) -> String {
    let mut page = Page::new(style);
    if found.processes.is_empty() {
        page.line(Ink::Plain, 0, "no Python process");
    } else {
        table(&found.processes).write(&mut page);
    }
    if found.unreadable > 0 {
        let remedy = if found.lacks_rights { "; try sudo" } else { "" };
        let text = format!("not readable, and perhaps Python too: {}{remedy}", count(found.unreadable));
        page.prose(Ink::Warn, 2, &text);
    }
    page.into_string()
}

fn table(processes: &[ListedProcess]) -> Table {
    let has_place = processes.iter().any(|process| place(process).is_some());
    let mut columns = vec![
        ("pid", Setting::Figure),
        ("python", Setting::Word),
        ("cpu time", Setting::Figure),
        ("memory", Setting::Figure),
        ("threads", Setting::Figure),
        ("running for", Setting::Figure),
    ];
    columns.extend(has_place.then_some(("unit or container", Setting::Word)));
    columns.push(("command", Setting::Flexible));
    let mut table = Table::new(columns);
    for process in processes {
        let place = has_place.then(|| Cell::from(place(process).unwrap_or_else(|| "-".to_owned())));
        let figures = figures(process).map(Cell::from).into_iter();
        let ink = if process.refused.is_some() { Ink::Faint } else { Ink::Plain };
        table.row(ink, figures.chain(place).chain([process.command.to_string().into()]));
        if let Some(refused) = &process.refused {
            table.note(Ink::Faint, refused.to_string());
        }
    }
    table
}

fn figures(process: &ListedProcess) -> [String; 6] {
    let build = if process.free_threaded == Some(true) { "t" } else { "" };
    [
        process.pid.to_string(),
        process.python.as_ref().map_or_else(|| "-".to_owned(), |version| format!("{version}{build}")),
        duration((process.cpu_seconds * 1e9) as u64),
        bytes(process.rss_bytes),
        process.threads.to_string(),
        duration(process.age_ns),
    ]
}

/// Its container, or else its unit.
fn place(process: &ListedProcess) -> Option<String> {
    let short = |id: String| id.chars().take(if id.len() == 64 { SHORT_ID } else { usize::MAX }).collect();
    process
        .container
        .as_ref()
        .map(|name| short(name.to_string()))
        .or_else(|| Some(process.unit.as_ref()?.to_string()))
}
