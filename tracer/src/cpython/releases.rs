//! The table: one block per release.
//!
//! Numbers are byte offsets on x86-64 Linux, without `--with-pydebug`.

use crate::cpython::gc::{CollectingFlag, CollectorLayout, Statistics};
use crate::cpython::layout::LineFormat::{Lnotab, Locations, Ranges};
use crate::cpython::layout::{
    Code, Frame, Gil, Head, Instruction, Interpreter, Layout, Names, Slot, Strings, ThreadLayout, Top,
};
use crate::cpython::signals::{SignalLayout, SignalTable};

/// All releases that are known.
#[rustfmt::skip] // one block per release, aligned: a review sees what moved
pub const LAYOUTS: &[Layout] = &[
    // https://github.com/python/cpython/blob/v2.7.18/Include/frameobject.h
    Layout {
        release: (2, 7), free_threaded: false, entry_frame_argument: 0,
        interpreter: Interpreter { head: Head::Variable("interp_head"), next: 0, threads: 8 },
        thread: ThreadLayout { next: 0, interpreter: 8, id: 144, native_id: None, status: None, top: Top::Direct(16) },
        slot: Slot::None,
        gil: Gil::Lock { variable: "interpreter_lock", bytes: size_of::<libc::sem_t>() as u32 },
        frame: Frame { previous: 24, code: 32, instruction: Instruction::Bytes(120), owner: None, copy: None },
        code: Code { file: 80, name: 88, lines: 104, line_format: Lnotab { signed: false }, first_line: 96, flags: 28, bytecode: None, copies: None },
        strings: Strings { names: Names::Bytes, bytes: 36 },
        // https://github.com/python/cpython/blob/v2.7.18/Modules/gcmodule.c
        collector: CollectorLayout { collecting: CollectingFlag::Variable("collecting"), garbage: 8, statistics: Statistics::None,
            functions: &["collect"], generation_argument: 1, checks: false, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.7.16/Modules/signalmodule.c
        signals: SignalLayout { place: SignalTable::Checker("PyErr_CheckSignals"), function_code: 16 },
    },
    // https://github.com/python/cpython/blob/v3.6.15/Include/frameobject.h
    Layout {
        release: (3, 6), free_threaded: false, entry_frame_argument: 0,
        interpreter: Interpreter { head: Head::Variable("interp_head"), next: 0, threads: 8 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 152, native_id: None, status: None, top: Top::Direct(24) },
        slot: Slot::KeyVariable("autoTLSkey"),
        gil: Gil::Variables(&["switch_mutex", "switch_cond", "gil_mutex", "gil_cond"]),
        frame: Frame { previous: 24, code: 32, instruction: Instruction::Bytes(120), owner: None, copy: None },
        code: Code { file: 96, name: 104, lines: 112, line_format: Lnotab { signed: true }, first_line: 36, flags: 32, bytecode: None, copies: None },
        strings: Strings { names: Names::Unicode { ascii: 48, compact: 72 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.6.15/Modules/gcmodule.c
        collector: CollectorLayout { collecting: CollectingFlag::Variable("collecting"), garbage: 8, statistics: Statistics::Variable("generation_stats"),
            functions: &["collect"], generation_argument: 1, checks: false, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.7.16/Modules/signalmodule.c
        signals: SignalLayout { place: SignalTable::Checker("PyErr_CheckSignals"), function_code: 16 },
    },
    // https://github.com/python/cpython/blob/v3.7.16/Include/internal/pystate.h
    Layout {
        release: (3, 7), free_threaded: false, entry_frame_argument: 0,
        interpreter: Interpreter { head: Head::Runtime(24), next: 0, threads: 8 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 176, native_id: None, status: None, top: Top::Direct(24) },
        slot: Slot::RuntimeKey(1508),
        gil: Gil::Runtime(1264),
        frame: Frame { previous: 24, code: 32, instruction: Instruction::Bytes(104), owner: None, copy: None },
        code: Code { file: 96, name: 104, lines: 112, line_format: Lnotab { signed: true }, first_line: 36, flags: 32, bytecode: None, copies: None },
        strings: Strings { names: Names::Unicode { ascii: 48, compact: 72 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.7.16/Include/internal/mem.h
        collector: CollectorLayout { collecting: CollectingFlag::Runtime(632), garbage: 8, statistics: Statistics::Before,
            functions: &["collect"], generation_argument: 1, checks: false, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.7.16/Modules/signalmodule.c
        signals: SignalLayout { place: SignalTable::Checker("PyErr_CheckSignals"), function_code: 16 },
    },
    // https://github.com/python/cpython/blob/v3.8.18/Include/internal/pycore_pystate.h
    Layout {
        release: (3, 8), free_threaded: false, entry_frame_argument: 0,
        interpreter: Interpreter { head: Head::Runtime(32), next: 0, threads: 8 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 176, native_id: None, status: None, top: Top::Direct(24) },
        slot: Slot::RuntimeKey(1396),
        gil: Gil::Runtime(1152),
        frame: Frame { previous: 24, code: 32, instruction: Instruction::Bytes(104), owner: None, copy: None },
        code: Code { file: 104, name: 112, lines: 120, line_format: Lnotab { signed: true }, first_line: 40, flags: 36, bytecode: None, copies: None },
        strings: Strings { names: Names::Unicode { ascii: 48, compact: 72 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.8.18/Include/internal/pycore_pymem.h
        collector: CollectorLayout { collecting: CollectingFlag::Runtime(544), garbage: 8, statistics: Statistics::Before,
            functions: &["collect"], generation_argument: 2, checks: false, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.8.18/Modules/signalmodule.c
        signals: SignalLayout { place: SignalTable::Checker("_PyErr_CheckSignals"), function_code: 16 },
    },
    // https://github.com/python/cpython/blob/v3.9.18/Include/internal/pycore_runtime.h
    Layout {
        release: (3, 9), free_threaded: false, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(32), next: 0, threads: 8 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 176, native_id: None, status: None, top: Top::Direct(24) },
        slot: Slot::RuntimeKey(588),
        gil: Gil::Runtime(352),
        frame: Frame { previous: 24, code: 32, instruction: Instruction::Bytes(104), owner: None, copy: None },
        code: Code { file: 104, name: 112, lines: 120, line_format: Lnotab { signed: true }, first_line: 40, flags: 36, bytecode: None, copies: None },
        strings: Strings { names: Names::Unicode { ascii: 48, compact: 72 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.9.18/Include/internal/pycore_gc.h
        collector: CollectorLayout { collecting: CollectingFlag::Interpreter(816), garbage: 8, statistics: Statistics::Before,
            functions: &["collect"], generation_argument: 2, checks: false, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.9.18/Modules/signalmodule.c
        signals: SignalLayout { place: SignalTable::Checker("_PyErr_CheckSignalsTstate"), function_code: 16 },
    },
    // https://github.com/python/cpython/blob/v3.10.13/Include/cpython/frameobject.h
    Layout {
        release: (3, 10), free_threaded: false, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(32), next: 0, threads: 8 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 176, native_id: None, status: None, top: Top::Direct(24) },
        slot: Slot::RuntimeKey(588),
        gil: Gil::Runtime(352),
        frame: Frame { previous: 24, code: 32, instruction: Instruction::Units(96), owner: None, copy: None },
        code: Code { file: 104, name: 112, lines: 120, line_format: Ranges, first_line: 40, flags: 36, bytecode: None, copies: None },
        strings: Strings { names: Names::Unicode { ascii: 48, compact: 72 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.10.13/Modules/gcmodule.c
        collector: CollectorLayout { collecting: CollectingFlag::Interpreter(816), garbage: 8, statistics: Statistics::Before,
            functions: &["gc_collect_main"], generation_argument: 2, checks: false, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.10.13/Include/cpython/funcobject.h
        signals: SignalLayout { place: SignalTable::Checker("_PyErr_CheckSignalsTstate"), function_code: 48 },
    },
    // https://github.com/python/cpython/blob/v3.11.7/Include/internal/pycore_frame.h
    Layout {
        release: (3, 11), free_threaded: false, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(40), next: 0, threads: 16 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 152, native_id: Some(160), status: None, top: Top::ViaCFrame { cframe: 56, current_frame: 8 } },
        slot: Slot::RuntimeKey(596),
        gil: Gil::Runtime(360),
        frame: Frame { previous: 48, code: 32, instruction: Instruction::Pointer(56), owner: None, copy: None },
        code: Code { file: 112, name: 128, lines: 136, line_format: Locations, first_line: 72, flags: 48, bytecode: Some(184), copies: None },
        strings: Strings { names: Names::Unicode { ascii: 48, compact: 72 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.11.7/Modules/gcmodule.c
        collector: CollectorLayout { collecting: CollectingFlag::Interpreter(848), garbage: 8, statistics: Statistics::Before,
            functions: &["gc_collect_main"], generation_argument: 2, checks: false, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.10.13/Include/cpython/funcobject.h
        signals: SignalLayout { place: SignalTable::Checker("_PyErr_CheckSignalsTstate"), function_code: 48 },
    },
    // https://github.com/python/cpython/blob/v3.12.1/Include/internal/pycore_frame.h
    Layout {
        release: (3, 12), free_threaded: false, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(40), next: 0, threads: 72 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 136, native_id: Some(144), status: None, top: Top::ViaCFrame { cframe: 56, current_frame: 0 } },
        slot: Slot::RuntimeKey(1548),
        gil: Gil::Interpreter(384),
        frame: Frame { previous: 8, code: 0, instruction: Instruction::Pointer(56), owner: Some(70), copy: None },
        code: Code { file: 112, name: 128, lines: 136, line_format: Locations, first_line: 68, flags: 48, bytecode: Some(192), copies: None },
        strings: Strings { names: Names::Unicode { ascii: 40, compact: 56 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.12.1/Modules/gcmodule.c
        collector: CollectorLayout { collecting: CollectingFlag::Interpreter(312), garbage: 8, statistics: Statistics::Before,
            functions: &["gc_collect_main"], generation_argument: 2, checks: false, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_runtime.h
        signals: SignalLayout { place: SignalTable::Runtime { is_tripped: 1512, handlers: 464 }, function_code: 48 },
    },
    // https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_runtime.h
    Layout {
        release: (3, 13), free_threaded: false, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(632), next: 7264, threads: 7344 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 152, native_id: Some(160), status: None, top: Top::Direct(72) },
        slot: Slot::RuntimeKey(2164),
        gil: Gil::Interpreter(16),
        frame: Frame { previous: 8, code: 0, instruction: Instruction::Pointer(56), owner: Some(70), copy: None },
        code: Code { file: 112, name: 128, lines: 136, line_format: Locations, first_line: 68, flags: 48, bytecode: Some(200), copies: None },
        strings: Strings { names: Names::Unicode { ascii: 40, compact: 56 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.13.0/Python/gc.c
        collector: CollectorLayout { collecting: CollectingFlag::DebugOffsets, garbage: 8, statistics: Statistics::Before,
            functions: &["gc_collect_main", "_PyGC_Collect"], generation_argument: 2, checks: true, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_runtime.h
        signals: SignalLayout { place: SignalTable::Runtime { is_tripped: 2128, handlers: 1080 }, function_code: 48 },
    },
    // https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_interpframe_structs.h
    Layout {
        release: (3, 14), free_threaded: false, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(808), next: 7272, threads: 7344 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 152, native_id: Some(160), status: None, top: Top::Direct(72) },
        slot: Slot::RuntimeKey(2340),
        gil: Gil::Interpreter(16),
        frame: Frame { previous: 8, code: 0, instruction: Instruction::Pointer(56), owner: Some(74), copy: None },
        code: Code { file: 112, name: 128, lines: 136, line_format: Locations, first_line: 68, flags: 48, bytecode: Some(208), copies: None },
        strings: Strings { names: Names::Unicode { ascii: 40, compact: 56 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.13.0/Python/gc.c
        collector: CollectorLayout { collecting: CollectingFlag::DebugOffsets, garbage: 8, statistics: Statistics::Before,
            functions: &["gc_collect_main", "_PyGC_Collect"], generation_argument: 2, checks: true, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_runtime_structs.h
        signals: SignalLayout { place: SignalTable::Runtime { is_tripped: 2304, handlers: 1256 }, function_code: 48 },
    },
    // https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_interpframe_structs.h
    Layout {
        release: (3, 15), free_threaded: false, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(936), next: 7264, threads: 7336 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 176, native_id: Some(184), status: None, top: Top::Direct(72) },
        slot: Slot::ThreadLocal("_Py_tss_gilstate"),
        gil: Gil::Interpreter(16),
        frame: Frame { previous: 8, code: 0, instruction: Instruction::Pointer(56), owner: Some(74), copy: None },
        code: Code { file: 112, name: 128, lines: 136, line_format: Locations, first_line: 68, flags: 48, bytecode: Some(208), copies: None },
        strings: Strings { names: Names::Unicode { ascii: 40, compact: 56 }, bytes: 32 },
        // https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_interp_structs.h
        collector: CollectorLayout { collecting: CollectingFlag::DebugOffsets, garbage: 16, statistics: Statistics::Rings,
            functions: &["gc_collect_main", "_PyGC_Collect"], generation_argument: 2, checks: true, stop_the_world: None },
        // https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_runtime_structs.h
        signals: SignalLayout { place: SignalTable::Runtime { is_tripped: 2432, handlers: 1384 }, function_code: 48 },
    },
    // Builds without GIL: computed from the headers with `Py_GIL_DISABLED`.
    // https://github.com/python/cpython/blob/v3.13.0/Include/object.h
    Layout {
        release: (3, 13), free_threaded: true, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(632), next: 7264, threads: 7344 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 152, native_id: Some(160), status: Some(40), top: Top::Direct(72) },
        slot: Slot::RuntimeKey(2164),
        gil: Gil::Switched(16),
        frame: Frame { previous: 8, code: 0, instruction: Instruction::Pointer(56), owner: Some(70), copy: None },
        code: Code { file: 128, name: 144, lines: 152, line_format: Locations, first_line: 84, flags: 64, bytecode: Some(216), copies: None },
        strings: Strings { names: Names::Unicode { ascii: 56, compact: 72 }, bytes: 48 },
        // https://github.com/python/cpython/blob/v3.13.0/Python/gc.c
        // https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_interp.h (`stoptheworld`)
        collector: CollectorLayout { collecting: CollectingFlag::DebugOffsets, garbage: 8, statistics: Statistics::Before,
            functions: &["gc_collect_main", "_PyGC_Collect"], generation_argument: 2, checks: true, stop_the_world: Some(10744) },
        // https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_runtime.h
        signals: SignalLayout { place: SignalTable::Runtime { is_tripped: 2128, handlers: 1080 }, function_code: 48 },
    },
    // https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_interpframe_structs.h
    Layout {
        release: (3, 14), free_threaded: true, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(808), next: 7272, threads: 7344 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 152, native_id: Some(160), status: Some(44), top: Top::Direct(72) },
        slot: Slot::RuntimeKey(2340),
        gil: Gil::Switched(16),
        frame: Frame { previous: 8, code: 0, instruction: Instruction::Pointer(56), owner: Some(78), copy: Some(72) },
        code: Code { file: 128, name: 144, lines: 152, line_format: Locations, first_line: 84, flags: 64, bytecode: Some(232), copies: Some(224) },
        strings: Strings { names: Names::Unicode { ascii: 56, compact: 72 }, bytes: 48 },
        // https://github.com/python/cpython/blob/v3.13.0/Python/gc.c
        // https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_interp.h (`stoptheworld`)
        collector: CollectorLayout { collecting: CollectingFlag::DebugOffsets, garbage: 8, statistics: Statistics::Before,
            functions: &["gc_collect_main", "_PyGC_Collect"], generation_argument: 2, checks: true, stop_the_world: Some(10848) },
        // https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_runtime_structs.h
        signals: SignalLayout { place: SignalTable::Runtime { is_tripped: 2304, handlers: 1256 }, function_code: 48 },
    },
    // https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_interpframe_structs.h
    Layout {
        release: (3, 15), free_threaded: true, entry_frame_argument: 1,
        interpreter: Interpreter { head: Head::Runtime(936), next: 7264, threads: 7336 },
        thread: ThreadLayout { next: 8, interpreter: 16, id: 176, native_id: Some(184), status: Some(48), top: Top::Direct(72) },
        slot: Slot::ThreadLocal("_Py_tss_gilstate"),
        gil: Gil::Switched(16),
        frame: Frame { previous: 8, code: 0, instruction: Instruction::Pointer(56), owner: Some(78), copy: Some(72) },
        code: Code { file: 128, name: 144, lines: 152, line_format: Locations, first_line: 84, flags: 64, bytecode: Some(232), copies: Some(224) },
        strings: Strings { names: Names::Unicode { ascii: 56, compact: 72 }, bytes: 48 },
        // https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_interp_structs.h
        // https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_interp.h (`stoptheworld`)
        collector: CollectorLayout { collecting: CollectingFlag::DebugOffsets, garbage: 16, statistics: Statistics::Rings,
            functions: &["gc_collect_main", "_PyGC_Collect"], generation_argument: 2, checks: true, stop_the_world: Some(10800) },
        // https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_runtime_structs.h
        signals: SignalLayout { place: SignalTable::Runtime { is_tripped: 2432, handlers: 1384 }, function_code: 48 },
    },
];

impl Layout {
    /// The block of a release, if it is known.
    #[must_use]
    pub fn for_release(release: (u8, u8), free_threaded: bool) -> Option<&'static Self> {
        LAYOUTS.iter().find(|layout| layout.release == release && layout.free_threaded == free_threaded)
    }
}
