//! Which capabilities each kind of container has to give: the README's table is tried.

use std::process::Command;

use crate::harness::{Run, Tracer, system, turn};
use crate::targets::namespaces::in_a_pid_namespace;

const README: &str = include_str!("../../../../README.md");
const HEAD: &str = "| where `tracer` runs | capabilities |\n|---|---|\n";
const NOT_PERMITTED: i32 = 5;

/// Where `tracer` runs, by how the table's row begins; how it gets there; and whether it sees the target's inner pid.
const PLACES: [(&str, &[&str], bool); 3] = [
    ("on the host", &["env"], false),
    (
        "in a container with the host's pids",
        &["unshare", "--mount", "--net", "--ipc", "--uts", "--cgroup"],
        false,
    ),
    ("in a container with the pids of another", &["nsenter", "--pid", "--mount", "--target"], true),
];

#[test]
fn the_readme_says_which_capabilities_do() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let rows = table();
    assert_eq!(rows.len(), PLACES.len() + 1, "{rows:?}");
    let (program, inside) = in_a_pid_namespace(&python, "idle.py");
    for (start, way, is_inside) in PLACES {
        let capabilities = capabilities_of(&rows, start);
        assert!(!capabilities.is_empty(), "{start}");
        let outer = program.pid().to_string();
        let mut words = way.to_vec();
        if is_inside {
            words.push(&outer);
        }
        let pid = if is_inside { inside } else { program.pid() };
        let all = traced(&words, &capabilities, pid);
        assert_eq!(all.code, 0, "{start}: {all:?}");
        for left_out in &capabilities {
            let others: Vec<_> = capabilities.iter().filter(|name| name != &left_out).cloned().collect();
            let run = traced(&words, &others, pid);
            assert_eq!(run.code, NOT_PERMITTED, "{start}, without {left_out}: {run:?}");
        }
    }
    assert!(capabilities_of(&rows, "in a container with users of its own").is_empty());
    let rootless = traced(
        &["unshare", "--user", "--map-root-user"],
        &["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"].map(str::to_owned),
        program.pid(),
    );
    assert_eq!(rootless.code, NOT_PERMITTED, "{rootless:?}");
}

/// With these capabilities and no others.
fn traced(way: &[&str], capabilities: &[String], pid: u32) -> Run {
    let names =
        capabilities.iter().map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()));
    let set = format!("-all{}", names.collect::<String>());
    let mut command = Command::new(way[0]);
    command.args(&way[1..]).args(["setpriv", "--bounding-set", &set, "--inh-caps", &set]);
    command.args([env!("CARGO_BIN_EXE_tracer"), "--json", "-d", "200ms", "--pid", &pid.to_string()]);
    Tracer::spawn(&mut command).end()
}

fn capabilities_of(rows: &[(String, Vec<String>)], start: &str) -> Vec<String> {
    let row = rows.iter().find(|(place, _)| place.starts_with(start));
    row.unwrap_or_else(|| panic!("the README has no row {start}")).1.clone()
}

/// Places, and the capabilities that their rows name.
fn table() -> Vec<(String, Vec<String>)> {
    let (_, rows) = README.split_once(HEAD).expect("the README has the table");
    let cells = |row: &str| {
        let (place, names) = row.trim_matches(['|', ' ']).split_once(" | ")?;
        let names = names.split('`').filter(|word| word.starts_with("CAP_")).map(str::to_owned);
        Some((place.to_owned(), names.collect()))
    };
    rows.lines().take_while(|line| line.starts_with('|')).filter_map(cells).collect()
}
