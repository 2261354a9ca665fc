//! The page of a report with everything in it, read as a browser would.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use regex_lite::Regex;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::report::sanitize::tests::EVIL;
use crate::report::tests::{named, sample};
use crate::report::{Bounded, Frame, Name, Read};

/// What would become markup, were it not written as text.
const HTML: &[&str] = &[
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title></style><b onclick=alert(1)>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "<!-- ",
    "-->",
    "]]>",
    "&lt;b&gt;",
    "&#x3c;b&#x3e;",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "javascript:alert(1)",
];

/// The elements of a page, in their order; a page that is no HTML has none.
struct Markup {
    tags: Vec<String>,
    attributes: BTreeSet<String>,
    ids: BTreeSet<String>,
    links: Vec<String>,
}

impl Markup {
    /// Every `<` begins a tag, every tag has attributes in double quotes, and what is between is text.
    fn read(page: &str) -> Self {
        let page = without(page, "<style>", "</style>");
        let page = without(&page, "<script>", "</script>");
        let page = without(&page, "<script type=\"application/json\" id=\"stacks\">", "</script>");
        let tag = Regex::new(r#"^/?([a-zA-Z0-9]+)((?: [a-zA-Z0-9-]+(?:="[^"<>]*")?)*) ?/?$"#).unwrap();
        let attribute = Regex::new(r#" ([a-zA-Z0-9-]+)(?:="([^"]*)")?"#).unwrap();
        let mut markup =
            Self { tags: Vec::new(), attributes: BTreeSet::new(), ids: BTreeSet::new(), links: Vec::new() };
        let page = page.strip_prefix("<!doctype html>").expect("a doctype");
        for piece in page.split('<').skip(1) {
            let (inside, text) = piece.split_once('>').unwrap_or_else(|| panic!("no end: {piece}"));
            assert!(!text.contains('>'), "a `>` that ends nothing: {piece}");
            let found = tag.captures(inside).unwrap_or_else(|| panic!("no tag: {inside}"));
            markup.tags.push(found[1].to_owned());
            for found in attribute.captures_iter(&found[2]) {
                let value = found.get(2).map_or("", |value| value.as_str());
                match &found[1] {
                    "id" => assert!(markup.ids.insert(value.to_owned()), "{value} twice"),
                    "href" => markup.links.push(value.to_owned()),
                    _ => {}
                }
                markup.attributes.insert(found[1].to_owned());
            }
        }
        markup
    }

    fn count(&self, tag: &str) -> usize {
        self.tags.iter().filter(|known| *known == tag).count()
    }
}

/// A page without what stands between two tags.
fn without(page: &str, begin: &str, end: &str) -> String {
    let Some((before, rest)) = page.split_once(begin) else { return page.to_owned() };
    let (_, after) = rest.split_once(end).expect("an end");
    format!("{before}{begin}{end}{after}")
}

fn island(page: &str) -> &str {
    let (_, rest) = page.split_once("id=\"stacks\">").unwrap();
    rest.split_once("</script>").unwrap().0
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = render(&sample());
    let markup = Markup::read(&page);
    for attribute in &markup.attributes {
        assert!(!attribute.starts_with("on") && attribute != "src" && attribute != "style", "{attribute}");
    }
    assert!(markup.links.iter().all(|link| link.starts_with('#')), "{:?}", markup.links);
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"));
    for loads in ["@import", "fetch(", "XMLHttpRequest", "import(", "innerHTML", "eval(", "document.write"] {
        assert!(!STYLE.contains(loads) && !SCRIPT.contains(loads), "{loads}");
    }
    assert_eq!(STYLE.matches("url(").count(), 1, "the hatching, which is in the page");
}

#[test]
fn no_name_becomes_markup() {
    let plain = Markup::read(&render(&sample()));
    let html = HTML.iter().map(|name| name.as_bytes());
    for evil in EVIL.iter().map(|(_, evil, _)| *evil).chain(html) {
        let report = named(&Name::new(evil));
        let page = render(&report);
        let markup = Markup::read(&page);
        for tag in ["script", "style", "title", "svg", "tr", "section", "select", "input"] {
            assert_eq!(markup.count(tag), plain.count(tag), "{tag} of {evil:?}");
        }
        assert_eq!(markup.ids, plain.ids, "{evil:?}");
        assert!(markup.attributes.is_subset(&plain.attributes) || evil.len() > 40, "{evil:?}");
        assert!(!island(&page).contains(['<', '>', '&']), "{evil:?}");
        let stacks: Value = serde_json::from_str(island(&page)).unwrap();
        let shown = report.frames.stacks.rows[0].stack[0].function.to_string();
        assert!(stacks["frames"].as_array().unwrap().iter().any(|frame| frame[0] == *shown), "{shown}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let page = render(&sample());
    let Markup { ids, links, .. } = Markup::read(&page);
    for link in &links {
        assert!(ids.contains(&link[1..]), "{link}");
    }
}

/// What the page says of `id`'s column: the sum of its rows, that of those which are left out, and that of all.
fn column(page: &str, id: &str, label: &str) -> (u64, u64, u64) {
    let (_, table) = page.split_once(&format!("<div class=\"table\" id=\"{id}\">")).unwrap();
    let table = table.split_once("</table>").unwrap().0;
    let heads = Regex::new(r#"<th scope="col"[^>]*>(?:<button type="button">)?([^<]*)<"#).unwrap();
    let at = heads.captures_iter(table).position(|head| head[1] == *label).unwrap();
    let sum = |rows: &str| -> u64 { rows.split("</tr>").filter_map(|row| exact(row, at)).sum() };
    let (_, body) = table.split_once("<tbody>").unwrap();
    let (body, foot) = body.split_once("</tbody>").unwrap();
    let (rest, all) = foot.split_once("<tr class=\"all\">").unwrap_or((foot, ""));
    let rest = if rest.contains("class=\"rest\"") { sum(rest) } else { 0 };
    let rows = sum(body);
    (rows, rest, if all.is_empty() { rows + rest } else { sum(all) })
}

/// The exact figure of a row's cell.
fn exact(row: &str, at: usize) -> Option<u64> {
    let cells = row.split("<t").filter(|cell| cell.starts_with(['d', 'h']));
    let (tag, _) = cells.map(|cell| cell.split_once('>')).nth(at)??;
    tag.split_once("data-v=\"")?.1.split('"').next()?.parse().ok()
}

/// Tables, their columns, and where the JSON report has the same.
const SUMS: &[(&str, &str, &str, &str)] = &[
    ("causes", "count", "/switches/causes", "count"),
    ("causes", "off-CPU", "/switches/causes", "off_cpu_ns"),
    ("causes", "run queue", "/switches/causes", "run_queue_ns"),
    ("gil-holders", "held", "/gil/holders", "held_while_others_waited_ns"),
    ("gil-blocked", "slept", "/gil/blocked_while_held", "off_cpu_ns"),
    ("read-rows", "calls", "/reads", "syscalls"),
    ("read-rows", "bytes", "/reads", "bytes"),
    ("read-rows", "GIL wait", "/reads", "gil_wait_ns"),
    ("zombies", "zombie for", "/processes/zombies", "zombie_ns"),
    ("signal-rows", "count", "/signals", "count"),
    ("hot-lines", "samples", "/frames/hot", "self_samples"),
    ("hot-lines", "off-CPU", "/frames/hot", "off_cpu_ns"),
    ("hot-stacks", "samples", "/frames/stacks", "samples"),
    ("hot-stacks", "off-CPU", "/frames/stacks", "off_cpu_ns"),
    ("entries", "count", "/frames/entries/rows", "count"),
    ("gc-pauses", "total", "/gc/pauses", "total_ns"),
    ("gc-collections", "freed", "/gc/collections", "collected"),
];

fn check_sums(report: &Report, page: &str) {
    let json = serde_json::to_value(report).unwrap();
    for (id, label, list, key) in SUMS {
        let rows = json.pointer(list).unwrap().as_array().unwrap();
        let expected: u64 = rows.iter().filter_map(|row| row[key].as_u64()).sum();
        let (rows, rest, all) = column(page, id, label);
        assert_eq!((rows + rest, all), (expected, expected), "{id}, {label}: {rows} and {rest}");
    }
    let tile = Regex::new(r#"<data class="total" value="(\d+)" data-key="([^"]+)">"#).unwrap();
    for found in tile.captures_iter(page) {
        let shown: u64 = found[1].parse().unwrap();
        let pointer = format!("/{}", found[2].replace('.', "/"));
        let expected = match &found[2] {
            "reads.syscalls" => report.reads.sum().totals.syscalls,
            "signals.count" => report.signals.sum().totals.count,
            "quality.lost" => report.quality.lost.values().sum(),
            _ => json.pointer(&pointer).and_then(Value::as_u64).unwrap(),
        };
        assert_eq!(shown, expected, "{}", &found[2]);
    }
}

#[test]
fn the_page_has_the_report_s_sums() {
    let report = sample();
    check_sums(&report, &render(&report));
}

/// A thousand rows of deep stacks, with names as long as are shown.
fn large() -> Report {
    let frame = |of: u32, depth: u32| Frame {
        function: format!("function_{of}_{depth}_{}", "x".repeat(150)).into(),
        file: format!("/srv/{}/{of}.py", "y".repeat(150)).into(),
        line: Some(depth),
    };
    let stack = |of| (0..60).map(|depth| frame(of, depth)).collect::<Vec<_>>();
    let mut report = sample();
    let read =
        |of| Read { pid: of, syscalls: 10, bytes: u64::from(of), stack: Some(stack(of)), ..Read::default() };
    report.reads = (0..1_500).map(read).collect();
    let hot = report.frames.stacks.rows[0].clone();
    let deep = |of| crate::report::HotStack { stack: stack(of), samples: 1, ..hot.clone() };
    report.frames.stacks = (0..400).map(deep).collect();
    report
}

#[test]
fn a_large_report_leaves_out_rows_and_no_sum() {
    let report = large();
    let page = render(&report);
    assert!(page.len() <= MOST_BYTES, "{}", page.len());
    assert!(page.len() > MOST_BYTES / 4, "more would have fitted: {}", page.len());
    check_sums(&report, &page);
    let stacks: Value = serde_json::from_str(island(&page)).unwrap();
    let drawn: u64 = stacks["stacks"].as_array().unwrap().iter().filter_map(|stack| stack[1].as_u64()).sum();
    assert_eq!(drawn + stacks["rest"][0].as_u64().unwrap(), 400);
}

#[test]
fn a_report_of_nothing_is_a_page_too() {
    let window =
        crate::report::Window { sections: crate::sections::Sections::ALL.list(), ..Default::default() };
    let page = render(&Report { window, signals: Bounded::default(), ..Report::default() });
    let markup = Markup::read(&page);
    assert_eq!((markup.count("script"), markup.count("h1")), (2, 2), "without stacks there is no data");
    assert!(page.contains("None of the patterns that tracer knows"));
}

/// With the page's own script, which only runs if the policy lets it.
#[test]
fn a_browser_draws_the_report_s_totals() {
    let Some(dom) = shown_by_chromium(&render(&sample())) else { return };
    let report = sample();
    check_sums(&report, &dom);
    let totals = report.frames.stacks.sum().totals;
    for total in [totals.samples, totals.off_cpu_ns] {
        assert!(dom.contains(&format!("<output data-v=\"{total}\">")), "no flame graph of {total}");
    }
    assert!(dom.contains("role=\"treeitem\"") && dom.contains("<button type=\"button\">off-CPU</button>"));
}

/// The page after its script has run; nothing where there is no Chromium.
fn shown_by_chromium(page: &str) -> Option<String> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("page.html");
    fs::write(&path, page).unwrap();
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--dump-dom"]);
    chromium.arg(format!("--user-data-dir={}", directory.path().display()));
    let Ok(output) = chromium.arg(format!("file://{}", path.display())).output() else {
        eprintln!("skipped: there is no chromium");
        return None;
    };
    let dom = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && dom.contains("</html>"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(dom)
}
