//! The parts of a report that can be asked for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A part of the report, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Section {
    /// Context switches by cause.
    Switches,
    /// Reads by file and call site.
    Reads,
    /// Children, zombies, orphans.
    Processes,
    /// Signals.
    Signals,
    /// On-CPU samples and off-CPU stacks.
    Frames,
    /// Pauses for garbage collection.
    Gc,
}

impl Section {
    /// All of them, as the command line names them.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Switches, "switches"),
        (Self::Reads, "reads"),
        (Self::Processes, "processes"),
        (Self::Signals, "signals"),
        (Self::Frames, "frames"),
        (Self::Gc, "gc"),
    ];
}

impl Section {
    /// As the command line and the report name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(section, _)| *section == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for Section {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(_, name)| *name == text);
        let names = || Self::ALL.map(|(_, name)| name).join(", ");
        known
            .map(|&(section, _)| section)
            .ok_or_else(|| format!("no section is called {text}; there are {}", names()))
    }
}

/// A set of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sections(u8);

impl Sections {
    /// Everything.
    pub const ALL: Self = Self(0x3f);

    /// Only these.
    #[must_use]
    pub fn only(sections: &[Section]) -> Self {
        Self(sections.iter().fold(0, |set, section| set | section.bit()))
    }

    /// Without these.
    #[must_use]
    pub fn without(self, sections: &[Section]) -> Self {
        Self(self.0 & !Self::only(sections).0)
    }

    /// Those that are asked for, in the report's order.
    #[must_use]
    pub fn list(self) -> Vec<Section> {
        Section::ALL.into_iter().map(|(section, _)| section).filter(|&section| self.has(section)).collect()
    }

    /// Whether a section is asked for.
    #[must_use]
    pub fn has(self, section: Section) -> bool {
        self.0 & section.bit() != 0
    }

    /// Whether any of these is asked for.
    #[must_use]
    pub fn has_any(self, sections: &[Section]) -> bool {
        sections.iter().any(|&section| self.has(section))
    }
}

impl Section {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_what_the_command_line_says() {
        let only = Sections::only(&[Section::Reads, Section::Gc]);
        assert!(only.has(Section::Reads) && only.has(Section::Gc) && !only.has(Section::Frames));
        assert!(!Sections::ALL.without(&[Section::Frames]).has(Section::Frames));
        assert_eq!(Sections::ALL, Sections::only(&Section::ALL.map(|(section, _)| section)));
        assert_eq!(
            "cpu".parse::<Section>(),
            Err("no section is called cpu; there are switches, reads, processes, signals, frames, gc".into())
        );
    }
}
