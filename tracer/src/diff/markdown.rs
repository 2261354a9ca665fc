//! A diff as a summary in GitHub's Markdown.

use super::model::Diff;
use super::text;
use crate::report::export::markdown::{place, text as plain};

/// The summary.
#[must_use]
pub fn write(diff: &Diff) -> String {
    let mut page = String::from("## tracer diff\n\n");
    if let Some(pace) = text::pace(diff) {
        page.push_str(&format!("{}\n\n", plain(&pace)));
    }
    for (mark, more) in [("🔴 more", true), ("🟢 less", false)] {
        for difference in diff.differences.iter().filter(|difference| difference.more == more) {
            let at =
                text::frame(difference).map_or_else(String::new, |frame| format!(", at {}", place(&frame)));
            page.push_str(&format!("- {mark}: {}{at}\n", plain(&text::sentence(difference))));
        }
    }
    if diff.differences.is_empty() {
        page.push_str(&format!("{}\n", plain(&text::nothing(diff))));
    }
    page
}
