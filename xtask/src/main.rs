//! `cargo xtask`: sets up, builds, runs and tests the tracer.

mod apt;
mod bench;
mod build;
mod chaos;
mod command;
mod compiler;
mod demo;
mod dist;
mod foreign;
mod fuzz;
mod kernels;
mod linker;
mod packages;
mod pictures;
mod pythons;
mod run;
mod setup;
mod soak;
mod suite;
mod test;
mod tree;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about)]
enum Task {
    /// Install what this machine lacks to build and test; safe to repeat
    Setup,
    /// Build the probes, and target/release/tracer around them
    Build,
    /// Build what others are given, in target/dist: a static program, a wheel, a Debian package, the crates
    Dist {
        /// Install and run each, where there is no toolchain; and build all once more, elsewhere, to the same bytes
        #[arg(long)]
        check: bool,
    },
    /// Build the probes alone, and leave the tracer to cargo: the shortest way from an edit to a test
    Probes,
    /// Build, then run the tracer as root; without arguments, on a demo program for ten seconds
    Run {
        /// Passed to the tracer as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, trace the demo program, and draw its report: docs/report.svg
    Pictures,
    /// Get the interpreters and packages that the tests trace, and list the interpreters that are here
    Pythons,
    /// Boot other kernels in a guest, and check the tracer on each; without arguments from 5.10 to the newest
    Kernels {
        /// Debian's suites
        suites: Vec<String>,
    },
    /// Build, then measure what tracing costs, beside other tools; results go to target/bench
    Bench {
        /// Only these cases
        names: Vec<String>,
        /// Turns of each contender
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Seconds that a workload works in each turn
        #[arg(long, default_value_t = 1.0)]
        seconds: f64,
    },
    /// Build, then do to the tracer what may happen to it, for half an hour: kills, faults, liars; alters clock and CPUs
    Chaos {
        /// For a minute only, and nothing that others would notice: as the tests do by themselves
        #[arg(long)]
        quick: bool,
    },
    /// Build, then give the parsers what nobody would write: the fuzz targets, one after the other, or those of these names
    Fuzz {
        /// Only these targets
        names: Vec<String>,
        /// How long each
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Build, then trace a program of which everything comes and goes, and see that nothing of ours grows
    Soak {
        /// How long
        #[arg(long, default_value_t = 6.0)]
        hours: f64,
        /// This one instead of one that is built
        #[arg(long)]
        tracer: Option<PathBuf>,
    },
    /// Build, then check formatting, lints and docs, and run all tests, the end-to-end ones as root
    Test {
        /// Only run the tests whose names contain one of these
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup => setup::setup().map(|()| ExitCode::SUCCESS),
        Task::Build => build::build().map(|_tracer| ExitCode::SUCCESS),
        Task::Dist { check } => dist::dist(check).map(|()| ExitCode::SUCCESS),
        Task::Probes => build::probes().map(|()| ExitCode::SUCCESS),
        Task::Run { args } => run::run(&args),
        Task::Pictures => pictures::pictures().map(|()| ExitCode::SUCCESS),
        Task::Pythons => pythons::pythons().map(|()| ExitCode::SUCCESS),
        Task::Kernels { suites } => kernels::kernels(&suites).map(|()| ExitCode::SUCCESS),
        Task::Bench { names, rounds, seconds } => {
            bench::bench(&names, rounds, seconds).map(|()| ExitCode::SUCCESS)
        }
        Task::Chaos { quick } => chaos::chaos(quick).map(|()| ExitCode::SUCCESS),
        Task::Fuzz { names, seconds } => fuzz::fuzz(&names, seconds).map(|()| ExitCode::SUCCESS),
        Task::Soak { hours, tracer } => soak::soak(hours, tracer).map(|()| ExitCode::SUCCESS),
        Task::Test { filters } => test::test(&filters).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
