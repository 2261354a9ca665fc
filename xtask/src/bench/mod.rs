//! What tracing costs, measured beside the tools that it would replace, in turn, on this machine.

mod accuracy;
mod cases;
mod contender;
mod peers;
mod round;
mod summary;
mod table;
mod usage;
mod workload;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::command::{is_root, say};
use crate::{build, packages, pythons, tree};
use cases::{CASES, Case};
use peers::Peers;
use round::{Round, Subject};
pub use workload::Workload;

/// Runs the cases of these names, all of them without any.
pub fn bench(names: &[String], rounds: usize, seconds: f64) -> Result<()> {
    ensure!(is_root(), "cannot measure: tracing needs root; try sudo");
    let cases = chosen(names)?;
    let tracer = build::build()?;
    pythons::provide().unwrap_or_else(|error| say(format!("measuring without some interpreters: {error:#}")));
    packages::provide_benched(&pythons::packages(), pythons::release)
        .unwrap_or_else(|error| say(format!("measuring without some packages: {error:#}")));
    let folder = tree::root().join("target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let peers = Peers::get(&folder, tracer)?;
    cases.iter().try_for_each(|case| measure(case, &peers, &folder, rounds, seconds))?;
    let path = folder.join("summary.md");
    std::fs::write(&path, summary::markdown(&folder))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Case>> {
    let known = || CASES.iter().map(|case| case.name).collect::<Vec<_>>().join(", ");
    for name in names {
        ensure!(
            CASES.iter().any(|case| case.name == name),
            "no case is called {name}; try one of {}",
            known()
        );
    }
    Ok(CASES.iter().filter(|case| names.is_empty() || names.iter().any(|name| name == case.name)).collect())
}

fn measure(case: &Case, peers: &Peers, folder: &Path, rounds: usize, seconds: f64) -> Result<()> {
    let debian = || peers.find(&format!("python3.{}", case.minor)).map(Path::to_owned);
    let Some(python) = pythons::release(case.minor).or_else(debian) else {
        say(format!("leaving out {}: there is no CPython 3.{}", case.name, case.minor));
        return Ok(());
    };
    let contenders: Vec<_> = case.contenders.iter().filter(|contender| contender.is_here(peers)).collect();
    let mut seen: Vec<Vec<Round>> = vec![Vec::new(); contenders.len()];
    let rounds = rounds.min(case.rounds);
    for turn in 0..rounds {
        say(format!("{}: round {} of {rounds}", case.name, turn + 1));
        let mut subject = Subject::start(case, &python)?;
        let mut turns: Vec<_> = contenders.iter().zip(&mut seen).collect();
        if turn % 2 == 1 {
            turns.reverse(); // so that what only grows or fades within a round favours nobody
        }
        for (contender, rounds) in turns {
            rounds.push(round::run(&mut subject, **contender, peers, folder, seconds)?);
        }
    }
    let rows = contenders.iter().map(|contender| contender.name()).zip(seen).collect();
    let table = table::Table::new(case, rows);
    print!("{table}");
    let path = folder.join(format!("{}.json", case.name));
    std::fs::write(&path, table.to_json()).with_context(|| format!("cannot write {}", path.display()))
}
