//! Places in code and paths, made to fit: what is cut is the left of a path, never its end.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::report::Frame;

/// Columns that `text` takes on a terminal.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// `metrics.py:41 small_reads`, whole.
pub fn place(frame: &Frame) -> String {
    format!("{} {}", file_line(frame, &frame.file.to_string()), frame.function)
}

/// The place of `frame` in at most `width` columns: first the path gives way, then the function.
pub fn fit_place(frame: &Frame, width: usize) -> String {
    let file = frame.file.to_string();
    let function = frame.function.to_string();
    let base = file_line(frame, base_name(&file));
    let whole = file_line(frame, &file);
    match width.checked_sub(columns(&function) + 1) {
        Some(room) if columns(&whole) <= room || columns(&base) + 2 <= room => {
            format!("{} {function}", fit_path(&whole, room))
        }
        Some(room) if columns(&base) <= room => format!("{base} {function}"),
        _ if columns(&base) + 6 <= width => fit_text(&format!("{base} {function}"), width),
        _ => fit_path(&whole, width),
    }
}

/// The path in at most `width` columns: `…/psutil/_common.py`.
pub fn fit_path(path: &str, width: usize) -> String {
    if columns(path) <= width {
        return path.to_string();
    }
    let tails = path.match_indices('/').map(|(slash, _)| format!("…{}", &path[slash..]));
    tails.skip(1).find(|tail| columns(tail) <= width).unwrap_or_else(|| fit_tail(path, width))
}

/// The beginning of `text` in at most `width` columns.
pub fn fit_text(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_string();
    }
    let kept = take_columns(text.chars(), width.saturating_sub(1));
    kept.into_iter().chain(mark(width)).collect()
}

/// A stack on at most `lines` lines, innermost frame first: `queue.py:171 get ← app.py:88 worker ← :12 main ← 7 more`.
///
/// A file is named once in a row. No place is broken, and only the first one shows more of its path than the file.
pub fn chain(stack: &[Frame], width: usize, lines: usize) -> Vec<String> {
    let Some(first) = stack.first() else { return Vec::new() };
    let share = if stack.len() == 1 { width } else { width / 2 };
    let first = fit_place(first, columns(&short_place(first)).max(share).min(width));
    laid_out(&steps(stack, first), width, lines)
}

/// A stack on one line: three frames at least, if they fit, and of the innermost one's path what there is room for.
pub fn chain_line(stack: &[Frame], width: usize) -> Option<String> {
    const FRAMES: usize = 3;
    let first = stack.first()?;
    let short = short_place(first);
    let steps = steps(stack, short.clone());
    let most = steps.len().min(FRAMES);
    let filled = (1..=most).rev().find_map(|kept| fill(&steps, kept, width).filter(|lines| lines.len() == 1));
    let Some(line) = filled.and_then(|lines| lines.into_iter().next()) else {
        return chain(stack, width, 1).into_iter().next();
    };
    let room = columns(&short) + width.saturating_sub(columns(&line));
    Some(line.replacen(&short, &fit_place(first, room), 1))
}

fn steps(stack: &[Frame], first: String) -> Vec<Step> {
    // A function that calls itself from one line is shown once.
    let runs: Vec<&[Frame]> = stack.chunk_by(|callee, caller| callee == caller).collect();
    let callers = runs.windows(2).map(|pair| step(&pair[0][0], &pair[1][0]));
    let places = std::iter::once(first).chain(callers);
    let steps =
        places.zip(&runs).map(|(place, run)| Step { text: times(place, run.len()), frames: run.len() });
    steps.collect()
}

fn laid_out(steps: &[Step], width: usize, lines: usize) -> Vec<String> {
    let fits = |kept: &usize| fill(steps, *kept, width).filter(|filled| filled.len() <= lines);
    // No more fit than there are columns, however deep the stack is.
    let most = (1..=steps.len().min(width)).rev().find_map(|kept| fits(&kept));
    most.unwrap_or_else(|| vec![steps[0].text.clone()])
}

/// Frames that are shown as one.
struct Step {
    text: String,
    frames: usize,
}

fn times(place: String, frames: usize) -> String {
    if frames == 1 { place } else { format!("{place} ×{frames}") }
}

/// Lays out the first steps and the number of frames beyond; nothing if one is wider than a line.
fn fill(steps: &[Step], kept: usize, width: usize) -> Option<Vec<String>> {
    let beyond: usize = steps[kept..].iter().map(|step| step.frames).sum();
    let more = (beyond > 0).then(|| format!("{beyond} more"));
    let mut lines: Vec<String> = Vec::new();
    for step in steps[..kept].iter().map(|step| &step.text).chain(&more) {
        match lines.last_mut() {
            Some(line) if columns(line) + columns(step) + 3 <= width => *line += &format!(" ← {step}"),
            Some(_) => lines.push(format!("← {step}")),
            None => lines.push(step.clone()),
        }
    }
    lines.iter().all(|line| columns(line) <= width).then_some(lines)
}

fn step(callee: &Frame, caller: &Frame) -> String {
    match caller.line {
        Some(line) if caller.file == callee.file => format!(":{line} {}", caller.function),
        _ => short_place(caller),
    }
}

fn short_place(frame: &Frame) -> String {
    format!("{} {}", file_line(frame, base_name(&frame.file.to_string())), frame.function)
}

fn file_line(frame: &Frame, file: &str) -> String {
    frame.line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}"))
}

fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, base)| base)
}

fn fit_tail(text: &str, width: usize) -> String {
    let kept = take_columns(text.chars().rev(), width.saturating_sub(1));
    mark(width).into_iter().chain(kept.into_iter().rev()).collect()
}

fn mark(width: usize) -> Option<char> {
    (width > 0).then_some('…')
}

fn take_columns(characters: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut taken = 0;
    characters
        .take_while(|character| {
            taken += character.width().unwrap_or(0);
            taken <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str, line: u32, function: &str) -> Frame {
        Frame { function: function.into(), file: file.into(), line: Some(line) }
    }

    #[test]
    fn a_function_that_calls_itself_is_reported_once() {
        let fib = |line| frame("/srv/fib.py", line, "fib");
        let mut stack = vec![fib(2); 30];
        stack.push(frame("/srv/fib.py", 9, "main"));
        assert_eq!(chain(&stack, 60, 2), ["/srv/fib.py:2 fib ×30 ← :9 main"]);
        stack[1] = fib(3);
        assert_eq!(chain(&stack, 60, 2), ["/srv/fib.py:2 fib ← :3 fib ← :2 fib ×28 ← :9 main"]);
        assert_eq!(chain(&stack, 34, 1), ["/srv/fib.py:2 fib ← 30 more"]);
    }

    #[test]
    fn a_path_loses_its_left() {
        let path = "/usr/lib/python3/dist-packages/psutil/_common.py:12";
        for (width, expected) in [
            (60, path),
            (51, path),
            (50, "…/lib/python3/dist-packages/psutil/_common.py:12"),
            (36, "…/dist-packages/psutil/_common.py:12"),
            (22, "…/psutil/_common.py:12"),
            (21, "…/_common.py:12"),
            (10, "…mon.py:12"),
            (1, "…"),
            (0, ""),
        ] {
            assert_eq!(fit_path(path, width), expected, "{width}");
        }
    }

    #[test]
    fn a_wide_character_is_two_columns() {
        assert_eq!(fit_path("日本/語語語.py", 12), "…/語語語.py");
        assert_eq!(fit_path("日本/語語語.py", 9), "…語語.py");
        assert_eq!(fit_text("日本語", 4), "日…");
    }

    #[test]
    fn a_place_loses_its_path_first_and_its_function_next() {
        let frame = frame("/srv/shop/app/metrics.py", 41, "Poller.small_reads");
        for (width, expected) in [
            (50, "/srv/shop/app/metrics.py:41 Poller.small_reads"),
            (45, "…/shop/app/metrics.py:41 Poller.small_reads"),
            (36, "…/metrics.py:41 Poller.small_reads"),
            (30, "metrics.py:41 Poller.small_re…"),
            (19, "metrics.py:41 Poll…"),
            (18, "…/metrics.py:41"),
            (8, "…s.py:41"),
        ] {
            assert_eq!(fit_place(&frame, width), expected, "{width}");
        }
    }

    #[test]
    fn one_line_has_three_frames_and_of_the_path_what_fits() {
        let stack = [
            frame("/lib/python3.12/subprocess.py", 1893, "execute"),
            frame("/lib/python3.12/subprocess.py", 1026, "init"),
            frame("/srv/app.py", 88, "worker"),
            frame("/srv/app.py", 9, "main"),
        ];
        for (width, expected) in [
            (90, "/lib/python3.12/subprocess.py:1893 execute ← :1026 init ← app.py:88 worker ← 1 more"),
            (81, "…/python3.12/subprocess.py:1893 execute ← :1026 init ← app.py:88 worker ← 1 more"),
            (68, "subprocess.py:1893 execute ← :1026 init ← app.py:88 worker ← 1 more"),
            (60, "…/subprocess.py:1893 execute ← :1026 init ← 2 more"),
            (20, "…/subprocess.py:1893"),
        ] {
            let line = chain_line(&stack, width).unwrap();
            assert_eq!(line, expected, "{width}");
        }
        assert_eq!(chain_line(&[], 10), None);
    }

    #[test]
    fn a_chain_says_how_many_frames_it_leaves_out() {
        let stack = [
            frame("/lib/python/queue.py", 171, "get"),
            frame("/srv/app.py", 88, "worker"),
            frame("/srv/app.py", 9, "main"),
        ];
        for (width, lines, expected) in [
            (70, 1, "/lib/python/queue.py:171 get ← app.py:88 worker ← :9 main"),
            (55, 1, "…/python/queue.py:171 get ← app.py:88 worker ← :9 main"),
            (46, 1, "…/queue.py:171 get ← app.py:88 worker ← 1 more"),
            (40, 1, "…/queue.py:171 get ← 2 more"),
            (40, 2, "…/queue.py:171 get ← app.py:88 worker|← :9 main"),
            (20, 2, "queue.py:171 get|← 2 more"),
            (16, 1, "queue.py:171 get"),
            (10, 2, "…ue.py:171|← 2 more"),
        ] {
            assert_eq!(chain(&stack, width, lines).join("|"), expected, "{width}");
        }
        assert!(chain(&[], 10, 1).is_empty());
    }
}
