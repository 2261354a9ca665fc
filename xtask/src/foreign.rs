//! Interpreters that other people built with other compilers: those that the wheels of `freeze-core` hold for programs
//! that bring their own Python. They are linked statically and stripped; some for musl, some without a GIL.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{run, say, with_remedy};
use crate::suite::PrivateApt;

/// What runs the program that the command line names.
const START: &str = include_str!("frozen_start.py");
/// Written last: the folder is whole.
const STAMP: &str = ".whole";
/// Where musl's loader lies in Debian's package.
const MUSL: &str = "usr/lib/ld-musl-x86_64.so.1";

/// A wheel of `freeze-core`, and the interpreter in it.
struct Wheel {
    /// How its launcher is called.
    name: &'static str,
    minor: u8,
    abi: &'static str,
    platform: &'static str,
    version: &'static str,
    sha256: &'static str,
}

const GLIBC: &str = "manylinux_2_17_x86_64";
const MUSL_1_2: &str = "musllinux_1_2_x86_64";

#[rustfmt::skip] // one line per wheel
const WHEELS: &[Wheel] = &[
    // 0.6.1 is the last with free-threaded 3.13.
    Wheel { name: "python3.13t", minor: 13, abi: "cp313t", platform: GLIBC, version: "0.6.1", sha256: "ccd31f02d3f5b4492bb647859939a906f0c1b3615101a935beae75c81a3eafe6" },
    Wheel { name: "python3.14t", minor: 14, abi: "cp314t", platform: GLIBC, version: "0.8.1", sha256: "b8547956f9cbeabaae9cc758bbc65531962c3fb4fa0c2431c802089e7ea86cca" },
    Wheel { name: "python3.15t", minor: 15, abi: "cp315t", platform: GLIBC, version: "0.8.1", sha256: "a1c31d6740d6d7ae858ab9e02231928cd49ee5f68d7980a8760b65f333c48890" },
    Wheel { name: "python3.15-manylinux", minor: 15, abi: "cp315", platform: GLIBC, version: "0.8.1", sha256: "6b28139d5cfea4cf8712b4745ff78e2892d41f33c90437efddf1ae6eaaba11cf" },
    Wheel { name: "python3.12-musl", minor: 12, abi: "cp312", platform: MUSL_1_2, version: "0.8.1", sha256: "b89dfef01e541b3e859d211bc3911919b8da84f66dec8f7c2bb910800ee1cd9a" },
    Wheel { name: "python3.13-musl", minor: 13, abi: "cp313", platform: MUSL_1_2, version: "0.8.1", sha256: "8caba196a718a50b767f8450e79c7788062025e96ae4f7f2ea40f5b5c97cbbfa" },
    Wheel { name: "python3.14-musl", minor: 14, abi: "cp314", platform: MUSL_1_2, version: "0.8.1", sha256: "0f42655406fbce99983781b35cb49113dd8bb867e270916ed94ffaa3d534973f" },
];

/// Makes those that are not there yet, with a launcher each in `bin`. `library` finds the standard library of a minor
/// version: an interpreter whose library this machine lacks is left out.
pub fn provide(folder: &Path, bin: &Path, library: impl Fn(u8) -> Option<PathBuf>) -> Result<()> {
    WHEELS.iter().try_for_each(|wheel| {
        let home = folder.join("foreign").join(wheel.name);
        match library(wheel.minor) {
            _ if home.join(STAMP).exists() => Ok(()),
            Some(library) => wheel.provide(folder, &home, &library),
            None => {
                say(format!("leaving out {}: no standard library of 3.{}", wheel.name, wheel.minor));
                return Ok(());
            }
        }?;
        write_launcher(&bin.join(wheel.name), &home)
    })
}

impl Wheel {
    fn provide(&self, folder: &Path, home: &Path, library: &Path) -> Result<()> {
        say(format!("downloading {} from freeze-core {}, only once", self.name, self.version));
        let made = self.make(folder, home, library).with_context(|| format!("cannot get {}", self.name));
        with_remedy(made, "try again once the Python package index can be reached")
    }

    fn make(&self, folder: &Path, home: &Path, library: &Path) -> Result<()> {
        if home.exists() {
            fs::remove_dir_all(home)?;
        }
        let unpacked = home.join("wheel");
        fs::create_dir_all(&unpacked)?;
        self.unpack(&unpacked)?;
        self.take_library(home, library)?;
        fs::rename(unpacked.join("freeze_core.libs"), home.join("libs"))?;
        let program = fs::read(self.program(&unpacked)?)?;
        let program = match self.platform {
            MUSL_1_2 => with_loader(program, &musl(folder)?)?,
            _ => program,
        };
        write_executable(&home.join("python3"), &program)?;
        fs::remove_dir_all(&unpacked)?;
        Ok(fs::write(home.join(STAMP), "")?)
    }

    /// By pip, which compares the file's hash.
    fn unpack(&self, to: &Path) -> Result<()> {
        let wanted = format!("freeze-core=={} --hash=sha256:{}\n", self.version, self.sha256);
        let list = to.join("requirements.txt");
        fs::write(&list, wanted)?;
        let version = format!("3.{}", self.minor);
        run(Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--no-compile", "--require-hashes", "--retries", "2"])
            .args(["--implementation", "cp", "--python-version", &version, "--abi", self.abi])
            .args(["--platform", self.platform, "--root-user-action=ignore", "--target"])
            .arg(to)
            .arg("--requirement")
            .arg(&list))
    }

    /// `freeze_core/bases/console-cpython-314t-x86_64-linux-gnu`
    fn program(&self, unpacked: &Path) -> Result<PathBuf> {
        let entries = entries(&unpacked.join("freeze_core/bases"))?;
        let is_it = |path: &PathBuf| name_of(path).starts_with("console-cpython-");
        entries.into_iter().find(is_it).context("the wheel holds no interpreter")
    }

    /// The modules in Python from another build of the same version, those in C from the wheel.
    fn take_library(&self, home: &Path, library: &Path) -> Result<()> {
        let lib = home.join("lib");
        fs::create_dir(&lib)?;
        let left_out = ["lib-dynload", "site-packages", "test", "sitecustomize.py"];
        for path in entries(library)?.into_iter().filter(|path| !left_out.contains(&name_of(path))) {
            symlink(&path, lib.join(name_of(&path)))?;
        }
        for path in entries(&home.join("wheel/freeze_core/lib"))? {
            fs::rename(&path, lib.join(name_of(&path)))?;
        }
        // Where the wheel's own `__startup__` is not a part of the program, it is looked for here.
        fs::write(lib.join("__startup__.py"), START)?;
        Ok(fs::write(lib.join("__init__python3.py"), START)?)
    }
}

fn write_launcher(path: &Path, home: &Path) -> Result<()> {
    let home = home.display();
    let text = format!("#!/bin/sh\nLD_LIBRARY_PATH='{home}/libs' exec '{home}/python3' \"$@\"\n");
    write_executable(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn write_executable(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// musl's loader from Debian sid: what these interpreters need is newer than Debian 12's.
fn musl(folder: &Path) -> Result<PathBuf> {
    let root = folder.join("musl");
    let loader = root.join(MUSL);
    if !loader.exists() {
        let apt = PrivateApt::new(folder.join("musl.apt"), "sid")?;
        apt.update()?;
        let package = apt.download_alone("musl")?;
        fs::create_dir_all(&root)?;
        run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root))?;
        ensure!(loader.exists(), "Debian's package musl has no {MUSL}");
    }
    Ok(loader)
}

/// The same program, to be loaded by `loader`, wherever that lies. The kernel reads its path where the program header
/// `PT_INTERP` says, which may be behind all else in the file.
///
/// <https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html>
fn with_loader(mut program: Vec<u8>, loader: &Path) -> Result<Vec<u8>> {
    const INTERP: u32 = 3;
    let word = |bytes: &[u8], at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
    };
    let table = word(&program, 32).context("no ELF file")? as usize;
    let count = u16::from_le_bytes(program[56..58].try_into()?) as usize;
    let headers = (0..count).map(|index| table + index * 56);
    let interp = |at: &usize| program.get(*at..*at + 4) == Some(&INTERP.to_le_bytes()[..]);
    let Some(at) = headers.into_iter().find(interp) else { bail!("the program has no PT_INTERP") };
    let path = [loader.as_os_str().as_encoded_bytes(), b"\0"].concat();
    let (offset, size) = (program.len() as u64, path.len() as u64);
    program[at + 8..at + 16].copy_from_slice(&offset.to_le_bytes());
    program[at + 32..at + 40].copy_from_slice(&size.to_le_bytes());
    program.extend(path);
    Ok(program)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_another_loader() {
        let mut program = vec![0; 64 + 2 * 56];
        program[32] = 64;
        program[56] = 2;
        program[64 + 56] = 3;
        let changed = with_loader(program, Path::new("/ld")).unwrap();
        assert_eq!(changed[64 + 56 + 8], 176, "behind all else");
        assert_eq!(changed[64 + 56 + 32], 4);
        assert_eq!(&changed[176..], b"/ld\0");
    }
}
