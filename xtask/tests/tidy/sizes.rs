//! How long files and functions are, and how wide structs.

use super::{File, check, files};

const MAX_LINES: usize = 400;

/// Half of all functions are no longer, from `fn` to the closing brace.
const MEDIAN_FUNCTION: usize = 7;

const MAX_FIELDS: usize = 12;

/// Where a struct may have more fields, and why: one whose shape others prescribe cannot be cut.
const WIDE: [(&str, &str); 5] = [
    ("tracer-common/src/", "wire types: all that a probe knows of one thing, in one piece without gaps"),
    ("tracer/src/event/", "what recordings keep: groups would be another format"),
    ("tracer/src/report/model/", "fields are the keys of the JSON report"),
    ("tracer/src/ps/model.rs", "fields are the keys of `ps --json`"),
    ("tracer/src/sys/uprobes.rs", "`union bpf_attr` is the kernel's"),
];

#[test]
fn no_file_is_too_long() {
    check(|file| {
        let lines = file.text.lines().count();
        let too_long = file.is_rust() && lines > MAX_LINES;
        too_long.then(|| format!("{}: {lines} lines; cut it in two", file.path)).into_iter().collect()
    });
}

#[test]
fn no_struct_has_too_many_fields() {
    check(|file| {
        let may_be_wide = WIDE.iter().any(|(path, _)| file.path.starts_with(path));
        let wide = wide_structs(file).into_iter().filter(|_| !may_be_wide);
        let offence = |(line, fields)| {
            file.at(line, &format!("{fields} fields; those that belong together are a struct of their own"))
        };
        wide.map(offence).collect()
    });
}

#[test]
fn what_may_have_many_fields_has_them() {
    let files = files();
    let has =
        |path: &str| files.iter().any(|file| file.path.starts_with(path) && !wide_structs(file).is_empty());
    let stale = WIDE.iter().find(|(path, _)| !files.is_empty() && !has(path));
    assert_eq!(stale, None, "no struct in there has more than {MAX_FIELDS} fields");
}

#[test]
fn half_of_all_functions_are_short() {
    let files = files();
    let production = files.iter().filter(|file| file.is_rust() && file.is_production());
    let mut lengths: Vec<_> = production.flat_map(|file| function_lengths(&file.text)).collect();
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    assert!(median <= MEDIAN_FUNCTION, "the median of {} functions has {median} lines", lengths.len());
}

impl File {
    fn is_production(&self) -> bool {
        !["/tests/", "/benches/", "tests.rs"].iter().any(|part| self.path.contains(part))
    }
}

/// Line, from 0, and number of fields of each struct that has too many.
fn wide_structs(file: &File) -> Vec<(usize, usize)> {
    if !file.is_rust() {
        return Vec::new();
    }
    let structs = items(&file.text, "struct ");
    let counted = structs.into_iter().map(|(at, body)| {
        let is_field = |line: &&&str| field_indent(line) == Some(indent(body[0]) + 4);
        let fields = body.iter().skip_while(|line| !line.ends_with('{'));
        (at, fields.filter(is_field).count())
    });
    counted.filter(|(_, fields)| *fields > MAX_FIELDS).collect()
}

/// Of a line that declares a field: comments and attributes have no name before the first colon.
fn field_indent(line: &str) -> Option<usize> {
    let (name, _) = without_visibility(line.trim_start()).split_once(": ")?;
    name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| indent(line))
}

/// Of each that has a body; tests beside the code are left out.
fn function_lengths(text: &str) -> Vec<usize> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    items(text, "fn ").into_iter().map(|(_, lines)| lines.len()).collect()
}

/// Line of each item that begins so, and its lines: as rustfmt has them, from its first one to the closing brace that is
/// indented like it.
fn items<'a>(text: &'a str, keyword: &str) -> Vec<(usize, Vec<&'a str>)> {
    let lines: Vec<_> = text.lines().collect();
    let begins = (0..lines.len()).filter(|&at| is_item(lines[at], keyword));
    begins.filter_map(|at| Some((at, lines[at..=end(&lines, at)?].to_vec()))).collect()
}

/// Where an item with a body ends.
fn end(lines: &[&str], at: usize) -> Option<usize> {
    let is_end = |line: &str| indent(line) == indent(lines[at]) && line.trim_end().ends_with(['}', ';']);
    let end = at + lines[at..].iter().position(|line| is_end(line))?;
    lines[end].ends_with('}').then_some(end)
}

fn is_item(line: &str, keyword: &str) -> bool {
    let mut rest = without_visibility(line.trim_start());
    for word in ["default ", "const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.starts_with(keyword)
}

fn without_visibility(code: &str) -> &str {
    let Some(rest) = code.strip_prefix("pub") else { return code };
    let restricted = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let rest = restricted.map_or(rest, |(_, after)| after);
    rest.strip_prefix(' ').unwrap_or(code)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[test]
fn sizes_are_counted_as_a_person_counts_them() {
    let text = "\
pub struct Unit;
struct Tuple(u32, u32);
fn declared(
    a: u32,
);
pub(crate) const fn short() {}

pub async fn long(
    a: u32,
) -> Result<u32, String> {
    let b = Shape { a, b: 1 };
    if b { 1 } else { 2 }
}
#[cfg(test)]
mod tests {
    fn another() {
    }
}
";
    assert_eq!(function_lengths(text), [1, 6]);
    let wide = |fields: usize| {
        let fields: String =
            (0..fields).map(|n| format!("    /// Of: it.\n    pub f{n}: [u8; 4],\n")).collect();
        let text = format!(
            "struct Other {{\n    f: u8,\n}}\n\npub(super) struct Wide<T>\nwhere\n    T: Copy,\n{{\n{fields}}}\n"
        );
        wide_structs(&File { path: "wide.rs".to_owned(), text })
    };
    assert_eq!((wide(MAX_FIELDS), wide(MAX_FIELDS + 1)), (vec![], vec![(4, MAX_FIELDS + 1)]));
}
