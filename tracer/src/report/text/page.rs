//! Lines of a given width, with or without colour.

use anstyle::{AnsiColor, Style as Ansi};

use super::Style;
use super::place::{columns, fit_path, fit_text};

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ink {
    /// The figures themselves.
    #[default]
    Plain,
    /// A section's name.
    Title,
    /// Column heads and explanations.
    Faint,
    /// Deserves attention.
    Warn,
    /// Is wrong.
    Critical,
}

impl Ink {
    fn ansi(self) -> Ansi {
        match self {
            Self::Plain => Ansi::new(),
            Self::Title => Ansi::new().bold(),
            Self::Faint => Ansi::new().dimmed(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Critical => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// Text under construction. No line grows beyond the width.
pub struct Page {
    out: String,
    style: Style,
    /// Sections in which nothing happened, with what each says of it.
    quiet: Vec<String>,
    /// What the next section has to say at its head.
    caveat: Option<String>,
}

/// Narrower than this nothing is legible, so the terminal may wrap what we do not.
const NARROWEST: u16 = 60;
const WIDEST: u16 = 100;

impl Page {
    pub fn new(style: Style) -> Self {
        let style = Style { width: style.width.clamp(NARROWEST, WIDEST), ..style };
        Self { out: String::new(), style, quiet: Vec::new(), caveat: None }
    }

    pub fn width(&self) -> usize {
        self.style.width.into()
    }

    /// How many rows of a list to show: all of them if every row was asked for.
    pub fn most(&self, usually: usize) -> usize {
        if self.style.full { usize::MAX } else { usually }
    }

    /// How many of these rows to show: all of them if every row was asked for, else those that are worth a line, as many
    /// as usual at most.
    pub fn most_of<R>(&self, usually: usize, rows: &[R], is_worth: impl Fn(&R) -> bool) -> usize {
        self.most(rows.iter().filter(|row| is_worth(row)).count().min(usually))
    }

    pub fn into_string(self) -> String {
        self.out
    }

    /// `text` in its colour; only text that has been made safe comes here.
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        if !self.style.color || ink == Ink::Plain || text.is_empty() {
            return text.to_string();
        }
        let ansi = ink.ansi();
        format!("{ansi}{text}{ansi:#}")
    }

    pub fn blank(&mut self) {
        self.out.push('\n');
    }

    /// One line as it is, trailing blanks removed.
    pub fn raw_line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// One line, cut on the right.
    pub fn line(&mut self, ink: Ink, indent: usize, text: &str) {
        let fitted = fit_text(text, self.width().saturating_sub(indent));
        let painted = self.paint(ink, &fitted);
        self.raw_line(&format!("{:indent$}{painted}", ""));
    }

    /// A blank line, then a section's name and what it says in one sentence.
    pub fn section(&mut self, title: &str, ink: Ink, summary: &str) {
        self.blank();
        let lead = self.paint(Ink::Title, title) + "  ";
        self.led(&lead, columns(title) + 2, ink, summary);
        if let Some(caveat) = self.caveat.take() {
            self.prose(Ink::Warn, 2, &caveat);
        }
    }

    /// The next section says this at its head: what its figures lack.
    pub fn warn_next(&mut self, caveat: Option<String>) {
        self.caveat = caveat;
    }

    /// A section in which nothing happened: those share one at the end, unless something
    /// was lost or every row was asked for.
    pub fn quiet_section(&mut self, title: &str, summary: &str) {
        if self.style.full || self.caveat.is_some() {
            self.section(title, Ink::Plain, summary);
        } else {
            self.quiet.push(format!("{title}: {summary}"));
        }
    }

    /// The [quiet sections](Self::quiet_section) so far.
    pub fn write_quiet_sections(&mut self) {
        let quiet = std::mem::take(&mut self.quiet);
        if !quiet.is_empty() {
            self.blank();
            self.prose(Ink::Plain, 0, &quiet.join("; "));
        }
    }

    /// Whether every row was asked for.
    pub fn is_full(&self) -> bool {
        self.style.full
    }

    /// Words that flow over as many lines as they need, all indented.
    pub fn prose(&mut self, ink: Ink, indent: usize, text: &str) {
        self.led(&" ".repeat(indent), indent, ink, text);
    }

    /// Words that begin after `lead`, which takes `indent` columns, and go on below where they began.
    pub fn led(&mut self, lead: &str, indent: usize, ink: Ink, text: &str) {
        let lines = wrap(text, self.width().saturating_sub(indent));
        for (number, line) in lines.iter().enumerate() {
            let margin = if number == 0 { lead.to_string() } else { " ".repeat(indent) };
            let painted = self.paint(ink, line);
            self.raw_line(&(margin + &painted));
        }
    }
}

/// Breaks at blanks. A word longer than a line is a path: it loses its left.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').map(|word| fit_path(word, width)) {
        let line = lines.last_mut().expect("there is always one line");
        if !line.is_empty() && columns(line) + 1 + columns(&word) > width {
            lines.push(word);
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_between_words() {
        for (text, width, expected) in [
            ("", 10, vec![""]),
            ("one two three", 13, vec!["one two three"]),
            ("one two three", 12, vec!["one two", "three"]),
            ("see /srv/shop/app/metrics.py now", 16, vec!["see", "…/app/metrics.py", "now"]),
        ] {
            assert_eq!(wrap(text, width), expected, "{text}");
        }
    }

    #[test]
    fn colour_is_only_where_it_was_asked_for() {
        let page = |color| {
            let mut page = Page::new(Style { color, width: 80, full: false });
            page.section("READS", Ink::Warn, "none seen");
            page.into_string()
        };
        assert_eq!(page(false), "\nREADS  none seen\n");
        assert_eq!(page(true), "\n\x1b[1mREADS\x1b[0m  \x1b[33mnone seen\x1b[0m\n");
    }
}
