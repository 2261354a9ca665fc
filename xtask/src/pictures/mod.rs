//! The picture in the README: a report of the demo program as a terminal shows it.

mod svg;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::command::say;
use crate::{build, demo, tree};

/// Where the demo program lies in the picture, and where while it runs: as long, so that nothing moves.
const DEMO: &str = "/srv/shop";
const COPY: &str = "/tmp/shop";
/// Where the interpreter lies in the picture.
const PREFIX: &str = "/usr";

/// Traces the demo program and draws its report.
pub fn pictures() -> Result<()> {
    let tracer = build::build()?;
    let traced = trace_copy(&tracer)?;
    ensure!(!traced.text.is_empty(), "cannot draw the report: there is none");
    let path = tree::root().join("docs/report.svg");
    let prefix = traced.python.ancestors().nth(2).context("cannot find where the interpreter lies")?;
    let text = general(&traced.text, &[(Path::new(COPY), DEMO), (prefix, PREFIX)]);
    fs::write(&path, svg::draw(&traced.command, &text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    say(format!("wrote {}", path.display()));
    Ok(())
}

fn trace_copy(tracer: &Path) -> Result<demo::Traced> {
    let copy = Path::new(COPY).join("busy_shop.py");
    fs::create_dir(COPY).with_context(|| format!("cannot make {COPY}; try to remove it"))?;
    let copied = fs::copy(demo::program(), &copy).context("cannot copy the demo program");
    let traced = copied.and_then(|_| demo::report(tracer, &copy));
    fs::remove_dir_all(COPY).with_context(|| format!("cannot remove {COPY}"))?;
    traced
}

/// A report without what belongs to one machine: where files lie, and what its vendor added to the kernel's version.
fn general(text: &str, places: &[(&Path, &str)]) -> String {
    let general = |line: &str| {
        let line = without_vendor(line);
        places.iter().fold(line, |line, (from, to)| moved(&line, &from.display().to_string(), to))
    };
    text.lines().map(|line| general(line) + "\n").collect()
}

/// `Linux 6.18.44-cloud-v657 x86_64` becomes `Linux 6.18.44 x86_64`.
fn without_vendor(line: &str) -> String {
    let Some((before, rest)) = line.split_once(" Linux ") else { return line.to_owned() };
    let Some((release, after)) = rest.split_once(' ') else { return line.to_owned() };
    let version: String = release.chars().take_while(|char| char.is_ascii_digit() || *char == '.').collect();
    format!("{before} Linux {version} {after}")
}

/// Shorter paths leave blanks where columns follow.
fn moved(line: &str, from: &str, to: &str) -> String {
    let mut pieces = line.split(from);
    let mut moved = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let shorter = from.len().saturating_sub(to.len());
        let gap = piece.find("  ").unwrap_or(piece.len());
        let blanks = if gap < piece.len() { " ".repeat(shorter) } else { String::new() };
        moved += &format!("{to}{}{blanks}{}", &piece[..gap], &piece[gap..]);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_one_machine_is_in_the_picture() {
        for (line, expected) in [
            (
                "tracer 0.1.0, Linux 6.18.44-fc-v657 x86_64, 2 CPUs",
                "tracer 0.1.0, Linux 6.18.44 x86_64, 2 CPUs",
            ),
            ("at /home/me/tracer/xtask/demo/shop.py:3 f", "at /srv/shop/shop.py:3 f"),
            ("  /home/me/tracer/xtask/demo/a.csv  12  3 B", "  /srv/shop/a.csv                   12  3 B"),
            ("at /opt/python3.12/lib/python3.12/queue.py:1 get", "at /usr/lib/python3.12/queue.py:1 get"),
            ("no path", "no path"),
        ] {
            let places = [("/home/me/tracer/xtask/demo", DEMO), ("/opt/python3.12", PREFIX)];
            let places = places.map(|(from, to)| (Path::new(from), to));
            assert_eq!(general(line, &places), format!("{expected}\n"));
        }
    }
}
