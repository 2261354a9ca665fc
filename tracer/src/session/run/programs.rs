//! What runs in traced processes now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tracer_common::target::{Target, flag};

use super::Run;
use crate::attach::Error;
use crate::event::{Pid, SpaceId};
use crate::process::Process;
use crate::python::Interpreter;
use crate::roots::known;
use crate::timeline::{FoundProgram, LifeId};

impl Run<'_> {
    /// What the roots run, as far as that is known; the others are probed later.
    pub(super) fn introduce_interpreters(&mut self) {
        for root in self.roots {
            match &root.interpreter {
                Some(interpreter) => {
                    let (pid, life) = (root.process.pid, LifeId::default());
                    self.collector.spaces.insert(pid, life, root.space, interpreter.clone());
                }
                None if root.asked || root.other => {}
                None => self.collector.interpreter_probes.begin(root.process.pid, Instant::now()),
            }
        }
    }

    /// What is found out of a process holds for the program that it ran before the probe.
    pub(super) fn probe_programs(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let due: Vec<_> = self.collector.interpreter_probes.due(now).collect();
        let mut spaces = HashMap::new();
        for pid in due {
            spaces.extend(self.probes.target(pid)?.map(|target| (pid, target.space)));
        }
        for (pid, found) in self.collector.interpreter_probes.probe(now) {
            let Some(target) = self.probes.target(pid)? else { continue };
            // If not, its exec begins another probe.
            if spaces.get(&pid) == Some(&target.space) {
                self.found(pid, &target, found)?;
            }
        }
        Ok(())
    }

    fn found(&mut self, pid: Pid, before: &Target, found: FoundProgram) -> Result<(), Error> {
        match found {
            FoundProgram::Python(process, interpreter) => self.found_python(&process, before, interpreter),
            FoundProgram::Other => self.found_other(pid, before),
        }
    }

    /// A traced process has become this Python.
    pub(super) fn found_python(
        &mut self,
        process: &Process,
        before: &Target,
        interpreter: Arc<Interpreter>,
    ) -> Result<(), Error> {
        let space = SpaceId(before.space);
        let found = known(&interpreter, space, self.options.follow);
        if self.probes.identify(process, before, &found)? {
            self.collector.describe_probed(process, Some((space, interpreter)));
        }
        Ok(())
    }

    /// A traced process has become something else.
    fn found_other(&mut self, pid: Pid, before: &Target) -> Result<(), Error> {
        let Ok(process) = Process::open(pid) else { return Ok(()) };
        // Of what has been opened, and not of the process that had its pid before.
        if self.probes.target(pid)?.as_ref() != Some(before) {
            return Ok(());
        }
        let found = Target { flags: before.flags | flag::NOT_PYTHON, ..*before };
        if self.probes.identify(&process, before, &found)? {
            self.collector.describe_probed(&process, None);
        }
        Ok(())
    }
}
