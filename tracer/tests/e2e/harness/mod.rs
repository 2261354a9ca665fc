//! What the tests share: interpreters, the programs that they run, the tracer, its report.

mod files;
mod interpreter;
mod kernel;
mod program;
mod report;
mod servers;
mod signals;
mod status;
mod tracer;

use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

pub use files::{Scratch, install, install_bytes};
pub use interpreter::{Interpreter, Python, each, package, provided, system};
pub use kernel::{Holdings, KernelLog};
pub use program::{Program, only_child, source};
pub use report::{Report, Tally, assert_first, in_window, number, rows, site, stack, text};
pub use rustix::process::Signal;
pub use servers::{answer, ask, children, kill, serve, server, sleeps_in_a_request, until_says, worker};
pub use signals::as_a_shell_would;
pub use status::Status;
pub use tracer::{Run, Tracer, run};

/// Nothing in these tests takes longer, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Turns each property, a `fn(&Python)`, into one test per interpreter: `property::python3_12`. These differ most in what
/// the probes read; the system's is stripped.
macro_rules! on_every_python {
    ($($property:ident),+ $(,)?) => {$(
        crate::harness::on_pythons! {
            $property:
            system System,
            python3_12 Release(12),
            python3_13 Release(13),
        }
    )+};
}
pub(crate) use on_every_python;

/// The same on every release that can be traced.
macro_rules! on_every_release {
    ($($property:ident),+ $(,)?) => {$(
        crate::harness::on_pythons! {
            $property:
            system System,
            python2_7 Two,
            python3_6 Release(6),
            python3_7 Release(7),
            python3_8 Release(8),
            python3_9 Release(9),
            python3_10 Release(10),
            python3_11 Release(11),
            python3_12 Release(12),
            python3_13 Release(13),
            python3_14 Release(14),
            python3_15 Release(15),
        }
    )+};
}
pub(crate) use on_every_release;

/// The same on a release of each kind of GIL: where it lies, and what says where.
macro_rules! on_every_gil {
    ($($property:ident),+ $(,)?) => {$(
        crate::harness::on_pythons! {
            $property:
            system System,
            python3_6 Release(6),
            python3_9 Release(9),
            python3_12 Release(12),
            python3_13 Release(13),
            python3_15 Release(15),
        }
    )+};
}
pub(crate) use on_every_gil;

/// The same on the builds that others made, in a module of another name.
macro_rules! on_other_builds {
    ($($property:ident as $module:ident),+ $(,)?) => {$(
        crate::harness::without_gil! { with_gil $property as $module }
    )+};
}
pub(crate) use on_other_builds;

/// The same on those of them that have a GIL.
macro_rules! on_other_builds_with_gil {
    ($($property:ident as $module:ident),+ $(,)?) => {$(
        crate::harness::with_gil! { $property as $module: }
    )+};
}
pub(crate) use on_other_builds_with_gil;

/// The same on those that have none.
macro_rules! on_other_builds_without_gil {
    ($($property:ident as $module:ident),+ $(,)?) => {$(
        crate::harness::without_gil! { on_pythons $property as $module }
    )+};
}
pub(crate) use on_other_builds_without_gil;

/// One property on these builds, and on those that the next macro adds.
macro_rules! without_gil {
    ($next:ident $property:ident as $module:ident) => {
        crate::harness::$next! {
            $property as $module:
            python3_13t Foreign("python3.13t"),
            python3_14t Foreign("python3.14t"),
            python3_15t Foreign("python3.15t"),
        }
    };
}
pub(crate) use without_gil;

/// One property on these builds, and on others before.
macro_rules! with_gil {
    ($property:ident as $module:ident: $($others:tt)*) => {
        crate::harness::on_pythons! {
            $property as $module:
            $($others)*
            python3_15_manylinux Foreign("python3.15-manylinux"),
            python3_12_musl Foreign("python3.12-musl"),
            python3_13_musl Foreign("python3.13-musl"),
            python3_14_musl Foreign("python3.14-musl"),
        }
    };
}
pub(crate) use with_gil;

/// One property on these interpreters.
macro_rules! on_pythons {
    ($property:ident: $($pythons:tt)+) => {
        crate::harness::on_pythons! { $property as $property: $($pythons)+ }
    };
    ($property:ident as $module:ident: $($name:ident $interpreter:ident $(($which:literal))?),+ $(,)?) => {
        mod $module {
            $(
                #[test]
                fn $name() {
                    use crate::harness::{Interpreter, each};
                    each(Interpreter::$interpreter $(($which))?, super::$property);
                }
            )+
        }
    };
}
pub(crate) use on_pythons;

/// Heavy tests, and those that measure time, go one after another.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // The lock guards no data: a test that failed while holding it leaves nothing broken.
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Waits until something is there.
#[track_caller]
pub fn until<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Says why a test does not run; a failure where the environment asks for all tests.
#[track_caller]
pub fn skip(why: &str) {
    assert!(std::env::var_os("TRACER_REQUIRE_E2E").is_none(), "skipped: {why}");
    eprintln!("skipped: {why}");
}
