//! Frames and stacks as the report shows them, and which line of a stack a person can change.

use std::sync::Arc;

use tracer_common::python;

use crate::event::{SpaceId, StackId};
use crate::report;
use crate::symbols::{FrameId, Symbols};

/// The frames of a stack by their names: stacks that differ in instructions or addresses only are equal.
pub type FrameIds = Arc<[FrameId]>;

/// The frames of a stack; `None` where there was no Python stack or its record never arrived.
pub fn frames(symbols: &Symbols, stack: StackId) -> Option<FrameIds> {
    let frames = &symbols.stacks.get(stack)?.frames;
    (!frames.is_empty()).then(|| frames.clone())
}

/// The line at which one raw frame was, if its code object is known.
pub fn site(symbols: &Symbols, space: SpaceId, site: &python::Frame) -> Option<FrameId> {
    symbols.site(space, site).filter(|id| symbols.frame(*id).line.is_some())
}

/// A frame of the report.
pub fn frame(symbols: &Symbols, id: FrameId) -> report::Frame {
    let frame = symbols.frame(id);
    report::Frame {
        function: report::Name::new(&frame.function),
        file: report::Name::new(&frame.file),
        line: frame.line,
    }
}

/// A stack of the report.
pub fn stack(symbols: &Symbols, frames: &[FrameId]) -> report::Stack {
    frames.iter().map(|&id| frame(symbols, id)).collect()
}

/// A stack of the report, by its id.
pub fn stack_of(symbols: &Symbols, id: StackId) -> Option<report::Stack> {
    frames(symbols, id).map(|frames| stack(symbols, &frames))
}

/// The line that a person can change: the innermost frame outside the standard library, or the innermost one.
pub fn own_frame(symbols: &Symbols, frames: &[FrameId]) -> Option<FrameId> {
    let names = |id: &&FrameId| {
        let frame = symbols.frame(**id);
        (&frame.function[..], &frame.file[..], frame.line)
    };
    let mut of_process = frames.iter().take_while(|id| !starts_a_worker(names(id)));
    of_process.find(|id| is_own_line(names(id))).or(frames.first()).copied()
}

/// The same of a stack that is part of the report already.
pub fn own_line(stack: &[report::Frame]) -> Option<&report::Frame> {
    own_code(stack).or(stack.first())
}

/// The innermost frame outside the standard library, if there is one.
pub fn own_code(stack: &[report::Frame]) -> Option<&report::Frame> {
    stack.iter().take_while(|frame| !starts_a_worker(names(frame))).find(|frame| is_own(frame))
}

fn names(frame: &report::Frame) -> FrameNames<'_> {
    (frame.function.as_bytes(), frame.file.as_bytes(), frame.line)
}

/// A function, its file, and the line.
type FrameNames<'a> = (&'a [u8], &'a [u8], Option<u32>);

/// Where a process of `multiprocessing` begins its own work: what called that in a fork is what its parent did then.
/// <https://github.com/python/cpython/blob/v3.12.0/Lib/multiprocessing/process.py#L292>
fn starts_a_worker((function, file, _): FrameNames) -> bool {
    function.ends_with(b"_bootstrap") && file.ends_with(b"/multiprocessing/process.py")
}

/// `file:line` of a frame.
pub fn place(frame: &crate::symbols::Frame) -> report::Name {
    let line = frame.line.map_or_else(String::new, |line| format!(":{line}"));
    report::Name::new([&frame.file[..], line.as_bytes()].concat())
}

/// Whether this file belongs to Python itself: `<frozen …>`, or below `lib/python3.12` but not in `site-packages`.
pub fn is_standard_library(file: &[u8]) -> bool {
    if file.starts_with(b"<frozen ") {
        return true;
    }
    let parts: Vec<_> = file.split(|&byte| byte == b'/').collect();
    let library = parts.windows(2).position(|pair| is_library(pair[0], pair[1]));
    let below = library.and_then(|at| parts.get(at + 2));
    below.is_some_and(|part| ![&b"site-packages"[..], b"dist-packages"].contains(part))
}

/// Whether a person wrote the line that a frame is at.
pub fn is_own(frame: &report::Frame) -> bool {
    is_own_line(names(frame))
}

/// Neither the standard library's, nor the one line of a `python -c` by which that library starts helpers of its own, such
/// as multiprocessing's resource tracker.
/// <https://github.com/python/cpython/blob/v3.12.0/Lib/multiprocessing/resource_tracker.py#L119>
fn is_own_line((function, file, line): FrameNames) -> bool {
    let starts_a_helper = (function, file, line) == (b"<module>", b"<string>", Some(1));
    !starts_a_helper && !is_standard_library(file)
}

/// `lib/python3.12`, `lib/python3.13t`, `lib64/python2.7`, and `python312.zip` anywhere. `lib/python3` is Debian's place
/// for packages, and `python3.12` elsewhere may be of any package.
fn is_library(parent: &[u8], part: &[u8]) -> bool {
    let Some(version) = part.strip_prefix(b"python") else { return false };
    let (version, is_in_place) = match version.strip_suffix(b".zip") {
        Some(version) => (version, true),
        None => (version.strip_suffix(b"t").unwrap_or(version), parent == b"lib" || parent == b"lib64"),
    };
    is_in_place && version.len() > 1 && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_the_standard_library_from_what_a_person_wrote() {
        for (file, standard) in [
            ("/usr/lib/python3.11/threading.py", true),
            ("/home/me/.pyenv/versions/3.13.0/lib/python3.13t/json/encoder.py", true),
            ("/opt/app/python312.zip/queue.py", true),
            ("/usr/lib64/python2.7/subprocess.py", true),
            ("<frozen importlib._bootstrap>", true),
            ("/usr/lib/python3.11/site-packages/requests/api.py", false),
            ("/usr/lib/python3/dist-packages/apt/cache.py", false),
            ("/srv/app/python.py", false),
            ("/srv/python/app.py", false),
            ("/srv/python3/app.py", false),
            ("/srv/lib/python/app.py", false),
            ("/opt/packages/python3.9/psutil/_common.py", false),
            ("<string>", false),
            ("", false),
        ] {
            assert_eq!(is_standard_library(file.as_bytes()), standard, "{file}");
        }
    }

    #[test]
    fn the_line_to_change_is_the_innermost_of_ones_own() {
        let at = |file: &str| report::Frame { file: file.into(), ..report::Frame::default() };
        let (library, own, main) = (at("/usr/lib/python3.11/threading.py"), at("work.py"), at("main.py"));
        let command = report::Frame { function: "<module>".into(), line: Some(1), ..at("<string>") };
        let worker = report::Frame {
            function: "BaseProcess._bootstrap".into(),
            ..at("/usr/lib/python3.11/multiprocessing/process.py")
        };
        for (name, stack, expected) in [
            ("below the library", vec![library.clone(), own.clone(), main.clone()], Some(&own)),
            ("one's own is innermost", vec![main.clone(), library.clone()], Some(&main)),
            ("nothing but library", vec![library.clone()], Some(&library)),
            ("a helper of the library's", vec![library.clone(), command.clone()], Some(&library)),
            ("a command", vec![command.clone()], Some(&command)),
            ("a worker without work", vec![library.clone(), worker.clone(), main.clone()], Some(&library)),
            ("a worker at work", vec![library.clone(), own.clone(), worker, main.clone()], Some(&own)),
            ("no stack", vec![], None),
        ] {
            assert_eq!(own_line(&stack), expected, "{name}");
        }
    }
}
