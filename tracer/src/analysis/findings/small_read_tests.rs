use super::tests::{report, stack, text};
use crate::report::{Advice, FileKind, Read, Through};

#[test]
fn small_reads_are_reported_with_no_promise_that_the_rows_do_not_keep() {
    let read = |asked, calls, bytes| Read {
        pid: 7,
        path: "/proc/7/stat".into(),
        kind: FileKind::Procfs,
        stack: stack(&["a.py:3"]),
        syscalls: calls,
        requested: [(asked, calls)].into(),
        bytes,
        ..Read::default()
    };
    let advice = Advice { buffer_size: 4_096, syscalls_then: 10, text: "take more".into() };
    let facts = |asked: u64, what: &str| {
        Some(format!("pid 7 (app) reads /proc/7/stat {asked} B at a time: 20,000 calls for 312 KiB{what}"))
    };
    let none = " at a.py:3 in f; a larger buffer would save none: read it less often";
    let advised = Read { avoidable: Some(19_990), advice: Some(advice), ..read(16, 20_000, 320_000) };
    let useless = Read { avoidable: Some(0), ..read(16, 20_000, 320_000) };
    let alone = Read { gil_waits: Some(0), gil_wait_ns: Some(0), ..useless.clone() };
    let contended = Read { gil_waits: Some(3), gil_wait_ns: Some(15_000_000), ..advised.clone() };
    let once_an_open = Read { opens: Some(20_000), ..useless.clone() };
    for (name, read, expected) in [
        ("with advice", advised.clone(), facts(16, "; take more")),
        ("in a buffer's size", Read { through: Some(Through::Buffered), ..advised.clone() }, {
            facts(16, "; take more").map(|text| text.replace("time:", "time, the size of its buffer:"))
        }),
        (
            "beside other threads",
            contended,
            facts(16, ", and 3 waits for the GIL after them, 15.0 ms in all; take more"),
        ),
        ("alone", alone, facts(16, none)),
        (
            "seldom",
            Read { syscalls: 900, requested: [(16, 900)].into(), bytes: 14_400, ..useless.clone() },
            None,
        ),
        ("nothing to win", useless.clone(), facts(16, none)),
        ("one call an open", once_an_open, {
            facts(16, &none.replace("; a", ", one each time it is opened; a"))
        }),
        ("it is not known", Read { avoidable: None, ..useless.clone() }, None),
        ("not worth a sentence", Read { avoidable: Some(900), ..useless.clone() }, None),
        ("the writer decides", Read { avoidable: None, kind: FileKind::Pipe, ..useless }, None),
        (
            "large pieces, and still",
            Read { requested: [(8_192, 20_000)].into(), ..advised.clone() },
            facts(16, "; take more").map(|text| text.replace("16 B", "8,192 B")),
        ),
        (
            "large pieces, and few to save",
            Read { requested: [(8_192, 20_000)].into(), avoidable: Some(900), ..advised },
            None,
        ),
        ("large pieces", read(8_192, 20_000, 160_000_000), None),
        ("there was not more", read(1_024, 20_000, 320_000), None),
        ("few calls", read(16, 10, 160), None),
        ("a socket", Read { kind: FileKind::Unix, ..read(1, 20_000, 20_000) }, None),
    ] {
        let mut report = report();
        report.reads = vec![read].into();
        assert_eq!(text(&report), Vec::from_iter(expected), "{name}");
    }
}
