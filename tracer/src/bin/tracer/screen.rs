//! How wide and how colourful stdout is.

use std::io::{IsTerminal, stdout};

use tracer::report::text::Style;

use crate::cli::Color;

/// Widest text, where the terminal has no say.
const WIDTH: u16 = 100;

/// Whether a person reads it.
pub fn is_terminal() -> bool {
    stdout().is_terminal()
}

/// How to lay out text that goes to stdout, or to a file if `on_terminal` is false.
pub fn style(color: Color, on_terminal: bool) -> Style {
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => wants_color(on_terminal),
    };
    let columns = rustix::termios::tcgetwinsize(stdout()).map_or(0, |size| size.ws_col);
    let width = if on_terminal && columns > 0 { columns.min(WIDTH) } else { WIDTH };
    Style { color, width, full: false }
}

/// <https://no-color.org> and <https://bixense.com/clicolors>.
fn wants_color(on_terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !set("NO_COLOR") && (forced || (on_terminal && !dumb))
}
