//! `tracer ps`: which Python processes there are.

use tracer::ps::{list, render};
use tracer::selection::Selection;

use super::print;
use crate::cli::{Color, PsOptions};
use crate::failure::Failure;
use crate::screen;

/// Lists those that are selected, all if nothing is.
pub fn ps(options: &PsOptions) -> Result<u8, Failure> {
    print(&list(&options.choice.selection()), &options.answer, render)?;
    Ok(0)
}

/// All of them, for a person to choose from.
pub fn choices() -> String {
    render(&list(&Selection::default()), screen::style(Color::Auto, screen::is_terminal()))
}
