//! Paths that differ only by a pid, by a peer's port, or by the number of what has no name: a program that reads of every
//! process reads one file, not thousands.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::event::Bytes;
use crate::symbols::{DELETED, any_deleted};

/// Files of one pattern from which on they are shown as one.
const FILES: usize = 16;

/// Which paths are shown by their pattern, by reader.
pub struct Patterns<R> {
    files: HashMap<(R, Bytes), HashSet<Bytes>>,
}

impl<R: Copy + Eq + Hash> Patterns<R> {
    /// Notes what each reader reads in procfs, and from which peers it receives.
    pub fn new(reads: impl Iterator<Item = (R, Bytes)>) -> Self {
        let mut files = HashMap::<_, HashSet<_>>::new();
        for (reader, path) in reads {
            if let Some(pattern) = pattern(&path) {
                files.entry((reader, pattern)).or_default().insert(path);
            }
        }
        Self { files }
    }

    /// The path as it is, or its pattern where this reader reads many such files.
    pub fn path(&self, reader: R, path: Bytes) -> Bytes {
        let Some(pattern) = pattern(&path) else { return path };
        let key = (reader, pattern);
        // The probes distinguish only some of what comes and goes.
        let is_one = |files: &HashSet<Bytes>| files.len() > FILES || files.contains(&key.1);
        if self.files.get(&key).is_some_and(is_one) { key.1 } else { path }
    }
}

/// `None` for what has none.
fn pattern(path: &[u8]) -> Option<Bytes> {
    match path {
        [b'/', ..] if path.ends_with(DELETED) => Some(any_deleted(path)),
        [b'/', ..] => per_pid(path),
        path if path.starts_with(b"pipe:[") => Some(Bytes::from_static(b"pipe:[*]")),
        path if path.starts_with(b"memfd:") => Some(Bytes::from_static(b"memfd:*")),
        path => per_peer(path),
    }
}

/// `10.0.0.5:*` for `10.0.0.5:43210`.
fn per_peer(path: &[u8]) -> Option<Bytes> {
    let colon = path.iter().rposition(|&byte| byte == b':')?;
    let (address, port) = path.split_at(colon + 1);
    let is_port = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    is_port.then(|| [address, b"*"].concat().into())
}

/// `/proc/[pid]/task/[tid]/stat` for `/proc/12/task/34/stat`.
fn per_pid(path: &[u8]) -> Option<Bytes> {
    let file = after_number(path.strip_prefix(b"/proc/")?)?;
    let thread = file.strip_prefix(b"/task/").and_then(after_number);
    let pattern = match thread {
        Some(file) => [b"/proc/[pid]/task/[tid]", file].concat(),
        None => [b"/proc/[pid]", file].concat(),
    };
    Some(pattern.into())
}

/// What follows a part of a path that is a number.
fn after_number(path: &[u8]) -> Option<&[u8]> {
    let digits = path.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &path[digits..];
    (digits > 0 && (rest.is_empty() || rest[0] == b'/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_replace_ids_and_ports() {
        for (path, expected) in [
            ("/proc/4242/stat", Some("/proc/[pid]/stat")),
            ("/proc/1/task/2/comm", Some("/proc/[pid]/task/[tid]/comm")),
            ("/proc/1/task", Some("/proc/[pid]/task")),
            ("/proc/1/fd/3", Some("/proc/[pid]/fd/3")),
            ("/proc/stat", None),
            ("/proc/12a/stat", None),
            ("/proc/", None),
            ("/srv/proc/1/stat", None),
            ("10.0.0.5:43210", Some("10.0.0.5:*")),
            ("[::1]:80", Some("[::1]:*")),
            ("pipe:[4711]", Some("pipe:[*]")),
            ("memfd:x", Some("memfd:*")),
            ("/tmp/#4711 (deleted)", Some("/tmp/* (deleted)")),
            ("/proc/4242/stat (deleted)", Some("/proc/4242/* (deleted)")),
        ] {
            assert_eq!(pattern(path.as_bytes()).as_deref(), expected.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn folds_from_the_seventeenth_file_on() {
        let stat = |pid: usize| Bytes::from(format!("/proc/{pid}/stat").into_bytes());
        for (files, folded) in [(1, false), (16, false), (17, true), (1000, true)] {
            let paths = Patterns::new((1..=files).map(|pid| ("a.py:1", stat(pid))));
            assert_eq!(*paths.path("a.py:1", stat(1)) == *b"/proc/[pid]/stat", folded, "{files}");
            assert_eq!(paths.path("b.py:1", stat(1)), stat(1), "another reader, {files}");
        }
        let few = ["pipe:[7]", "pipe:[*]"].map(|path| ("a.py:1", Bytes::from_static(path.as_bytes())));
        let paths = Patterns::new(few.iter().cloned());
        assert_eq!(*paths.path("a.py:1", few[0].1.clone()), *b"pipe:[*]", "more than are distinguished");
    }
}
