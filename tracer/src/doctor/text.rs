//! The checks as text: one line each, and what to do below those that fail.

use super::Checkup;
use super::check::Check;
use crate::report::text::Style;
use crate::report::text::page::{Ink, Page};
use crate::report::text::place::columns;
use crate::units::counted;

/// The whole checkup.
#[must_use]
pub fn render(checkup: &Checkup, style: Style) -> String {
    let mut page = Page::new(style);
    let widest = checkup.checks.iter().map(|check| columns(check.name)).max().unwrap_or(0);
    checkup.checks.iter().for_each(|check| write(&mut page, check, widest));
    page.blank();
    let (ink, conclusion) = conclusion(checkup);
    page.line(ink, 0, &conclusion);
    page.into_string()
}

fn write(page: &mut Page, check: &Check, widest: usize) {
    let (mark, ink) = match (check.ok, check.stops()) {
        (true, _) => ("ok  ", Ink::Plain),
        (false, None) => ("warn", Ink::Warn),
        (false, Some(_)) => ("FAIL", Ink::Critical),
    };
    let lead = format!("{}  {:widest$}  ", page.paint(ink, mark), check.name);
    let indent = mark.len() + 2 + widest + 2;
    page.led(&lead, indent, Ink::Plain, check.found.as_str());
    if let Some(remedy) = &check.remedy {
        page.prose(ink, indent, remedy.as_str());
    }
}

fn conclusion(checkup: &Checkup) -> (Ink, String) {
    let count = |is: fn(&Check) -> bool| checkup.checks.iter().filter(|check| is(check)).count() as u64;
    let failed = count(|check| check.stops().is_some());
    let warned = count(|check| !check.ok) - failed;
    match (failed, warned) {
        (0, 0) => (Ink::Title, "tracing will work".to_owned()),
        (0, _) => (Ink::Title, format!("tracing will work, with {}", counted(warned, "limit"))),
        _ => (Ink::Critical, format!("tracing will not work: {}", counted(failed, "failure"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_fails_says_what_to_do() {
        let checkup = Checkup {
            schema: "tracer.doctor/1",
            checks: vec![
                Check::ok("kernel", "Linux 6.12 x86_64"),
                Check::lacking("bpf jit", "off", "try sysctl net.core.bpf_jit_enable=1"),
                Check::failed(
                    "right to load probes",
                    ErrorKind::NotPermitted,
                    "CAP_BPF is missing",
                    "try sudo",
                ),
            ],
        };
        assert_eq!(
            render(&checkup, Style { color: false, width: 80, full: true }),
            "\
ok    kernel                Linux 6.12 x86_64
warn  bpf jit               off
                            try sysctl net.core.bpf_jit_enable=1
FAIL  right to load probes  CAP_BPF is missing
                            try sudo

tracing will not work: 1 failure
"
        );
        assert_eq!(checkup.stops(), Some(ErrorKind::NotPermitted));
    }
}
