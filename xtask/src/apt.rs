//! Debian packages, installed only where something is missing.

use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};

use crate::command::{as_root, is_root, on_path, output, say};

/// Installs packages, with root's rights; `why` follows their names on the terminal.
pub fn install(packages: &[&str], why: &str) -> Result<()> {
    let names = packages.join(" ");
    ensure!(
        on_path("apt-get"),
        "cannot install {names}: there is no apt-get; try this system's own packages"
    );
    ensure!(
        is_root() || on_path("sudo"),
        "cannot install {names}: neither root nor sudo; try `apt-get install {names}` as root"
    );
    say(format!("installing {names}: {why}"));
    let Err(cause) = apt_get("install", packages) else { return Ok(()) };
    say(format!("running apt-get update, then trying again: {cause:#}"));
    // What an update could not fetch, the installation names.
    apt_get("update", &[]).ok();
    apt_get("install", packages).map_err(|cause| {
        let remedy = remedy(&cause.to_string(), &names);
        anyhow!("cannot install {names}: {cause:#}; {remedy}")
    })
}

/// Whether the package lists offer a package.
pub fn offers(package: &str) -> bool {
    output(Command::new("apt-cache").args(["show", "--no-all-versions", package])).is_some()
}

/// Runs `apt-get`, which asks nothing, removes nothing and waits for another apt that is at work.
fn apt_get(act: &str, packages: &[&str]) -> Result<()> {
    let output = as_root("env")?
        .args(["LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "apt-get", act])
        .args(["--yes", "--no-remove", "--no-install-recommends", "--option=DPkg::Lock::Timeout=300"])
        .args(packages)
        .output()
        .context("cannot run apt-get")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", last_error(&stderr));
    Ok(())
}

/// The last thing apt-get complained of, as it said it.
pub fn last_error(stderr: &str) -> String {
    let mut errors = stderr.lines().filter_map(|line| line.strip_prefix("E: "));
    let last = errors.next_back().or_else(|| stderr.lines().last()).unwrap_or("apt-get failed");
    last.trim_end_matches('.').to_owned()
}

fn remedy(cause: &str, names: &str) -> String {
    let out_of_reach = ["Unable to locate", "Unable to fetch", "no installation candidate"];
    if out_of_reach.iter().any(|symptom| cause.contains(symptom)) {
        "try again once a mirror of Debian 12 and of its security updates can be reached".to_owned()
    } else {
        format!("try `apt-get install {names}` by hand")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_apt_said_and_what_to_do() {
        for (name, stderr, cause, hint) in [
            (
                "no lists, no network",
                "E: Unable to locate package gcc\n",
                "Unable to locate package gcc",
                "mirror",
            ),
            (
                "the mirror is out of reach",
                "E: Failed to fetch http://d/gcc.deb\nE: Unable to fetch some archives, maybe run apt-get update?\n",
                "Unable to fetch some archives, maybe run apt-get update?",
                "mirror",
            ),
            (
                "another package is in the way",
                "E: Packages need to be removed but remove is disabled.\n",
                "Packages need to be removed but remove is disabled",
                "by hand",
            ),
            ("sudo refused", "sudo: a password is required\n", "sudo: a password is required", "by hand"),
            ("silent", "", "apt-get failed", "by hand"),
        ] {
            assert_eq!(last_error(stderr), cause, "{name}");
            assert!(remedy(cause, "gcc").contains(hint), "{name}");
        }
    }
}
