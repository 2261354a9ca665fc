//! Which processes: by pid, or by what they are.

use clap::{ArgAction, Args};
use regex_lite::Regex;
use tracer::selection::Selection;

use super::values;

/// Processes that exist.
#[derive(Debug, Args)]
pub struct Targets {
    /// Processes to trace, separated by commas
    ///
    /// A thread ID stands for its process.
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',', action = ArgAction::Append, conflicts_with = "SelectionOptions", value_parser = values::pid)]
    pids: Vec<u32>,

    /// The same as --pid
    #[arg(hide_short_help = true, value_name = "PID", value_delimiter = ',', conflicts_with = "SelectionOptions", value_parser = values::pid)]
    positional: Vec<u32>,

    #[command(flatten)]
    pub choice: SelectionOptions,
}

/// Python processes by what they are; those that meet every condition given.
#[derive(Debug, Args)]
pub struct SelectionOptions {
    /// Python processes by command line, also later ones
    ///
    /// Those whose command line matches; processes that start later and match are traced too.
    #[arg(long, value_name = "REGEX", value_parser = values::regex)]
    name: Option<Regex>,

    /// Python processes of a systemd unit: nginx.service, or nginx
    #[arg(hide_short_help = true, long, value_name = "NAME")]
    unit: Option<String>,

    /// Python processes of a container: its id, the beginning of its id, or its name
    #[arg(hide_short_help = true, long, value_name = "ID")]
    container: Option<String>,

    /// Python processes of a control group and those below it
    #[arg(hide_short_help = true, long, value_name = "PATH")]
    cgroup: Option<String>,

    /// Python processes of a user, by name or number
    #[arg(hide_short_help = true, long = "user", id = "of_user", value_name = "NAME", value_parser = values::user)]
    user: Option<u32>,

    /// All Python processes
    #[arg(hide_short_help = true, long)]
    all: bool,
}

impl Targets {
    /// Both ways to name them.
    pub fn pids(&self) -> Vec<u32> {
        self.pids.iter().chain(&self.positional).copied().collect()
    }
}

impl SelectionOptions {
    /// What was asked for.
    pub fn selection(&self) -> Selection {
        Selection {
            name: self.name.clone(),
            unit: self.unit.clone(),
            container: self.container.clone(),
            cgroup: self.cgroup.clone(),
            user: self.user,
            all: self.all,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::tests::parse;

    #[test]
    fn a_selection_stands_instead_of_pids() {
        let cli = parse("tracer --name ^python.*worker --unit shop --user 0").unwrap();
        let selection = cli.targets.choice.selection();
        assert!(selection.name.unwrap().is_match("python3 worker"));
        assert_eq!(
            (selection.unit.as_deref(), selection.user, selection.all),
            (Some("shop"), Some(0), false)
        );
        for line in
            ["tracer --name a -p 1", "tracer --all 7", "tracer --name (", "tracer --user nobody-of-this-name"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
