//! Turns of event loops, and what they were spent on.

use tracer_common::turn::{Piece, Turn, Turned};

use super::{since, task};
use crate::event::{Event, FileId, LoopPiece, Nanos, StackId, syscall_from_wire};

pub(super) fn turn(turn: &Turn, start_ns: Nanos) -> Event {
    Event::LoopTurn { task: task(&turn.header), began: since(start_ns, turn.began_ns), busy: turn.busy_ns }
}

pub(super) fn turned(turned: &Turned) -> Event {
    let Turned { header, turns, busy_ns: busy, longest_ns: longest } = *turned;
    Event::Loop { task: task(&header), turns, busy, longest }
}

pub(super) fn piece(piece: &Piece, start_ns: Nanos) -> LoopPiece {
    LoopPiece {
        task: task(&piece.header),
        began: since(start_ns, piece.began_ns),
        lasted: piece.lasted_ns,
        queued: piece.queued_ns.min(piece.lasted_ns),
        stack: StackId(piece.stack),
        object: FileId(piece.object),
        syscall: syscall_from_wire(piece.syscall),
        flags: piece.flags,
    }
}
