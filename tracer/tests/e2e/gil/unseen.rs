//! The kernel may skip a probe, and a thread that waited for the GIL then returns unseen.

use std::fs;
use std::thread;
use std::time::Duration;

use aya::maps::{Array, Map, MapData, MapInfo};
use tracer_common::control::Control;

use super::held_in;
use crate::harness::{Program, Python, Tracer, number, on_pythons, rows, turn};

on_pythons! {
    who_returns_unseen_waits_no_longer:
    system System,
    python3_12 Release(12),
}

/// Pauses in which returns are not seen. A waiter asks for the GIL after 5 ms, and the one that it takes it from does the
/// same: of pauses of different lengths, some end while it is with who was seen to wait for it last.
const PAUSES_MS: [u64; 6] = [3, 5, 6, 7, 8, 16];
const ROUNDS: usize = 6;
const SEEN: Duration = Duration::from_millis(20);

/// Once nobody waits any more, nobody is charged for it: who was not seen to return is not taken for asleep for ever.
fn who_returns_unseen_waits_no_longer(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "contended.py");
    let tracer = Tracer::attach(program.pid(), &["--only", "switches,frames"]);
    program.say("go");
    assert_eq!(program.hear(), "contended");
    let mut control = control(tracer.pid());
    for pause in PAUSES_MS.repeat(ROUNDS) {
        thread::sleep(SEEN);
        run(&mut control, 0);
        thread::sleep(Duration::from_millis(pause));
        run(&mut control, 1);
    }
    program.go();
    let report = tracer.stop().report();
    assert!(rows(&report["gil"]["holders"]).count() > 0, "{:#}", report["gil"]);
    assert!(number(&report["gil"]["wait_ns"]) > 0, "{:#}", report["gil"]);
    assert_eq!(held_in(&report, "alone"), 0, "{:#}", report["gil"]);
}

/// The map that a tracer's probes ask at every hit.
fn control(tracer: u32) -> Array<MapData, Control> {
    let descriptors = fs::read_dir(format!("/proc/{tracer}/fdinfo")).expect("it runs").flatten();
    let ids = descriptors.filter_map(|entry| {
        let text = fs::read_to_string(entry.path()).ok()?;
        text.lines().find_map(|line| line.strip_prefix("map_id:")?.trim().parse().ok())
    });
    let is_it = |id: &u32| MapInfo::from_id(*id).is_ok_and(|map| map.name_as_str() == Some("CONTROL"));
    let id = ids.into_iter().find(is_it).expect("it has one");
    Map::Array(MapData::from_id(id).expect("root may")).try_into().expect("an array")
}

/// Has the probes see nothing, or all again.
fn run(control: &mut Array<MapData, Control>, running: u32) {
    let now = control.get(&0, 0).expect("root may");
    control.set(0, Control { running, ..now }, 0).expect("root may");
}
