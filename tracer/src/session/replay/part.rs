//! A part of a recording's time: from one standing of the run to another.

use std::time::Duration;

use jiff::Timestamp;

use super::range::Range;
use crate::event::{Event, Nanos};
use crate::recording::{Before, Opening, Standing};
use crate::report::Ended;

/// The run stands once a second: a part begins and ends where it stood, as near as can be.
const NEAR: Nanos = 500_000_000;

/// Where in the recording one is.
pub struct RecordedPart {
    range: Range,
    /// Where the recording begins: nanoseconds since the start of the window.
    origin: Nanos,
    /// What was before, until the part begins.
    before: Option<Before>,
    /// How the run stood then; `None` at its start.
    base: Option<Standing>,
    /// When that was: nanoseconds since the start of the window.
    from: Nanos,
    /// When it ended, likewise.
    to: Option<Nanos>,
}

impl RecordedPart {
    pub fn new(range: Range) -> Self {
        let before = range.from.filter(|from| *from > NEAR).map(|_| Before::default());
        Self { range, origin: 0, before, base: None, from: 0, to: None }
    }

    /// Whether it is less than all.
    pub fn is_asked(&self) -> bool {
        self.range != Range::default()
    }

    /// Whether something of the run was before it.
    pub fn begins_late(&self) -> bool {
        self.base.is_some()
    }

    pub fn has_begun(&self) -> bool {
        self.before.is_none()
    }

    pub fn is_over(&self) -> bool {
        self.to.is_some()
    }

    /// The recording begins in the middle of the run, which stood like this.
    pub fn begin_at(&mut self, base: Standing, start_ns: Nanos) {
        self.origin = base.at_ns.saturating_sub(start_ns);
        (self.from, self.base) = (self.origin, Some(base));
    }

    /// The run stands; what was before if the part begins with that.
    pub fn stand(&mut self, standing: &Standing, start_ns: Nanos) -> Option<Before> {
        let at = standing.at_ns.saturating_sub(start_ns);
        let passed = at.saturating_sub(self.origin);
        match (&self.before, self.range) {
            (Some(_), Range { from: Some(from), .. }) if passed + NEAR >= from => {
                (self.from, self.base) = (at, Some(standing.clone()));
                self.before.take()
            }
            (None, Range { to: Some(to), .. }) if passed + NEAR >= to && at > self.from => {
                self.to = Some(at);
                None
            }
            _ => None,
        }
    }

    /// An event as the part has it, if it has it.
    pub fn shifted(&mut self, mut event: Event) -> Option<Event> {
        match &mut self.before {
            Some(before) => {
                before.fold(event);
                None
            }
            None => {
                event.times_mut().into_iter().flatten().for_each(|at| *at = at.saturating_sub(self.from));
                Some(event)
            }
        }
    }

    /// How a run of this part would have begun, and how it stands.
    pub fn window(&self, mut opening: Opening, standing: Standing) -> (Opening, Standing) {
        opening.start_ns = opening.start_ns.saturating_add(self.from);
        if self.from > 0
            && let Ok(start) = opening.start.parse::<Timestamp>()
        {
            let start = start.saturating_add(Duration::from_nanos(self.from)).unwrap_or(start);
            opening.start = format!("{start:.9}");
        }
        let mut standing = match &self.base {
            Some(base) => standing.since(base, self.from),
            None => standing,
        };
        if self.to.is_some() {
            standing.ended = Some(Ended::Range);
        }
        (opening, standing)
    }
}
