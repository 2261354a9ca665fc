//! What the trace could not see.

use super::page::{Ink, Page};
use crate::report::{Quality, Records, Samples};
use crate::units::{count, percent};

pub fn write(page: &mut Page, quality: &Quality) {
    let lost: u64 = quality.lost.values().sum();
    let ink = if lost == 0 { Ink::Plain } else { Ink::Warn };
    page.section("QUALITY", ink, &losses(quality, lost));
    if page.is_full() || lost > 0 || !is_balanced(quality, lost) {
        write_ledger(page, quality, lost);
    }
    page.prose(Ink::Plain, 2, &samples(&quality.samples));
    write_records(page, quality.records);
    if quality.kernel_missed > 0 {
        let missed = count(quality.kernel_missed);
        page.prose(
            Ink::Warn,
            2,
            &format!("the kernel skipped {missed} runs of probes: counts are too low by up to as many"),
        );
    }
}

pub(in crate::report) fn losses(quality: &Quality, lost: u64) -> String {
    if lost == 0 {
        return format!("none of {} hits lost", count(quality.hits));
    }
    let reasons = quality.lost.iter().filter(|(_, hits)| **hits > 0);
    let reasons: Vec<String> = reasons.map(|(reason, hits)| format!("{reason} {}", count(*hits))).collect();
    let share = percent(lost, quality.hits);
    format!("{} of {} hits lost ({share}): {}", count(lost), count(quality.hits), reasons.join(", "))
}

fn is_balanced(quality: &Quality, lost: u64) -> bool {
    quality.hits == quality.filtered + quality.emitted + quality.aggregated + lost
}

fn write_ledger(page: &mut Page, quality: &Quality, lost: u64) {
    let Quality { hits, filtered, emitted, aggregated, .. } = quality;
    let (ink, equals) =
        if is_balanced(quality, lost) { (Ink::Faint, "=") } else { (Ink::Critical, "is not") };
    let [hits, filtered, emitted, aggregated] =
        [hits, filtered, emitted, aggregated].map(|part| count(*part));
    let parts =
        format!("{filtered} filtered + {emitted} emitted + {aggregated} aggregated + {} lost", count(lost));
    page.prose(ink, 2, &format!("hits: {hits} {equals} {parts}"));
}

pub(in crate::report) fn samples(samples: &Samples) -> String {
    let Samples { expected, taken, python, no_python_frame, faulted, unresolved, truncated } = samples;
    let [expected, taken, python] = [expected, taken, python].map(|samples| count(*samples));
    let others = [
        (no_python_frame, "outside of Python"),
        (faulted, "unreadable"),
        (unresolved, "before the interpreter was known"),
        (truncated, "cut at --depth"),
    ];
    let others = others.iter().filter(|(samples, _)| **samples > 0);
    let others: String = others.map(|(samples, what)| format!(", {} {what}", count(**samples))).collect();
    format!("{taken} samples taken of {expected} expected, {python} with a Python stack{others}")
}

fn write_records(page: &mut Page, records: Records) {
    let Records { tried, decoded, corrupt, lost } = records;
    if corrupt == 0 && lost == 0 && tried == decoded {
        if page.is_full() {
            page.prose(Ink::Plain, 2, &format!("names and stacks: all {} read", count(tried)));
        }
        return;
    }
    let [tried, decoded, corrupt, lost] = [tried, decoded, corrupt, lost].map(count);
    let sentence = format!("names and stacks: {decoded} of {tried} read, {corrupt} corrupt, {lost} lost");
    page.prose(Ink::Warn, 2, &sentence);
}
