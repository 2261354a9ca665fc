//! What became of the SIGCHLD that notifies a parent of its child's end.

use crate::event::{Handler, Pid, SignalDeliver, SignalGenerate, SignalInfo, SignalResult};
use crate::report::Notice;

pub const SIGCHLD: u32 = 17;
/// `CLD_EXITED`, `CLD_KILLED`, `CLD_DUMPED`
const CHILD_ENDED: std::ops::RangeInclusive<i32> = 1..=3;

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

/// Of which child's end this signal notifies its parent, if it does. Its own thread sends it; or, where that waited for it
/// first, the one that traces it (strace, gdb), and the siginfo alone knows the child. Children also stop, and any process
/// may send a SIGCHLD by hand.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/exit.c#L1110>
pub fn death_notice(signal: &SignalGenerate) -> Option<Pid> {
    let SignalInfo::Code { code, pid } = signal.info else { return None };
    let notifies =
        signal.signal == SIGCHLD && CHILD_ENDED.contains(&code) && signal.current.pid != signal.target.pid;
    // A child of another pid namespace has no number in ours.
    notifies.then_some(if pid == 0 { signal.current.pid } else { pid })
}
