//! What became of the SIGCHLD that tells a parent of its child's end.

use crate::event::{Handler, SignalDeliver, SignalGenerate, SignalResult};
use crate::report::Notice;

/// As the kernel decides at its generation.
pub fn sent(signal: &SignalGenerate) -> Notice {
    match signal.result {
        SignalResult::Ignored | SignalResult::OverflowFail => Notice::Ignored,
        SignalResult::AlreadyPending => Notice::Coalesced,
        SignalResult::Delivered | SignalResult::LoseInfo if signal.blocked => Notice::Blocked,
        SignalResult::Delivered | SignalResult::LoseInfo => Notice::Pending,
    }
}

/// Once it is delivered. One that was dropped because another was pending is not: it had none of its own.
pub fn delivered(notice: Notice, delivery: &SignalDeliver) -> Notice {
    match (notice, delivery.handler) {
        (Notice::Blocked | Notice::Pending, Handler::Python) => Notice::Python,
        (Notice::Blocked | Notice::Pending, Handler::C) => Notice::C,
        (Notice::Blocked | Notice::Pending, Handler::Default | Handler::Ignore) => Notice::Ignored,
        (known, _) => known,
    }
}
