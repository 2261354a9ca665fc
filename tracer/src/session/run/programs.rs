//! What runs in traced processes now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tracer_common::target::{Target, flag};

use super::super::roots::known;
use super::Run;
use crate::attach::Error;
use crate::event::Pid;
use crate::target::{Interpreter, Process};
use crate::timeline::Found;

impl Run<'_> {
    /// What is found out of a process holds for the program that it ran before the look.
    pub(super) fn look_at_programs(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let due: Vec<_> = self.collector.looks.due(now).collect();
        let mut spaces = HashMap::new();
        for pid in due {
            spaces.extend(self.probes.target(pid)?.map(|target| (pid, target.space)));
        }
        for (pid, found) in self.collector.looks.look(now) {
            let Some(target) = self.probes.target(pid)? else { continue };
            if spaces.get(&pid) != Some(&target.space) {
                continue; // its exec begins another look
            }
            match found {
                Found::Python(process, interpreter) => {
                    self.found_python(&process, target.space, interpreter)?;
                }
                Found::Other => self.found_other(pid, &target)?,
            }
        }
        Ok(())
    }

    /// A traced process has become this Python.
    fn found_python(
        &mut self,
        process: &Process,
        space: u64,
        interpreter: Arc<Interpreter>,
    ) -> Result<(), Error> {
        if self.probes.identify(process.pid, &known(&interpreter, space, self.options.follow))? {
            self.collector.looked(process, Some((space, interpreter)));
        }
        Ok(())
    }

    /// A traced process has become something else.
    fn found_other(&mut self, pid: Pid, target: &Target) -> Result<(), Error> {
        let found = Target { flags: target.flags | flag::NOT_PYTHON, ..*target };
        if self.probes.identify(pid, &found)?
            && let Ok(process) = Process::open(pid)
        {
            self.collector.looked(&process, None);
        }
        Ok(())
    }
}
