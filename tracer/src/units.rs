//! Figures as a person reads them: grouped, with a unit, to three digits.

/// `1,234,567`
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 read`, `2 reads`: the plural adds an s.
pub fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

/// `0`, `740 ns`, `12.0 µs`, `45.3 ms`, `1.23 s`, `2 min 05 s`, `3 h 07 min`
pub fn duration(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let seconds = ns.saturating_add(SECOND / 2) / SECOND;
    match ns {
        0 => "0".to_string(),
        1..1_000 => format!("{ns} ns"),
        // Just below a unit, three digits would round up to 1000 of the smaller one.
        1_000..999_500 => format!("{} µs", three_digits(ns, 1_000)),
        999_500..999_500_000 => format!("{} ms", three_digits(ns, 1_000_000)),
        _ if seconds < 100 => format!("{} s", three_digits(ns, SECOND)),
        _ if seconds < 3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", count(seconds / 3_600), seconds % 3_600 / 60),
    }
}

/// `16 B`, `9,999 B`, `16.0 KiB`, `1.20 MiB`
pub fn bytes(n: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match n {
        0..10_000 => format!("{} B", count(n)),
        10_000..MIB => format!("{} KiB", three_digits(n, KIB)),
        MIB..GIB => format!("{} MiB", three_digits(n, MIB)),
        _ => format!("{} GiB", three_digits(n, GIB)),
    }
}

/// `27.0%`, `<0.1%`; `-` of nothing.
pub fn percent(part: u64, whole: u64) -> String {
    match part as f64 / whole as f64 * 100.0 {
        _ if whole == 0 => "-".to_string(),
        small if part > 0 && small < 0.05 => "<0.1%".to_string(),
        share => format!("{share:.1}%"),
    }
}

/// What is not known is a dash.
pub fn known(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| "-".to_string())
}

fn three_digits(n: u64, unit: u64) -> String {
    let value = n as f64 / unit as f64;
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        ..999.5 => format!("{value:.0}"),
        _ => count(value.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!((counted(1, "read"), counted(2_000, "read")), ("1 read".into(), "2,000 reads".into()));
    }

    #[test]
    fn durations_carry_a_unit() {
        for (ns, text) in [
            (0, "0"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (12_000, "12.0 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (45_300_000, "45.3 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1.00 s"),
            (1_234_000_000, "1.23 s"),
            (9_996_000_000, "10.0 s"),
            (99_499_999_999, "99.5 s"),
            (99_500_000_000, "1 min 40 s"),
            (125_000_000_000, "2 min 05 s"),
            (3_599_600_000_000, "1 h 00 min"),
            (11_220_000_000_000, "3 h 07 min"),
        ] {
            assert_eq!(duration(ns), text);
        }
        assert_eq!(duration(u64::MAX), "5,124,095 h 34 min");
    }

    #[test]
    fn sizes_are_exact_while_they_are_small() {
        for (n, text) in [
            (0, "0 B"),
            (4_096, "4,096 B"),
            (16_384, "16.0 KiB"),
            (1_258_291, "1.20 MiB"),
            (40 << 30, "40.0 GiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(bytes(u64::MAX), "17,179,869,184 GiB");
    }

    #[test]
    fn a_share_of_nothing_is_no_number() {
        assert_eq!(percent(27, 100), "27.0%");
        assert_eq!(percent(1, 3), "33.3%");
        assert_eq!(percent(1, 100_000), "<0.1%");
        assert_eq!(percent(0, 0), "-");
    }
}
