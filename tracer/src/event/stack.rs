//! Which events have a stack.

use super::{
    Event, Exit, Fork, GcPause, HandlerStart, LoopPiece, Reads, SampleRow, SignalDeliver, SignalGenerate,
    StackId, SwitchRow, WakeupRow,
};

impl Event {
    /// The stack that it has.
    pub fn stack_mut(&mut self) -> Option<&mut StackId> {
        match self {
            Self::Fork(Fork { stack, .. })
            | Self::Exit(Exit { stack, .. })
            | Self::Doing { stack, .. }
            | Self::SignalGenerate(SignalGenerate { stack, .. })
            | Self::SignalDeliver(SignalDeliver { stack, .. })
            | Self::HandlerStart(HandlerStart { stack, .. })
            | Self::GcPause(GcPause { stack, .. })
            | Self::GcSample { stack, .. }
            | Self::LoopPiece(LoopPiece { stack, .. })
            | Self::Switches { key: SwitchRow { stack, .. }, .. }
            | Self::Wakeups { key: WakeupRow { row: SwitchRow { stack, .. }, .. }, .. }
            | Self::Reads { value: Reads { stack, .. }, .. }
            | Self::Samples { key: SampleRow { stack, .. }, .. } => Some(stack),
            // Spelled out, so that a new event is not forgotten.
            Self::Process(_)
            | Self::ThreadName { .. }
            | Self::Exec(_)
            | Self::Reaped { .. }
            | Self::Free { .. }
            | Self::ZombieAtStart { .. }
            | Self::ChildAtStart { .. }
            | Self::ZombieForLong { .. }
            | Self::ZombieAtEnd { .. }
            | Self::Reparented { .. }
            | Self::SignalsPending(_)
            | Self::HandlersPending { .. }
            | Self::HandlersWatched { .. }
            | Self::HandlerEnd { .. }
            | Self::Collections { .. }
            | Self::GcCounted(_)
            | Self::LoopsWatched
            | Self::LoopTurn { .. }
            | Self::LoopTask { .. }
            | Self::Loop { .. }
            | Self::GilHeld { .. }
            | Self::ReadSizes { .. }
            | Self::Entries { .. }
            | Self::KernelSwitches { .. }
            | Self::KernelSwitchesBefore { .. }
            | Self::Drained { .. } => None,
        }
    }
}
