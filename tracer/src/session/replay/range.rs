//! A part of a recording's time.

use std::str::FromStr;

use crate::event::Nanos;

/// From one moment to another, since the start of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The start of the window if `None`.
    pub from: Option<Nanos>,
    /// The end of the recording if `None`.
    pub to: Option<Nanos>,
}

impl FromStr for Range {
    type Err = String;

    /// `5s-10s`, `5s-`, `-10s`, and `5s+2s` for two seconds from the fifth on.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text} is not a range; there are 5s-10s, 5s-, -10s and 5s+2s");
        let moment = |text: &str| match text.trim() {
            "" => Ok(None),
            text => nanos(text).map(Some).ok_or_else(bad),
        };
        let (from, to) = match (text.split_once('+'), text.split_once('-')) {
            (Some((from, length)), None) => {
                let (from, length) = (moment(from)?.ok_or_else(bad)?, moment(length)?.ok_or_else(bad)?);
                (Some(from), Some(from + length))
            }
            (None, Some((from, to))) => (moment(from)?, moment(to)?),
            _ => return Err(bad()),
        };
        let is_empty = from.zip(to).is_some_and(|(from, to)| from >= to);
        if is_empty || (from, to) == (None, None) { Err(bad()) } else { Ok(Self { from, to }) }
    }
}

/// `500ms`, `5s`, `2m`; seconds without a unit.
fn nanos(text: &str) -> Option<Nanos> {
    let split = text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 1e6,
        "" | "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    };
    let nanos = number.parse::<f64>().ok()? * scale;
    (nanos < (1_u64 << 52) as f64).then_some(nanos as Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_they_are_written() {
        const S: Nanos = 1_000_000_000;
        for (text, expected) in [
            ("5s-10s", Some((Some(5 * S), Some(10 * S)))),
            ("5s-", Some((Some(5 * S), None))),
            ("-10s", Some((None, Some(10 * S)))),
            ("5s+2s", Some((Some(5 * S), Some(7 * S)))),
            ("1.5-2m", Some((Some(3 * S / 2), Some(120 * S)))),
            ("500ms - 1s", Some((Some(S / 2), Some(S)))),
            ("10s-5s", None),
            ("5s-5s", None),
            ("-", None),
            ("5s", None),
            ("5s+", None),
            ("+5s", None),
            ("a-b", None),
            ("5s--1s", None),
            ("99999999h-", None),
        ] {
            let found = text.parse::<Range>().ok().map(|range| (range.from, range.to));
            assert_eq!(found, expected, "{text}");
        }
    }
}
