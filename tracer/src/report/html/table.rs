//! Tables of the page: what a row shows, and what a finding finds it by.

use crate::report::{Bounded, Frame, Row as ReportRow, Stack};
use crate::units;

use super::place::{At, Place};

/// A table, and what its rows add up to.
pub struct Table<'a> {
    /// Where links lead; each row is `ID-NUMBER`.
    pub id: &'static str,
    /// What is in it.
    pub title: &'static str,
    /// From left to right.
    pub columns: Vec<Column>,
    /// In the report's order.
    pub rows: Vec<TableRow<'a>>,
    /// The rows that are not shown, in one.
    pub rest: Option<Sum>,
    /// All rows in one, where there are several.
    pub all: Option<Sum>,
}

/// A column.
pub struct Column {
    /// Its head.
    pub label: &'static str,
    /// Whether it has figures, which stand on the right.
    pub is_figure: bool,
}

/// Several rows in one.
pub struct Sum {
    /// `12 more rows`, `all 60 rows`.
    pub label: String,
    /// A cell for each column but the first.
    pub cells: Vec<Cell>,
}

/// One row.
#[derive(Default)]
pub struct TableRow<'a> {
    /// What it shows.
    pub cells: Vec<Cell>,
    /// Whose it is.
    pub pids: Vec<u32>,
    /// Its lines.
    pub frames: Vec<&'a Frame>,
    /// When it happened, if at one moment.
    pub at_ns: Option<u64>,
    /// What distinguishes it from others of the same line: a path, a signal, a cause.
    pub about: String,
}

/// What stands in a cell.
pub enum Cell {
    /// Words.
    Word(String),
    /// A figure as a person reads it, and exactly.
    Figure {
        /// `1.23 s`
        text: String,
        /// The figure itself: nanoseconds, bytes, a count.
        value: u64,
        /// How long the bar below it is, in percent.
        bar: Option<String>,
    },
    /// A figure that is not known.
    Unknown,
    /// A line.
    Place(Place),
    /// A line, its callers, and what else there is to say.
    At(At),
}

impl Cell {
    /// Words; `-` for none.
    pub fn word(text: impl ToString) -> Self {
        let text = text.to_string();
        Self::Word(if text.is_empty() { "-".to_owned() } else { text })
    }

    /// Words, if there are any.
    pub fn maybe(text: Option<impl ToString>) -> Self {
        Self::word(text.map_or_else(String::new, |text| text.to_string()))
    }

    /// A count.
    pub fn count(value: u64) -> Self {
        Self::Figure { text: units::count(value), value, bar: None }
    }

    /// A number that is a name: a pid.
    pub fn id(value: u32) -> Self {
        Self::Figure { text: value.to_string(), value: value.into(), bar: None }
    }

    /// Nanoseconds.
    pub fn duration(value: u64) -> Self {
        Self::Figure { text: units::duration(value), value, bar: None }
    }

    /// Bytes.
    pub fn bytes(value: u64) -> Self {
        Self::Figure { text: units::bytes(value), value, bar: None }
    }

    /// What is not always known.
    pub fn known(value: Option<u64>, cell: impl Fn(u64) -> Self) -> Self {
        value.map_or(Self::Unknown, cell)
    }

    /// The same with a bar: this part of `whole`.
    pub fn share_of(mut self, whole: u64) -> Self {
        if let Self::Figure { value, bar, .. } = &mut self
            && *value > 0
        {
            *bar = Some(format!("{:.1}", *value as f64 * 100.0 / whole.max(1) as f64));
        }
        self
    }

    /// The innermost line of a stack, and its callers.
    pub fn stack(stack: Option<&Stack>, notes: Vec<String>) -> Self {
        Self::At(At::new(stack, notes))
    }

    /// One line.
    pub fn frame(frame: Option<&Frame>) -> Self {
        frame.map_or_else(|| Self::word(""), |frame| Self::Place(Place::new(frame)))
    }

    /// Nothing to add up here.
    pub fn none() -> Self {
        Self::Word(String::new())
    }
}

impl<'a> Table<'a> {
    /// The first `most` rows of a list. `sum` has a cell for each column but the first.
    pub fn from_rows<R: ReportRow>(
        (id, title): (&'static str, &'static str),
        columns: &[(&'static str, Setting)],
        (rows, most): (&'a Bounded<R>, usize),
        row: impl Fn(&'a R) -> TableRow<'a>,
        sum: impl Fn(&R::Totals) -> Vec<Cell>,
    ) -> Self {
        let (shown, rest) = rows.top(most);
        let all = rows.sum();
        let columns = columns
            .iter()
            .map(|&(label, setting)| Column { label, is_figure: setting == Setting::Figure })
            .collect();
        Self {
            id,
            title,
            columns,
            rows: shown.iter().map(row).collect(),
            rest: rest.map(|rest| Sum {
                label: format!("{} more", units::count(rest.omitted)),
                cells: sum(&rest.totals),
            }),
            all: all_of(all.omitted, sum(&all.totals)),
        }
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.rest.is_none()
    }
}

/// A row for all rows, if there are several and anything adds up.
fn all_of(rows: u64, cells: Vec<Cell>) -> Option<Sum> {
    let adds_up = cells.iter().any(|cell| matches!(cell, Cell::Figure { .. }));
    (rows > 1 && adds_up).then(|| Sum { label: format!("all {}", units::count(rows)), cells })
}

/// What a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Words and lines.
    Word,
    /// Figures.
    Figure,
}

/// The lines of a stack.
pub fn frames(stack: Option<&Stack>) -> Vec<&Frame> {
    stack.into_iter().flatten().collect()
}
