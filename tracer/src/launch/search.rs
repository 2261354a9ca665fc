//! Whether there is a program, before anything is attached for its sake.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Access, access};

/// Where the C library looks without a `PATH`: execvp(3).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Looks for a program as `execvp(3)` will.
///
/// # Errors
/// `NotFound`, or `PermissionDenied` where only something that is not executable has its name.
pub fn check(program: &OsStr) -> io::Result<()> {
    if program.as_bytes().contains(&b'/') {
        return executable(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let mut result = Err(io::ErrorKind::NotFound.into());
    for directory in std::env::split_paths(&path) {
        match executable(&directory.join(program)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => result = Err(error),
            Err(_not_there) => {}
        }
    }
    result
}

fn executable(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_dir() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(access(path, Access::EXEC_OK)?)
}
