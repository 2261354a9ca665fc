//! Tables whose columns share a line: figures take what they need, names and places share what is left.

use super::page::{Ink, Page};
use super::place::{chain, chain_line, columns, fit_path, fit_place, fit_text, place};
use crate::report::{Frame, Stack};

const GAP: usize = 2;
const INDENT: usize = 2;
const NOTE_INDENT: usize = 4;
/// No column of names becomes narrower than this.
const NARROWEST: usize = 8;

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Right-aligned, as wide as its widest figure.
    Figure,
    /// Left-aligned, as wide as its widest word.
    Word,
    /// Left-aligned, gives way when the line is full.
    Flexible,
}

/// What stands in one row of one column.
pub enum Cell {
    /// Cut on the right.
    Text(String),
    /// Words, then a path that is cut on its left.
    Path(String, String),
    /// A place in code.
    Place(Frame),
}

impl Cell {
    /// The place, or a dash where there is none.
    pub fn place(frame: Option<&Frame>) -> Self {
        frame.map_or_else(|| Self::from("-"), |frame| Self::Place(frame.clone()))
    }

    fn natural_width(&self) -> usize {
        match self {
            Self::Text(text) => columns(text),
            Self::Path(lead, path) => columns(lead) + columns(path),
            Self::Place(frame) => columns(&place(frame)),
        }
    }

    fn fit(&self, width: usize) -> String {
        match self {
            Self::Text(text) => fit_text(text, width),
            Self::Path(lead, path) => match width.checked_sub(columns(lead)) {
                Some(room) if room >= NARROWEST => format!("{lead}{}", fit_path(path, room)),
                _ => fit_text(&format!("{lead}{path}"), width),
            },
            Self::Place(frame) => fit_place(frame, width),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

/// A column's head and setting.
pub type Column = (&'static str, Setting);

struct Note {
    ink: Ink,
    indent: usize,
    text: String,
}

struct TableLine {
    ink: Ink,
    cells: Vec<Cell>,
    notes: Vec<Note>,
}

/// Rows under construction.
pub struct Table {
    names_pids: bool,
    columns: Vec<Column>,
    lines: Vec<TableLine>,
}

impl Table {
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { names_pids: false, columns: columns.into_iter().collect(), lines: Vec::new() }
    }

    /// A table whose rows belong to a process each, which is named only where there are several.
    pub fn by_process(names_pids: bool, columns: impl IntoIterator<Item = Column>) -> Self {
        let pid = names_pids.then_some(("pid", Setting::Figure));
        Self { names_pids, ..Self::new(pid.into_iter().chain(columns)) }
    }

    /// Adds a row to a table [by process](Self::by_process).
    pub fn row_of(&mut self, pid: u32, ink: Ink, cells: impl IntoIterator<Item = Cell>) {
        let pid = self.names_pids.then(|| Cell::from(pid.to_string()));
        self.row(ink, pid.into_iter().chain(cells));
    }

    /// Likewise, a row that several processes may have in common.
    pub fn row_of_all(&mut self, pids: &[u32], ink: Ink, cells: impl IntoIterator<Item = Cell>) {
        let whose = match pids {
            [pid] => pid.to_string(),
            pids => format!("{} pids", pids.len()),
        };
        let whose = self.names_pids.then(|| Cell::from(whose));
        self.row(ink, whose.into_iter().chain(cells));
    }

    /// Adds a row, with a cell for each column.
    pub fn row(&mut self, ink: Ink, cells: impl IntoIterator<Item = Cell>) {
        self.lines.push(TableLine { ink, cells: cells.into_iter().collect(), notes: Vec::new() });
    }

    /// Adds a sentence below the last row.
    pub fn note(&mut self, ink: Ink, text: String) {
        self.indented_note(ink, NOTE_INDENT, text);
    }

    /// Adds a stack below the last row, if there is one: on one line, or on two where every row was asked for.
    pub fn stack(&mut self, page: &Page, lead: &str, stack: Option<&Stack>) {
        let room = Self::note_width(page).saturating_sub(columns(lead) + 1);
        let stack = stack.map_or(&[][..], Vec::as_slice);
        let lines =
            if page.is_full() { chain(stack, room, 2) } else { Vec::from_iter(chain_line(stack, room)) };
        let mut lines = lines.into_iter();
        if let Some(first) = lines.next() {
            self.note(Ink::Plain, format!("{lead} {first}"));
        }
        lines.for_each(|line| self.indented_note(Ink::Plain, NOTE_INDENT + columns(lead) + 1, line));
    }

    fn indented_note(&mut self, ink: Ink, indent: usize, text: String) {
        if let Some(line) = self.lines.last_mut() {
            line.notes.push(Note { ink, indent, text });
        }
    }

    /// Columns left for a note on a page.
    pub fn note_width(page: &Page) -> usize {
        page.width() - NOTE_INDENT
    }

    pub fn write(&self, page: &mut Page) {
        let widths = self.widths(page.width() - INDENT);
        let head: Vec<Cell> = self.columns.iter().map(|(head, _)| Cell::from(*head)).collect();
        self.write_line(page, Ink::Faint, &head, &widths);
        for line in &self.lines {
            self.write_line(page, line.ink, &line.cells, &widths);
            for note in &line.notes {
                page.prose(note.ink, note.indent, &note.text);
            }
        }
    }

    fn write_line(&self, page: &mut Page, ink: Ink, cells: &[Cell], widths: &[usize]) {
        let set = self.columns.iter().zip(cells).zip(widths);
        let cells: Vec<String> =
            set.map(|(((_, set), cell), width)| pad(&cell.fit(*width), *set, *width)).collect();
        page.line(ink, INDENT, cells.join(&" ".repeat(GAP)).trim_end());
    }

    fn widths(&self, available: usize) -> Vec<usize> {
        let mut widths: Vec<usize> =
            (0..self.columns.len()).map(|column| self.natural_width(column)).collect();
        let flexible: Vec<usize> =
            (0..widths.len()).filter(|column| self.columns[*column].1 == Setting::Flexible).collect();
        let taken: usize = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let wanted: usize = flexible.iter().map(|column| widths[*column]).sum();
        share((available + wanted).saturating_sub(taken), &flexible, &mut widths);
        widths
    }

    fn natural_width(&self, column: usize) -> usize {
        let cells = self.lines.iter().map(|line| line.cells[column].natural_width());
        cells.chain([columns(self.columns[column].0)]).max().unwrap_or(0)
    }
}

/// Gives each flexible column what it wants, or an equal share where that is too much: the least greedy first.
fn share(mut room: usize, flexible: &[usize], widths: &mut [usize]) {
    let mut by_need = flexible.to_vec();
    by_need.sort_by_key(|column| widths[*column]);
    for (served, column) in by_need.iter().enumerate() {
        let fair = room / (by_need.len() - served);
        widths[*column] = widths[*column].min(fair.max(NARROWEST));
        room = room.saturating_sub(widths[*column]);
    }
}

fn pad(text: &str, set: Setting, width: usize) -> String {
    let blanks = " ".repeat(width.saturating_sub(columns(text)));
    match set {
        Setting::Figure => blanks + text,
        Setting::Word | Setting::Flexible => text.to_string() + &blanks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::Style;

    fn table() -> Table {
        let mut table =
            Table::new([("path", Setting::Flexible), ("calls", Setting::Figure), ("in", Setting::Flexible)]);
        let frame =
            Frame { function: "read_all".into(), file: "/srv/shop/app/metrics.py".into(), line: Some(41) };
        let path = Cell::Path(String::new(), "/proc/4242/task/4243/children".into());
        table.row(Ink::Plain, [path, "57,120".into(), Cell::Place(frame)]);
        table.row(Ink::Plain, ["日本".into(), "1".into(), Cell::place(None)]);
        table.note(Ink::Faint, "a note".into());
        table
    }

    #[test]
    fn names_give_way_to_figures() {
        for (width, expected) in [
            (
                100,
                "  path                            calls  in
  /proc/4242/task/4243/children  57,120  /srv/shop/app/metrics.py:41 read_all
  日本                                1  -
    a note
",
            ),
            (
                60,
                "  path                       calls  in
  …/task/4243/children      57,120  …/metrics.py:41 read_all
  日本                           1  -
    a note
",
            ),
        ] {
            let mut page = Page::new(Style { color: false, width, full: false });
            table().write(&mut page);
            assert_eq!(page.into_string(), expected, "{width}");
        }
    }

    #[test]
    fn the_least_greedy_column_is_served_first() {
        for (room, wanted, expected) in [
            (50, [20, 30], [20, 30]),
            (40, [10, 90], [10, 30]),
            (40, [90, 10], [30, 10]),
            (40, [90, 90], [20, 20]),
            (4, [90, 90], [NARROWEST, NARROWEST]),
        ] {
            let mut widths = wanted;
            share(room, &[0, 1], &mut widths);
            assert_eq!(widths, expected);
        }
    }
}
