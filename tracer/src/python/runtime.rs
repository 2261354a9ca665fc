//! Finds the interpreter of a process in whatever file it is: a `python`, a `libpython`, a program that embeds one.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use crate::event::Pid;
use crate::process::Process;
use crate::process::allowance::Allowance;
use crate::process::elf::Elf;
use crate::process::error::{Error, printable};
use crate::process::maps::Mapping;
use crate::process::open::open_mapped;

/// Most files that are searched.
const FILES: usize = 1024;
/// Most interpreters that are tried: a process may have one in each library that it loads, and run another.
const RUNTIMES: usize = 16;

/// The file that holds the interpreter.
#[derive(Debug)]
pub struct Runtime {
    /// Its name, as the target sees it.
    pub name: Vec<u8>,
    /// Leads to it from here.
    pub path: PathBuf,
    /// Its symbols.
    pub elf: Elf,
    /// What to add to its addresses.
    pub bias: u64,
    /// Where its instructions are mapped.
    pub text: Vec<Range<u64>>,
    /// How it was recognised.
    pub evidence: FoundBy,
}

/// What shows that a file holds an interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// The section `.PyRuntime`: 3.10 and later.
    Section {
        /// Address of `_PyRuntime` in the file.
        runtime: u64,
    },
    /// The variable `_PyRuntime`: 3.7 and later.
    Variable {
        /// Its address in the file.
        runtime: u64,
    },
    /// The variable `_PyThreadState_Current`: 2.7 and 3.6.
    CurrentThreadState,
}

impl FoundBy {
    /// Searches a file for it.
    fn in_file(elf: &Elf) -> Option<Self> {
        if let Some(runtime) = elf.section(".PyRuntime") {
            return Some(Self::Section { runtime });
        }
        if let Some(symbol) = elf.exported("_PyRuntime") {
            return Some(Self::Variable { runtime: symbol.address });
        }
        elf.exported("_PyThreadState_Current").map(|_| Self::CurrentThreadState)
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Section { .. } => ".PyRuntime",
            Self::Variable { .. } => "_PyRuntime",
            Self::CurrentThreadState => "_PyThreadState_Current",
        }
    }
}

impl Runtime {
    /// Address of `_PyRuntime` in memory, where the release has one.
    #[must_use]
    pub fn address(&self) -> Option<u64> {
        match self.evidence {
            FoundBy::Section { runtime } | FoundBy::Variable { runtime } => Some(self.in_memory(runtime)),
            FoundBy::CurrentThreadState => None,
        }
    }

    /// Address in memory of a symbol that the file defines.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<u64> {
        self.elf.symbol(name).map(|symbol| self.in_memory(symbol.address))
    }

    /// An address of the file as it is in memory.
    #[must_use]
    pub fn in_memory(&self, address: u64) -> u64 {
        address.wrapping_add(self.bias)
    }
}

/// Finds the interpreter: the first that is accepted, of all that the process has mapped. It may well run another than
/// that which it maps first.
///
/// # Errors
/// When there is none, by name of what there is instead; when none is accepted, with the best reason why not.
pub fn find<T>(
    process: &Process,
    maps: &[Mapping],
    allowance: &Allowance,
    mut accept: impl FnMut(Runtime) -> Result<T, Error>,
) -> Result<T, Error> {
    if let Some(implementation) = other_implementation(maps) {
        return Err(Error::OtherPython { pid: process.pid, implementation });
    }
    let (mut no_runtime, mut refused) = (not_python(process), Vec::new());
    for mapping in candidates(maps) {
        match search_file(process, maps, mapping, allowance) {
            Ok(Holds::Runtime(runtime)) => match accept(*runtime) {
                Err(why_not) if !why_not.is_gone() => refused.push(why_not),
                found_or_gone => return found_or_gone,
            },
            Ok(Holds::Imports) => no_runtime = Error::NotInitialised { pid: process.pid },
            Ok(Holds::Nothing) => {}
            Err(denied) => no_runtime = denied,
        }
        if allowance.is_spent() {
            refused.push(Error::TooMuch { pid: process.pid });
        }
        if allowance.is_spent() || refused.len() == RUNTIMES {
            break;
        }
    }
    Err(best_reason(refused).unwrap_or(no_runtime))
}

/// What may pass, or else what was found first.
fn best_reason(refused: Vec<Error>) -> Option<Error> {
    let may_pass = |error: &Error| matches!(error, Error::NotInitialised { .. });
    let best = refused.iter().position(may_pass).unwrap_or_default();
    refused.into_iter().nth(best)
}

/// What a file holds of Python.
enum Holds {
    Runtime(Box<Runtime>),
    /// It needs an interpreter, which the dynamic linker has yet to map.
    Imports,
    Nothing,
}

fn search_file(
    process: &Process,
    maps: &[Mapping],
    mapping: &Mapping,
    allowance: &Allowance,
) -> Result<Holds, Error> {
    let opened = match open_mapped(process, mapping) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_permitted(process.pid, error));
        }
        Err(_not_a_file_to_read) => return Ok(Holds::Nothing),
    };
    let Some(elf) = Elf::read(opened.file, allowance) else { return Ok(Holds::Nothing) };
    let same_file = || maps.iter().filter(|other| other.file() == mapping.file());
    let (Some(evidence), Some(bias)) = (FoundBy::in_file(&elf), elf.load_bias(same_file())) else {
        return Ok(if elf.imports_python() { Holds::Imports } else { Holds::Nothing });
    };
    let text =
        same_file().filter(|mapping| mapping.executable).map(|mapping| mapping.range.clone()).collect();
    let name = mapping.path.clone();
    Ok(Holds::Runtime(Box::new(Runtime { name, path: opened.path, elf, bias, text, evidence })))
}

/// One mapping of each file that instructions are fetched from, those named after Python first.
fn candidates(maps: &[Mapping]) -> Vec<&Mapping> {
    let mut seen = HashSet::new();
    let is_code = |mapping: &&Mapping| mapping.executable && mapping.inode != 0;
    let mut files: Vec<_> =
        maps.iter().filter(is_code).filter(|mapping| seen.insert(mapping.file())).collect();
    files.sort_by_key(|mapping| !contains(mapping.file_name(), b"python"));
    files.truncate(FILES);
    files
}

/// Another implementation of Python, by the names of its files.
fn other_implementation(maps: &[Mapping]) -> Option<&'static str> {
    let named = |part: &[u8]| maps.iter().any(|mapping| contains(mapping.file_name(), part));
    let known: [(&[u8], _); 4] = [
        (b"pypy", "PyPy"),
        (b"graalpy", "GraalPy"),
        (b"libpythonvm", "GraalPy"),
        (b"micropython", "MicroPython"),
    ];
    known.into_iter().find(|(part, _)| named(part)).map(|(_, name)| name)
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

fn not_python(process: &Process) -> Error {
    let executable = process.exe().or_else(|| process.comm().ok()).unwrap_or_default();
    Error::NotPython { pid: process.pid, executable: printable(&executable) }
}

fn not_permitted(pid: Pid, cause: io::Error) -> Error {
    Error::denied(pid, "mapped files", "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH", cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::process::maps;

    #[test]
    fn files_named_after_python_are_searched_first() {
        let maps = maps::parse(
            b"1000-2000 r-xp 0 fe:1 1 /usr/lib/libc.so.6\n2000-3000 r--p 0 fe:1 2 /usr/lib/libpython3.11.so\n\
              3000-4000 r-xp 0 fe:1 2 /usr/lib/libpython3.11.so\n4000-5000 r-xp 0 fe:1 2 /usr/lib/libpython3.11.so\n\
              5000-6000 r-xp 0 0:0 0 [vdso]\n6000-7000 rw-p 0 fe:1 3 /tmp/data\n",
        );
        let starts: Vec<_> = candidates(&maps).iter().map(|mapping| mapping.range.start).collect();
        assert_eq!(starts, [0x3000, 0x1000]);
    }

    #[test]
    fn what_may_pass_is_the_better_reason() {
        let unknown = || Error::UnknownVersion { pid: 7, version: "3.16.0".into() };
        let version = || Error::NoVersion { pid: 7, binary: "libpython.so".into() };
        let best = |refused| best_reason(refused).map(|error| error.kind());
        assert_eq!(best(vec![unknown(), Error::NotInitialised { pid: 7 }]), Some(ErrorKind::Other));
        assert!(matches!(best_reason(vec![unknown(), version()]), Some(Error::UnknownVersion { .. })));
        assert_eq!(best(Vec::new()), None);
    }

    #[test]
    fn other_implementations_are_known_by_their_files() {
        for (file, expected) in [
            ("/opt/pypy3.10/bin/libpypy3.10-c.so", Some("PyPy")),
            ("/opt/graalpy-24/lib/libpythonvm.so", Some("GraalPy")),
            ("/opt/pypy-tools/bin/python3.11", None),
        ] {
            let maps = maps::parse(format!("1000-2000 r-xp 0 fe:1 1 {file}\n").as_bytes());
            assert_eq!(other_implementation(&maps), expected, "{file}");
        }
    }
}
