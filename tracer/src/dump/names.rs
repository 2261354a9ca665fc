//! Raw frames of the processes get their file, function and line.

use tracer_common::python;

use crate::cpython::walk::stack_id;
use crate::decode::{self, Message};
use crate::event::{SpaceId, StackId, Task};
use crate::report::{Frame, Name, Stack};
use crate::roots::Root;
use crate::timeline::{self, LifeId, Spaces};

/// Names, and the address spaces that they come from.
pub struct DumpNames {
    names: timeline::Names,
    spaces: Spaces,
}

impl DumpNames {
    /// Of these processes.
    pub fn new(roots: &[Root]) -> Self {
        let mut spaces = Spaces::default();
        for root in roots {
            if let Some(interpreter) = &root.interpreter {
                spaces.insert(root.process.pid, LifeId::default(), root.space, interpreter.clone());
            }
        }
        Self { names: timeline::Names::default(), spaces }
    }

    /// One message of the probes.
    pub fn message(&mut self, bytes: &[u8]) {
        match decode::message(bytes, 0, |_, _, _| false) {
            Ok(Message::Stack(stack)) => self.names.stack(&stack, &self.spaces),
            Ok(Message::Code(code)) => self.names.code(&code, &self.spaces),
            _ => {}
        }
    }

    /// A stack that was walked from user space.
    pub fn walked(&mut self, space: SpaceId, task: Task, status: u32, frames: Vec<python::Frame>) -> StackId {
        let id = stack_id(space, &frames);
        let stack = decode::Stack { id, space, pid: task.pid, status, frames };
        self.names.stack(&stack, &self.spaces);
        id
    }

    /// The frames of a stack, empty if it never came.
    pub fn stack(&self, id: StackId) -> Stack {
        let symbols = &self.names.symbols;
        let Some(stack) = symbols.stacks.get(id) else { return Stack::new() };
        let frames = stack.frames.iter().map(|&id| {
            let frame = symbols.frame(id);
            Frame {
                function: Name::from(frame.function.clone()),
                file: Name::from(frame.file.clone()),
                line: frame.line,
            }
        });
        frames.collect()
    }
}
