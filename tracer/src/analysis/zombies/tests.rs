use super::*;
use crate::analysis::samples::{bytes, exit, fork, process, signal, symbols_of, task};
use crate::event::SignalInfo;

const MS: Nanos = 1_000_000;

fn zombies(events: &[Event]) -> (Zombies, Bounded<report::Zombie>) {
    let (mut zombies, mut traced) = (Zombies::default(), Traced::default());
    traced.fold(&Event::Process(process(7, "parent")));
    for event in events {
        traced.fold(event);
        zombies.fold(event, &traced);
    }
    let rows = zombies.finish(&symbols_of(&[(1, &["a.py:3"]), (2, &["a.py:9"])]), 1_000 * MS);
    (zombies, rows)
}

fn notice(at: Nanos) -> Event {
    let info = SignalInfo::Code { code: 1, pid: 8 };
    Event::SignalGenerate(SignalGenerate { at, info, ..signal(17, task(8, 8), task(7, 7)) })
}

fn reaped(at: Nanos) -> Event {
    Event::Reaped { at, by: task(7, 7), child: 8, of_earlier: false }
}

fn reaped_earlier(at: Nanos) -> Event {
    Event::Reaped { at, by: task(7, 7), child: 8, of_earlier: true }
}

#[test]
fn a_zombie_lives_from_its_parents_notice_to_its_reaping() {
    let (born, died) = (fork(1, 7, 8, 1), exit(100 * MS, 8, 7, 0));
    let free = |at| Event::Free { at, pid: 8 };
    let still = Event::ZombieAtEnd { pid: 8 };
    let found = |zombie_ns, upper, reaped| vec![(zombie_ns, upper, reaped)];
    for (name, events, expected) in [
        ("lives", vec![], vec![]),
        ("reaped at once", vec![died.clone(), notice(101 * MS), reaped(102 * MS)], vec![]),
        ("reaped late", vec![died.clone(), notice(110 * MS), reaped(410 * MS)], found(300 * MS, false, true)),
        ("no notice seen", vec![died.clone(), reaped(400 * MS)], found(300 * MS, false, true)),
        ("only let go", vec![died.clone(), notice(110 * MS), free(410 * MS)], found(300 * MS, true, true)),
        (
            "let go before the parent has its status",
            vec![died.clone(), free(401 * MS), reaped(400 * MS)],
            found(300 * MS, false, true),
        ),
        ("its parent ignores SIGCHLD", vec![died.clone(), free(124 * MS)], vec![]),
        ("the same on a busy machine", vec![died.clone(), free(400 * MS)], vec![]),
        ("still one", vec![died.clone(), notice(110 * MS), still], found(890 * MS, false, false)),
        (
            "its parent ends",
            vec![died.clone(), notice(110 * MS), exit(310 * MS, 7, 1, 9), free(900 * MS)],
            found(200 * MS, false, false),
        ),
        ("its parent ends at once", vec![died.clone(), notice(110 * MS), exit(111 * MS, 7, 1, 9)], vec![]),
        ("its end was lost", vec![died.clone()], vec![]),
    ] {
        let (_, rows) = zombies(&[vec![born.clone()], events].concat());
        let rows: Vec<_> =
            rows.rows.iter().map(|row| (row.zombie_ns, row.end_is_upper_bound, row.reaped)).collect();
        assert_eq!(rows, expected, "{name}");
    }
}

#[test]
fn reports_where_it_was_spawned_how_it_ended_and_what_its_parent_did_instead() {
    for (status, exit_code, signal) in
        [(0x300, Some(3), None), (9, None, Some("SIGKILL")), (0x8b, None, Some("SIGSEGV"))]
    {
        let doing = Event::Doing { pid: 7, stack: StackId(2) };
        let end = [exit(100 * MS, 8, 7, status), Event::ZombieAtEnd { pid: 8 }, doing];
        let (_, rows) = zombies(&[&[fork(1, 7, 8, 1)], &end[..]].concat());
        let row = &rows.rows[0];
        assert_eq!((row.exit_code, row.signal.as_deref()), (exit_code, signal));
        assert_eq!(row.spawned_at.as_ref().unwrap()[0].line, Some(3));
        assert_eq!(row.parent_doing.as_ref().unwrap()[0].line, Some(9));
    }
}

#[test]
fn a_zombie_from_before_counts_from_the_start() {
    let before = Event::ZombieAtStart { pid: 8, ppid: 7, comm: bytes("old"), wait_status: Some(0) };
    for (name, end, zombie_ns) in [
        ("reaped", reaped(50 * MS), None),
        ("reaped late", reaped(500 * MS), Some(500 * MS)),
        ("still one", Event::ZombieAtEnd { pid: 8 }, Some(1_000 * MS)),
    ] {
        let (_, rows) = zombies(&[before.clone(), end]);
        let row = rows.rows.first();
        assert_eq!(row.map(|row| row.zombie_ns), zombie_ns, "{name}");
        assert!(row.is_none_or(|row| row.exited_at_ns.is_none() && row.comm == "old".into()), "{name}");
    }
}

/// strace and gdb wait for a child before its parent may; then the kernel notifies the parent, from their thread.
#[test]
fn whoever_traces_a_child_is_not_taken_for_it() {
    let by_strace = |at, pid| {
        let info = SignalInfo::Code { code: 1, pid };
        Event::SignalGenerate(SignalGenerate { at, info, ..signal(17, task(99, 99), task(7, 7)) })
    };
    let died = exit(100 * MS, 8, 7, 0);
    for (name, events, expected, exited) in [
        ("waited for", vec![died.clone(), by_strace(150 * MS, 8), reaped(160 * MS)], vec![], 1),
        ("waited for late", vec![died, by_strace(200 * MS, 8), reaped(500 * MS)], vec![(8, 300 * MS)], 1),
        ("of no known child", vec![by_strace(200 * MS, 77), Event::ZombieAtEnd { pid: 99 }], vec![], 0),
    ] {
        let (zombies, rows) = zombies(&[vec![fork(1, 7, 8, 1)], events].concat());
        let rows: Vec<_> = rows.rows.iter().map(|row| (row.pid, row.zombie_ns)).collect();
        assert_eq!((rows, zombies.exited), (expected, exited), "{name}");
    }
}

#[test]
fn counts_each_end_and_each_wait_once() {
    let born = fork(1, 7, 8, 1);
    let died = exit(10 * MS, 8, 7, 0);
    let free = Event::Free { at: 12 * MS, pid: 8 };
    for (name, events, exited, reaped) in [
        ("all seen", vec![born.clone(), died.clone(), notice(11 * MS), reaped(12 * MS), free.clone()], 1, 1),
        ("not followed", vec![born.clone(), notice(11 * MS), reaped(12 * MS)], 1, 1),
        ("no reaping seen", vec![born.clone(), died.clone(), notice(11 * MS), free.clone()], 1, 1),
        ("reaped by the kernel", vec![born.clone(), died.clone(), free], 1, 0),
        (
            "reaped by a busy kernel",
            vec![born.clone(), died.clone(), Event::Free { at: 90 * MS, pid: 8 }],
            1,
            0,
        ),
        ("from before", vec![died, reaped(12 * MS)], 1, 1),
        ("the root itself", vec![exit(10 * MS, 7, 1, 0)], 1, 0),
        ("adopted by init", vec![born, exit(10 * MS, 8, 1, 0)], 1, 0),
    ] {
        let (zombies, rows) = zombies(&events);
        assert_eq!((zombies.exited, zombies.reaped), (exited, reaped), "{name}");
        assert!(rows.is_empty(), "{name}");
    }
}

#[test]
fn the_longest_are_kept_and_the_others_still_add_up() {
    let lives = (0..5_000_u32).flat_map(|n| {
        let at = 200 * MS + Nanos::from(n);
        [fork(1, 7, 8, 1), exit(1, 8, 7, 0), reaped(at)]
    });
    let (_, rows) = zombies(&lives.collect::<Vec<_>>());
    let sum = rows.sum();
    assert_eq!((sum.omitted, rows.rows.len()), (5_000, report::Zombie::LIMIT - 1));
    assert_eq!(sum.totals.zombie_ns, (0..5_000).map(|n| 200 * MS - 1 + n).sum::<u64>());
    assert_eq!(rows.rows[0].zombie_ns, 200 * MS - 1 + 4_999);
}

#[test]
fn a_reaping_is_counted_once_however_late_its_news_comes() {
    let (born, died, free) = (fork(1, 7, 8, 1), exit(2, 8, 7, 0), Event::Free { at: 9, pid: 8 });
    let late = 500 * MS;
    for (name, events) in [
        ("in time", vec![reaped(8), free.clone()]),
        ("after the kernel has let go of it", vec![free.clone(), reaped(10)]),
        ("long after that", vec![free.clone(), fork(late, 7, 9, 1), reaped(late + 1)]),
        ("long after that, its pid is another's", vec![free, fork(late, 7, 8, 1), reaped_earlier(late + 1)]),
    ] {
        let before = vec![born.clone(), died.clone(), notice(2)];
        let (zombies, _) = zombies(&[before, events].concat());
        assert_eq!(zombies.reaped, 1, "{name}");
    }
}

#[test]
fn children_whose_ends_are_not_seen_take_no_more_room() {
    let (mut zombies, mut traced) = (Zombies::default(), Traced::default());
    traced.fold(&Event::Process(process(7, "parent")));
    let many = 2 * CHILDREN as u32;
    for pid in 8..8 + many {
        zombies.fold(&Event::ZombieAtStart { pid, ppid: 7, comm: bytes("c"), wait_status: None }, &traced);
        zombies.fold(&Event::Doing { pid, stack: StackId(1) }, &traced);
    }
    assert_eq!((zombies.children.len(), zombies.doing.len()), (CHILDREN, CHILDREN));
    for pid in many..many + 4 {
        zombies.fold(&exit(5, pid, 7, 0), &traced);
    }
    assert_eq!((zombies.exited, zombies.children.len()), (4, CHILDREN), "each is counted");
}
