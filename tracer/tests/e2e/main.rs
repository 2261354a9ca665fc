//! The real binary, as root, on a real kernel, against real interpreters.
//!
//! A test is two small files of one name: `e2e/NAME.rs` and `programs/NAME.py`. The program says `ready` before we
//! attach, works when told to, and then tells its own truth; the report has to agree with it. Every report passes
//! through [`harness::Run`], which asserts the laws of `quality` whatever else a test looks at.
//!
//! A skip prints why; `TRACER_REQUIRE_E2E=1` turns skips into failures, except for interpreters that a machine may
//! well lack.

mod harness;

mod advice;
mod before;
mod budget;
mod churn;
mod cli_end;
mod cli_errors;
mod cli_hints;
mod cli_output;
mod connections;
mod cpu;
mod cpython_tests;
mod dead_target;
mod deadlock;
mod dispositions;
mod doctor;
mod dump;
mod ends;
mod fates;
mod free_threads;
mod gc_pauses;
mod gil;
mod groups;
mod handlers;
mod holders;
mod hostile;
mod hot;
mod incidents;
mod interpreters;
mod kinds;
mod ledger;
mod limits;
mod loops;
mod loss;
mod memory;
mod namespaces;
mod neighbours;
mod parked;
mod processes;
mod psutil_polls;
mod reads;
mod refused;
mod run;
mod signals;
mod stops;
mod switches;
mod targets;
mod tree;
mod unharmed;
mod wakers;
mod walk;
mod workers;
mod zombies;
