//! The real binary, as root, on a real kernel, against real interpreters.
//!
//! A test is two small files of one name: `e2e/SECTION/NAME.rs` and `programs/NAME.py`. The program says `ready` before
//! we attach, works when asked to, and then reports its own truth; the report has to agree with it. Every report passes
//! through [`harness::Run`], which asserts the laws of `quality` whatever else a test checks.
//!
//! A skip prints why; `TRACER_REQUIRE_E2E=1` turns skips into failures, except for interpreters that a machine may
//! well lack.

mod harness;

mod chaos;
mod cli;
mod frames;
mod gc_pauses;
mod gil;
mod incidents;
mod loops;
mod processes;
mod quality;
mod reads;
mod recording;
mod signals;
mod switches;
mod targets;
