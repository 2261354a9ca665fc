//! How many different opens of a file were read at a line.

use crate::event::{FileId, ReadRow, SpaceId};

use super::ReadSum;

/// A call is at either of two instructions, which lie that close, before and after CPython has specialised it.
const SAME_CALL: i32 = 4;

/// The opens of the rows that make one row of the report.
#[derive(Debug, Default)]
pub struct Opens {
    calls: Vec<(Code, Call)>,
    unknown: bool,
}

/// File, address space and code object.
type Code = (FileId, SpaceId, u64);
/// An instruction, and the opens that it made first.
type Call = (i32, u64);

impl Opens {
    /// Adds a row of the same line and path.
    pub fn add(&mut self, key: &ReadRow, sum: &ReadSum) {
        self.unknown |= key.file.is_none() || sum.opens_unknown > 0;
        let code = (key.file, key.space, key.site.code);
        self.calls.push((code, (key.site.instruction, sum.opens)));
    }

    /// `None` where it is not known.
    pub fn finish(&self) -> Option<u64> {
        let mut calls = self.calls.clone();
        calls.sort_unstable();
        (!self.unknown).then(|| calls.chunk_by(|(a, _), (b, _)| a == b).map(opens_of_a_line).sum())
    }
}

/// Two calls on a line read the same opens, mostly; the two places of one call share them out.
fn opens_of_a_line(calls: &[(Code, Call)]) -> u64 {
    let (mut most, mut of_call, mut last) = (0, 0, None);
    for (_, (instruction, opens)) in calls {
        let goes_on = last.is_some_and(|last| instruction - last <= SAME_CALL);
        of_call = if goes_on { of_call + opens } else { *opens };
        (most, last) = (most.max(of_call), Some(*instruction));
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_on_a_line_read_the_same_opens_and_two_places_of_a_call_share_them() {
        for (name, calls, expected) in [
            ("one", vec![(10, 5)], 5),
            ("specialised", vec![(10, 8), (14, 92)], 100),
            ("two calls", vec![(10, 100), (40, 100)], 100),
            ("two calls, both specialised", vec![(10, 8), (12, 92), (40, 8), (42, 91)], 100),
        ] {
            let code = (FileId(1), SpaceId(1), 0x7f00);
            let calls: Vec<_> = calls.into_iter().map(|call| (code, call)).collect();
            assert_eq!(opens_of_a_line(&calls), expected, "{name}");
        }
    }
}
