//! Real links, pipes, directories and owners.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;

/// Some user who is neither root nor the one who called sudo.
const STRANGER: u32 = 65_534;

fn invoker() -> Invoker {
    Invoker::new(rustix::process::geteuid().as_raw(), None)
}

fn open(path: &Path) -> Result<Destination, OutputError> {
    Destination::open_for(&invoker(), path, None)
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can give files away");
    }
    root
}

fn names(directory: &TempDir) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn writes_a_file_that_only_its_owner_reads() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("out.json");
    let destination = open(&path).unwrap();
    assert_eq!(destination.format, Format::Json);
    assert!(!path.exists(), "nothing is there before the report is complete");
    destination.finish(b"{}\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"{}\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(&directory), [path]);
}

#[test]
fn replaces_an_old_report_only_when_the_new_one_is_complete() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("out.txt");
    fs::write(&path, "old").unwrap();
    let destination = open(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    destination.finish(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn leaves_nothing_behind_when_it_is_dropped() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory.path().join("out.txt")).unwrap());
    assert_eq!(names(&directory), [] as [PathBuf; 0]);
}

#[test]
fn takes_the_format_from_the_name_or_the_flag() {
    let directory = TempDir::new().unwrap();
    for (name, flag, expected) in [
        ("a.txt", None, Some(Format::Text)),
        ("a.json", None, Some(Format::Json)),
        ("a.json", Some(Format::Text), Some(Format::Text)),
        ("a.odt", Some(Format::Json), Some(Format::Json)),
        ("a.odt", None, None),
        ("a", None, None),
        (".json", None, None),
    ] {
        let opened = Destination::open_for(&invoker(), &directory.path().join(name), flag);
        assert_eq!(opened.as_ref().map(|opened| opened.format).ok(), expected, "{name}");
        assert!(opened.err().is_none_or(|error| error.is_usage()), "{name}");
    }
    assert!(Destination::open(Path::new("-"), None).unwrap().is_stdout());
}

#[test]
fn refuses_what_is_no_plain_file() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("victim"), "precious").unwrap();
    symlink(at("victim"), at("link.txt")).unwrap();
    symlink(at("nowhere"), at("dangling.txt")).unwrap();
    fs::create_dir(at("directory.txt")).unwrap();
    mknodat(CWD, at("fifo.txt"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(at("socket.txt")).unwrap();
    fs::write(at("one.txt"), "").unwrap();
    fs::hard_link(at("one.txt"), at("two.txt")).unwrap();
    for (name, expected) in [
        ("link.txt", Obstacle::Link),
        ("dangling.txt", Obstacle::Link),
        ("directory.txt", Obstacle::Directory),
        ("fifo.txt", Obstacle::Fifo),
        ("socket.txt", Obstacle::Device),
        ("two.txt", Obstacle::HardLinked),
    ] {
        let Err(OutputError::Occupied { obstacle, .. }) = open(&at(name)) else { panic!("{name} was taken") };
        assert_eq!(obstacle, expected, "{name}");
    }
    assert!(matches!(open(Path::new("/dev/..")), Err(OutputError::UnknownFormat { .. })));
    assert!(!at("nowhere").exists());
    assert_eq!(names(&directory).len(), 8, "no draft was left");
}

#[test]
fn refuses_what_came_up_while_it_was_writing() {
    let directory = TempDir::new().unwrap();
    let (path, victim) = (directory.path().join("out.txt"), directory.path().join("victim"));
    fs::write(&victim, "precious").unwrap();
    let destination = open(&path).unwrap();
    symlink(&victim, &path).unwrap();
    assert!(matches!(destination.finish(b"new"), Err(OutputError::Occupied { .. })));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(names(&directory).len(), 2, "no draft was left");
}

#[test]
fn is_not_led_into_a_directory_that_takes_the_place_of_the_opened_one() {
    let directory = TempDir::new().unwrap();
    let (asked, moved) = (directory.path().join("asked"), directory.path().join("moved"));
    fs::create_dir(&asked).unwrap();
    let destination = open(&asked.join("out.txt")).unwrap();
    fs::rename(&asked, &moved).unwrap();
    fs::create_dir(&asked).unwrap();
    destination.finish(b"report").unwrap();
    assert!(moved.join("out.txt").exists());
    assert!(!asked.join("out.txt").exists());
}

#[test]
fn refuses_a_strangers_file_and_a_strangers_link() {
    if !is_root() {
        return;
    }
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("out.txt"), "theirs").unwrap();
    chown(at("out.txt"), Some(STRANGER), None).unwrap();
    let refused = open(&at("out.txt")).unwrap_err();
    assert!(matches!(refused, OutputError::Occupied { obstacle: Obstacle::Foreign, .. }), "{refused}");

    fs::create_dir_all(at("real/deep")).unwrap();
    symlink(at("real"), at("link")).unwrap();
    symlink("link", at("chain")).unwrap();
    open(&at("chain/deep/out.txt")).unwrap().finish(b"").unwrap();
    assert!(at("real/deep/out.txt").exists(), "our own links are followed");

    lchown(at("link"), Some(STRANGER), None).unwrap();
    let refused = open(&at("chain/deep/out.txt")).unwrap_err();
    assert!(matches!(refused, OutputError::ForeignLink { .. }), "{refused}");
}

#[test]
fn gives_the_report_to_the_one_who_called_sudo() {
    if !is_root() {
        return;
    }
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("out.txt");
    chown(directory.path(), Some(1_234), None).unwrap();
    let caller = Invoker::new(0, Some((1_234, 5_678)));
    for report in ["first", "second replaces the caller's own"] {
        Destination::open_for(&caller, &path, None).unwrap().finish(report.as_bytes()).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.len()), (1_234, 5_678, report.len() as u64));
    }
    assert!(open(&path).is_err(), "to anybody else it is a stranger's");
}

/// Who may run tracer by sudo, and nothing else, gets nothing by it.
#[test]
fn the_one_who_called_sudo_has_no_rights_of_roots() {
    if !is_root() {
        return;
    }
    let roots = TempDir::new().unwrap();
    fs::set_permissions(roots.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let caller = Invoker::new(0, Some((1_234, 5_678)));
    let open = |path: &Path| Destination::open_for(&caller, path, None);
    let refused = open(&roots.path().join("new.txt")).unwrap_err().to_string();
    assert!(refused.ends_with("new.txt: permission denied; try another directory"), "{refused}");
    assert_eq!(names(&roots), [] as [PathBuf; 0]);

    let callers = TempDir::new().unwrap();
    chown(callers.path(), Some(1_234), None).unwrap();
    let path = callers.path().join("roots.txt");
    fs::write(&path, "root's").unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, OutputError::Occupied { obstacle: Obstacle::Foreign, .. }), "{refused}");
    assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().uid()), (b"root's".to_vec(), 0));

    fs::set_permissions(roots.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(roots.path().join("open")).unwrap();
    chown(roots.path().join("open"), Some(1_234), None).unwrap();
    assert!(open(&roots.path().join("open/new.txt")).is_err(), "a folder that the caller cannot come to");
}

/// Until it is whole, nothing is there that would stay if we were killed.
#[test]
fn a_draft_has_no_name() {
    let directory = TempDir::new().unwrap();
    let destination = open(&directory.path().join("out.txt")).unwrap();
    assert_eq!(names(&directory), [] as [PathBuf; 0]);
    destination.finish(b"report").unwrap();
    assert_eq!(names(&directory), [directory.path().join("out.txt")]);
}

#[test]
fn finds_a_name_although_others_are_taken() {
    let directory = TempDir::new().unwrap();
    let taken = directory.path().join(format!(".tracer-{}-0.tmp", std::process::id()));
    symlink("/dev/null", &taken).unwrap();
    let path = directory.path().join("out.txt");
    open(&path).unwrap().finish(b"report").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"report");
    assert!(taken.is_symlink());
}

#[test]
fn says_what_went_wrong_in_one_line() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("missing/out.txt");
    assert_eq!(
        open(&path).unwrap_err().to_string(),
        format!("cannot create {}: no such file or directory; try another directory", path.display())
    );
    let full = OutputError::write(Path::new("out.txt"), io::Error::from_raw_os_error(libc::ENOSPC));
    assert_eq!(full.to_string(), "cannot write out.txt: no space left on device; try another disk");
    let broken = OutputError::Stdout(io::Error::from_raw_os_error(libc::EPIPE));
    assert_eq!(broken.to_string(), "cannot write to stdout: broken pipe; try -o FILE");
}
