//! `--redact`: what of a target's words is not shown. It is taken away where it comes in, so that no output can have it.
//!
//! Arguments, paths and peers go; names of functions, threads and programs stay, and of source files the last part, as
//! does what a kernel or a Python release calls its files. Equal ones stay equal: each is shown by a hash, whose key is
//! made anew in each run and never written, so that nobody can look for a path by trying.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::event::Bytes;
use crate::symbols::{File, FileKind};

static ON: AtomicBool = AtomicBool::new(false);
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

const MORE: &[u8] = "…".as_bytes();
/// Of the kernel's, and the same everywhere.
const OF_ALL: [&[u8]; 3] = [b"/proc/", b"/sys/", b"/dev/"];

/// From now on.
pub fn begin() {
    ON.store(true, Ordering::Relaxed);
}

fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// A command line: what is executed, without where it is.
pub(crate) fn title(line: Bytes) -> Bytes {
    if is_on() { title_of(&line) } else { line }
}

fn title_of(line: &[u8]) -> Bytes {
    let mut words = line.splitn(2, |&byte| byte == b' ');
    let program = last_part(words.next().unwrap_or_default());
    let rest = words.next().filter(|rest| !rest.is_empty()).map_or(&b""[..], |_| " …".as_bytes());
    [program, rest].concat().into()
}

/// The words of a command line.
pub(crate) fn arguments(words: Vec<Bytes>) -> Vec<Bytes> {
    if is_on() { arguments_of(words) } else { words }
}

fn arguments_of(words: Vec<Bytes>) -> Vec<Bytes> {
    let hidden = |(at, word): (usize, Bytes)| match at {
        0 => Bytes::copy_from_slice(last_part(&word)),
        _ => Bytes::from_static(MORE),
    };
    words.into_iter().enumerate().map(hidden).collect()
}

/// Where a program is.
#[must_use]
pub fn program(path: Bytes) -> Bytes {
    if is_on() { Bytes::copy_from_slice(last_part(&path)) } else { path }
}

/// A control group.
pub(crate) fn group(path: Bytes) -> Bytes {
    if is_on() && &*path != b"/" { hidden("group", &path) } else { path }
}

/// `co_filename`
pub(crate) fn source(path: Bytes) -> Bytes {
    if is_on() { source_of(&path) } else { path }
}

/// What lies below `lib/python3.12` is known by that: it is Python's own, or a package.
fn source_of(path: &[u8]) -> Bytes {
    let parts: Vec<_> = path.split(|&byte| byte == b'/').collect();
    let is_library = |pair: &[&[u8]]| pair[0].starts_with(b"lib") && pair[1].starts_with(b"python");
    match parts.windows(2).position(is_library) {
        Some(at) => [MORE, b"/", &parts[at..].join(&b'/')].concat().into(),
        None => Bytes::copy_from_slice(last_part(path)),
    }
}

/// What a descriptor meant.
pub(crate) fn file(file: File) -> File {
    if is_on() { File { path: path_of(&file), ..file } } else { file }
}

fn path_of(file: &File) -> Bytes {
    let has_no_name = [&b"inet socket"[..], b"unix socket"].contains(&&*file.path);
    match file.kind {
        FileKind::Inet | FileKind::Unix if !has_no_name => hidden("peer", &file.path),
        FileKind::Memfd => hidden("memfd", &file.path),
        _ if OF_ALL.iter().any(|beginning| file.path.starts_with(beginning)) => file.path.clone(),
        _ if file.path.contains(&b'/') => hidden("path", &file.path),
        _ => file.path.clone(), // `pipe:[4711]`
    }
}

fn hidden(what: &str, name: &[u8]) -> Bytes {
    format!("[{what} {:08x}]", KEY.hash_one(name) as u32).into_bytes().into()
}

fn last_part(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_goes_and_the_rest_stays() {
        for (path, shown) in [
            ("/home/me/secret/app.py", "app.py"),
            ("/usr/lib/python3.11/threading.py", "…/lib/python3.11/threading.py"),
            (
                "/home/me/.venv/lib/python3.12/site-packages/flask/app.py",
                "…/lib/python3.12/site-packages/flask/app.py",
            ),
            ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ] {
            assert_eq!(&*source_of(path.as_bytes()), shown.as_bytes(), "{path}");
        }
        assert_eq!(&*title_of(b"/opt/me/bin/python3 -c token=7"), "python3 …".as_bytes());
        assert_eq!(&*title_of(b"nginx: worker"), "nginx: …".as_bytes());
        assert_eq!(&*title_of(b"sleep"), b"sleep");
        let words = ["/bin/sh", "-c", "token=7"].map(|word| Bytes::from_static(word.as_bytes()));
        assert_eq!(arguments_of(words.to_vec()), ["sh", "…", "…"]);
    }

    #[test]
    fn files_are_distinguished_and_not_named() {
        let shown = |path: &str, kind| path_of(&File { path: Bytes::copy_from_slice(path.as_bytes()), kind });
        for (path, kind) in [
            ("/proc/7/stat", FileKind::Procfs),
            ("/dev/null", FileKind::Device),
            ("pipe:[4711]", FileKind::Pipe),
            ("unix socket", FileKind::Unix),
        ] {
            assert_eq!(&*shown(path, kind), path.as_bytes());
        }
        for (path, kind, what) in [
            ("/srv/customers/miller.db", FileKind::Regular, "path"),
            ("10.0.0.7:5432", FileKind::Inet, "peer"),
            ("@secret", FileKind::Unix, "peer"),
            ("memfd:secret", FileKind::Memfd, "memfd"),
        ] {
            let hidden = shown(path, kind);
            assert!(hidden.starts_with(format!("[{what} ").as_bytes()), "{hidden:?}");
            assert_eq!(
                (hidden.len(), &hidden),
                (what.len() + 11, &shown(path, kind)),
                "equal ones stay equal"
            );
            assert_ne!(hidden, shown(&format!("{path}x"), kind));
        }
    }
}
