//! Where processes were when they ended.

use super::causes::syscall_name;
use super::lines;
use crate::event::{Exit, FileId, StackId};
use crate::report::{EndedIn, Name};
use crate::symbols::Symbols;

/// `exit_group`
const EXIT_GROUP: u32 = 231;

/// Those threads of a process that end and whose place explains its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leaving {
    caller: Option<ThreadMoment>,
    main: Option<ThreadMoment>,
}

/// Where a thread was.
#[derive(Clone, Copy, Debug)]
struct ThreadMoment {
    stack: StackId,
    syscall: Option<u32>,
    object: FileId,
}

impl Leaving {
    /// Takes the end of a thread.
    pub fn fold(&mut self, exit: &Exit) {
        let moment = ThreadMoment { stack: exit.stack, syscall: exit.syscall, object: exit.object };
        match exit.syscall {
            Some(EXIT_GROUP) => self.caller = Some(moment),
            _ if exit.task.tid == exit.task.pid && !exit.stack.is_none() => self.main = Some(moment),
            _ => {}
        }
    }

    /// Where the process was: its main thread, if it was killed, and else the thread that called `exit_group`.
    pub fn row(&self, killed: bool, symbols: &Symbols) -> Option<EndedIn> {
        let moment = if killed { self.main } else { self.caller }?;
        Some(EndedIn {
            stack: lines::stack_of(symbols, moment.stack),
            syscall: moment.syscall.and_then(|number| syscall_name(number.into())).map(Into::into),
            object: symbols.file(moment.object).map(|file| Name::new(&file.path)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{exit, symbols_of, task};
    use crate::event::Event;

    #[test]
    fn the_thread_that_explains_an_end_is_its_caller_or_the_main_one() {
        const READ: u32 = 0;
        let left = |tid, stack, syscall| {
            let Event::Exit(exit) = exit(1, 7, 1, 0) else { unreachable!() };
            Exit { task: task(7, tid), stack, syscall, ..exit }
        };
        let (main, caller) = (left(7, StackId(1), Some(READ)), left(8, StackId(2), Some(EXIT_GROUP)));
        let ended = left(7, StackId::NONE, Some(EXIT_GROUP));
        for (name, threads, killed, expected) in [
            ("killed", vec![main.clone(), left(9, StackId(2), None)], true, Some((Some(3), Some("read")))),
            ("a thread exits", vec![caller, main.clone()], false, Some((Some(9), Some("exit_group")))),
            ("Python had ended", vec![ended], false, Some((None, Some("exit_group")))),
            ("the caller is not known", vec![main], false, None),
            ("nothing known", vec![left(7, StackId::NONE, None)], true, None),
        ] {
            let mut leaving = Leaving::default();
            threads.iter().for_each(|exit| leaving.fold(exit));
            let row = leaving.row(killed, &symbols_of(&[(1, &["a.py:3"]), (2, &["b.py:9"])]));
            let row = row
                .as_ref()
                .map(|row| (row.stack.as_ref().and_then(|stack| stack[0].line), row.syscall.as_deref()));
            assert_eq!(row, expected, "{name}");
        }
    }
}
