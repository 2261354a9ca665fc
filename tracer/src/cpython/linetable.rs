//! Line tables: which line each instruction of a code object belongs to.
//!
//! Three formats, decoded once into a sorted array. A table comes from the target's memory: what is malformed ends the
//! table there, and instructions past its end have the code object's first line.

use crate::cpython::layout::LineFormat;

/// Lines by bytecode address, for one code object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineTable {
    first_line: i32,
    ranges: Vec<LineRange>,
}

/// Instructions up to `end` that share a line; they begin where the range before ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LineRange {
    end: u32,
    line: Option<u32>,
}

impl LineTable {
    /// Decodes a table as it lies in memory.
    #[must_use]
    pub fn decode(format: LineFormat, first_line: i32, table: &[u8]) -> Self {
        let mut ranges = Ranges { line: first_line.into(), end: 0, ranges: Vec::new() };
        match format {
            LineFormat::Lnotab { signed } => ranges.lnotab(signed, table),
            LineFormat::Ranges => ranges.linetable(table),
            LineFormat::Locations => ranges.locations(table),
        };
        ranges.ranges.shrink_to_fit();
        Self { first_line, ranges: ranges.ranges }
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ranges.capacity() * size_of::<LineRange>()
    }

    /// The line of the instruction at this byte of the bytecode, `None` for an instruction without one.
    ///
    /// What lies outside the table has not begun to execute: it has the code object's first line.
    #[must_use]
    pub fn line(&self, address: i64) -> Option<u32> {
        let first = u32::try_from(self.first_line).ok();
        let Ok(address) = u32::try_from(address) else { return first };
        let index = self.ranges.partition_point(|range| range.end <= address);
        self.ranges.get(index).map_or(first, |range| range.line)
    }
}

/// The ranges so far, and where the decoder stands.
struct Ranges {
    line: i64,
    end: u64,
    ranges: Vec<LineRange>,
}

/// The table ends here, perhaps before its time.
type TableEnd = Option<()>;

impl Ranges {
    /// Pairs of address step and line step, each line holding until the next step of the address.
    /// <https://github.com/python/cpython/blob/v3.9.18/Objects/lnotab_notes.txt>
    fn lnotab(&mut self, signed: bool, table: &[u8]) -> TableEnd {
        for pair in table.as_chunks::<2>().0 {
            let line = line(self.line);
            self.push(pair[0].into(), line)?;
            self.step(if signed { pair[1].cast_signed().into() } else { pair[1].into() });
        }
        let rest = u64::from(u32::MAX) - self.end;
        self.push(rest, line(self.line))
    }

    /// Pairs of range length and line step, -128 for a range without a line.
    /// <https://github.com/python/cpython/blob/v3.10.13/Objects/lnotab_notes.txt>
    fn linetable(&mut self, table: &[u8]) -> TableEnd {
        for pair in table.as_chunks::<2>().0 {
            let line = match pair[1].cast_signed() {
                i8::MIN => None,
                step => {
                    self.step(step.into());
                    line(self.line)
                }
            };
            self.push(pair[0].into(), line)?;
        }
        Some(())
    }

    /// Entries of a length in code units and a location.
    /// <https://github.com/python/cpython/blob/v3.12.0/Objects/locations.md>
    fn locations(&mut self, mut table: &[u8]) -> TableEnd {
        while let Some((&head, rest)) = table.split_first() {
            if head & 0x80 == 0 {
                return None;
            }
            table = rest;
            let line = self.location((head >> 3) & 15, &mut table)?;
            self.push((u64::from(head & 7) + 1) * 2, line)?;
        }
        Some(())
    }

    /// Line of one entry; takes the entry's bytes.
    fn location(&mut self, code: u8, table: &mut &[u8]) -> Option<Option<u32>> {
        match code {
            15 => return Some(None),
            14 => {
                self.step(signed_varint(table)?);
                for _end_line_and_columns in 0..3 {
                    varint(table)?;
                }
            }
            13 => self.step(signed_varint(table)?),
            10..=12 => {
                self.step(i64::from(code) - 10);
                *table = table.get(2..)?;
            }
            _columns => *table = table.get(1..)?,
        }
        Some(line(self.line))
    }

    fn step(&mut self, lines: i64) {
        self.line = self.line.saturating_add(lines);
    }

    /// Appends a range, joined to the one before when the line is the same.
    fn push(&mut self, bytes: u64, line: Option<u32>) -> TableEnd {
        if bytes == 0 {
            return Some(());
        }
        self.end += bytes;
        let end = u32::try_from(self.end).ok()?;
        match self.ranges.last_mut() {
            Some(last) if last.line == line => last.end = end,
            _ => self.ranges.push(LineRange { end, line }),
        }
        Some(())
    }
}

fn line(line: i64) -> Option<u32> {
    u32::try_from(line).ok()
}

/// Six bits a byte, lowest first; bit 6 says that more follow.
fn varint(table: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..36).step_by(6) {
        let (&byte, rest) = table.split_first()?;
        *table = rest;
        value |= u64::from(byte & 0x3f) << shift;
        if byte & 0x40 == 0 {
            return Some(value);
        }
    }
    None
}

/// A [`varint`] whose lowest bit is the sign.
fn signed_varint(table: &mut &[u8]) -> Option<i64> {
    let value = varint(table)?;
    let magnitude = (value >> 1).cast_signed();
    Some(if value & 1 == 0 { magnitude } else { -magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::interpreters;
    use crate::cpython::layout::Layout;
    use LineFormat::{Lnotab, Locations};

    const RANGES: LineFormat = LineFormat::Ranges;

    fn lines(format: LineFormat, table: &[u8], addresses: &[i64]) -> Vec<Option<u32>> {
        let table = LineTable::decode(format, 10, table);
        addresses.iter().map(|&address| table.line(address)).collect()
    }

    #[test]
    fn decodes_each_format() {
        let signed = Lnotab { signed: true };
        for (name, format, table, addresses, expected) in [
            ("steps", signed, &[6, 1, 8, 2][..], &[0, 5, 6, 13, 14, 900][..], &[10, 10, 11, 11, 13, 13][..]),
            ("backwards", signed, &[6, 0xff], &[0, 6], &[10, 9]),
            ("unsigned in 2.7", Lnotab { signed: false }, &[6, 0xff], &[0, 6], &[10, 265]),
            ("a long step", signed, &[255, 0, 1, 1], &[255, 256], &[10, 11]),
            ("two line steps", signed, &[2, 127, 0, 3], &[0, 2], &[10, 140]),
            ("3.10", RANGES, &[4, 0, 2, 1, 0, 100, 2, 1], &[0, 3, 4, 6], &[10, 10, 11, 112]),
            ("short", Locations, &[0x80 | 1, 0, 0x80 | 10 << 3, 1, 2], &[0, 3, 4, 5], &[10, 10, 10, 10]),
            ("one line", Locations, &[0x80 | 12 << 3, 1, 2], &[0], &[12]),
            ("no columns", Locations, &[0x80 | 13 << 3, 0b11], &[0], &[9]),
            ("long", Locations, &[0x80 | 14 << 3, 4, 0, 1, 1, 0x80, 0], &[0, 2], &[12, 12]),
            ("varint", Locations, &[0x80 | 13 << 3, 0x40, 0x02], &[0], &[74]),
        ] {
            let expected: Vec<_> = expected.iter().copied().map(Some).collect();
            assert_eq!(lines(format, table, addresses), expected, "{name}");
        }
    }

    #[test]
    fn instructions_without_a_line_have_none() {
        assert_eq!(lines(RANGES, &[2, 1, 2, 0x80, 2, 1], &[0, 2, 4]), [Some(11), None, Some(12)]);
        assert_eq!(lines(Locations, &[0x80 | 15 << 3, 0x80, 0], &[0, 2]), [None, Some(10)]);
    }

    #[test]
    fn outside_the_table_is_the_first_line() {
        let first = Some(10);
        assert_eq!(lines(RANGES, &[2, 5], &[-2, 0, 2]), [first, Some(15), first]);
        assert_eq!(lines(Locations, &[], &[-2, 0]), [first, first]);
        assert_eq!(lines(Lnotab { signed: true }, &[2, 5], &[-1]), [first]);
    }

    #[test]
    fn malformed_tables_end_early() {
        let overlong = [&[0x80 | 13 << 3][..], &[0x7f; 40]].concat();
        let long_walk = [&[0x80 | 12 << 3, 0, 0][..], &overlong].concat();
        for (name, format, table, expected) in [
            ("odd lnotab", Lnotab { signed: true }, &[2][..], [Some(10), Some(10)]),
            ("odd linetable", RANGES, &[2, 1, 7], [Some(11), Some(10)]),
            ("entry without its mark", Locations, &[0x80, 0, 0x01, 0], [Some(10), Some(10)]),
            ("cut short entry", Locations, &[0x80 | 12 << 3, 0], [Some(10), Some(10)]),
            ("cut varint", Locations, &[0x80 | 13 << 3, 0x40], [Some(10), Some(10)]),
            ("cut long entry", Locations, &[0x80 | 14 << 3, 2, 1], [Some(10), Some(10)]),
            ("endless varint", Locations, &overlong, [Some(10), Some(10)]),
            ("good before bad", Locations, &long_walk, [Some(12), Some(10)]),
            ("negative line", RANGES, &[2, 0x81, 2, 0x81], [None, None]),
        ] {
            assert_eq!(lines(format, table, &[0, 2]), expected, "{name}");
        }
    }

    #[test]
    fn any_bytes_decode() {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for round in 0..3000 {
            let table: Vec<u8> = (0..round % 97).map(|_| next()).collect();
            for format in [Lnotab { signed: true }, Lnotab { signed: false }, RANGES, Locations] {
                let decoded = LineTable::decode(format, i32::from(next()) - 128, &table);
                assert!(decoded.ranges.is_sorted_by_key(|range| range.end));
                assert!(decoded.ranges.len() <= table.len() + 1);
            }
        }
    }

    #[test]
    fn huge_tables_are_bounded_by_their_size() {
        let table = LineTable::decode(RANGES, 1, &[255, 1].repeat(1 << 20));
        assert_eq!(table.line((255 << 20) - 1), Some((1 << 20) + 1));
    }

    /// Every position of every code object of some modules, against the interpreter's own word.
    #[test]
    fn agrees_with_every_interpreter() {
        const PROGRAM: &str = include_str!("linetable_truth.py");
        for python in interpreters::all() {
            let layout = Layout::for_release(python.release, false).expect("a known release");
            let mut positions = 0;
            for code in interpreters::json(&python, PROGRAM).as_array().expect("a list") {
                positions += check(layout, code);
            }
            assert!(positions > 20_000, "{}: only {positions} positions", python.path.display());
        }
    }

    /// Compares one code object, and gives the number of its positions.
    fn check(layout: &Layout, code: &serde_json::Value) -> usize {
        let table: Vec<u8> = serde_json::from_value(code["table"].clone()).expect("bytes");
        let first_line = code["first_line"].as_i64().expect("a line") as i32;
        let decoded = LineTable::decode(layout.code.line_format, first_line, &table);
        let truth: Vec<(i64, i64, Option<u32>)> =
            serde_json::from_value(code["lines"].clone()).expect("ranges");
        for (start, end, line) in &truth {
            for address in *start..*end {
                let name = code["name"].as_str().expect("a name");
                assert_eq!(decoded.line(address), *line, "{:?} {name} at {address}", layout.release);
            }
        }
        truth.iter().map(|(start, end, _)| (end - start) as usize).sum()
    }
}
