//! The report as a page: one file that needs nothing else, and says the same without its script.
//!
//! Figures, findings and tables are HTML; the script sorts and filters them, and draws the flame graphs. No name of a
//! target becomes markup: templates escape all that they are given, and the policy lets nothing run but that script.

mod findings;
mod flames;
mod header;
mod place;
mod policy;
mod sections;
mod table;
mod timeline;

use askama::Template;

use super::Report;
use findings::Shown;
use flames::Flames;
use header::Header;
use sections::Section;
use table::Cell;
use timeline::Timeline;

/// What a page may take: more of it slows browsers, and mail refuses it.
const MOST_BYTES: usize = 2_000_000;

/// Rows of a table, and half of it as long as the page is too large.
const MOST_ROWS: usize = 1_000;
const LEAST_ROWS: usize = 8;

const STYLE: &str = include_str!("../../../templates/page.css");
const SCRIPT: &str = concat!(
    include_str!("../../../templates/tables.js"),
    include_str!("../../../templates/flames.js"),
    include_str!("../../../templates/timeline.js")
);

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    policy: String,
    style: &'static str,
    script: &'static str,
    version: &'a str,
    header: Header,
    findings: Vec<Shown<'a>>,
    no_findings: &'static str,
    timeline: Option<Timeline>,
    flames: Option<Flames>,
    sections: Vec<Section<'a>>,
}

/// The whole page.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut most = MOST_ROWS;
    loop {
        let page = page(report, most).render().expect("writing to a string");
        if page.len() <= MOST_BYTES || most <= LEAST_ROWS {
            return page;
        }
        most /= 2;
    }
}

fn page(report: &Report, most: usize) -> Page<'_> {
    let sections = sections::sections(report, most);
    Page {
        policy: policy::policy(STYLE, SCRIPT),
        style: STYLE,
        script: SCRIPT,
        version: &report.tracer.version,
        header: Header::new(report),
        no_findings: if report.window.chosen.is_empty() {
            "None of the patterns that tracer knows. That does not mean that all is well."
        } else {
            "Only a page of all rows has them."
        },
        findings: report.findings.rows.iter().map(|finding| findings::shown(finding, &sections)).collect(),
        timeline: Timeline::new(report, most),
        flames: Flames::new(report, most),
        sections,
    }
}

#[cfg(test)]
mod tests;
