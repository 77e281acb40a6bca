//! Format, lints, documentation, combinations of features.

use std::process::Command;

use anyhow::{Result, ensure};
use cargo_metadata::Package;

use crate::cargo::{Steps, cargo, run as run_command};
use crate::no_std;
use crate::workspace::Workspace;

/// Makes every check; the first that fails is the error.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut checks = fixed_checks(workspace);
    for package in workspace.libraries() {
        checks.extend(feature_checks(package)?);
    }
    let mut steps = Steps::new(checks.len());
    for mut check in checks {
        steps.begin(check.name);
        run_command(&mut check.command)?;
    }
    Ok(())
}

struct Check {
    name: String,
    command: Command,
}

impl Check {
    fn new(name: &str, command: Command) -> Self {
        Self { name: name.to_owned(), command }
    }
}

fn fixed_checks(workspace: &Workspace) -> Vec<Check> {
    vec![
        Check::new("format", cargo("fmt --all --check")),
        Check::new("format of tests/no-std", no_std::cargo_in(workspace, "fmt --check")),
        Check::new("clippy", cargo("clippy --workspace --all-targets --all-features -- -D warnings")),
        Check::new("clippy of tests/no-std", no_std_clippy(workspace)),
        Check::new("documentation", documentation()),
    ]
}

fn no_std_clippy(workspace: &Workspace) -> Command {
    let mut command = no_std::cargo_in(workspace, "clippy");
    command.arg("--target-dir").arg(workspace.target(no_std::TARGET)).args(["--", "-D", "warnings"]);
    command
}

fn documentation() -> Command {
    let mut command = cargo("doc --workspace --no-deps --all-features");
    command.env("RUSTDOCFLAGS", "-Dwarnings");
    command
}

/// One check for every subset of the features of a library.
fn feature_checks(package: &Package) -> Result<Vec<Check>> {
    let features: Vec<_> = package.features.keys().filter(|name| *name != "default").map(String::as_str).collect();
    ensure!(features.len() <= MOST_FEATURES, "{} has too many features to try every combination", package.name);
    Ok(subsets(&features).map(|subset| feature_check(&package.name, &subset)).collect())
}

fn feature_check(package: &str, features: &[&str]) -> Check {
    let mut command = cargo("check --no-default-features --package");
    command.arg(package).arg("--features").arg(features.join(","));
    let with = if features.is_empty() { "no feature".to_owned() } else { features.join(" and ") };
    Check::new(&format!("{package} with {with}"), command)
}

fn subsets<'f>(features: &[&'f str]) -> impl Iterator<Item = Vec<&'f str>> {
    let is_in = |set: u32, at: usize| set & (1 << at) != 0;
    (0..1_u32 << features.len()).map(move |set| {
        features.iter().enumerate().filter(|(at, _)| is_in(set, *at)).map(|(_, feature)| *feature).collect()
    })
}

/// 64 combinations.
const MOST_FEATURES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subset_once() {
        let subsets: Vec<_> = subsets(&["a", "b"]).collect();
        assert_eq!(subsets, [vec![], vec!["a"], vec!["b"], vec!["a", "b"]]);
    }
}
