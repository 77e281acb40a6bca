//! Nothing may need a newer Rust than `rust-version` says.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::semver::Version;
use cargo_metadata::{DependencyKind, Node, Package, PackageId};
use toml::Value;

use crate::cargo::{Steps, run as run_command, stdout};
use crate::workspace::Workspace;

/// Makes every check; the first that fails is the error.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let version = workspace.rust_version()?;
    let mut steps = Steps::new(3);
    steps.begin(format_args!("rust-version of every dependency is at most {version}, or not declared"));
    check_dependencies(workspace, &version)?;
    steps.begin("clippy::incompatible_msrv is on in every library");
    check_lint(workspace)?;
    steps.begin(format_args!("check the libraries with Rust {}", short(&version)));
    check_with_toolchain(workspace, &version)
}

fn check_dependencies(workspace: &Workspace, version: &Version) -> Result<()> {
    let dependencies = dependencies(workspace)?;
    let too_new: Vec<_> = dependencies.iter().filter(|package| needs_more_than(package, version)).collect();
    for package in &too_new {
        println!("      {} {} needs Rust {}", package.name, package.version, needed(package));
    }
    ensure!(too_new.is_empty(), "{} dependencies need a newer Rust than {version}", too_new.len());
    let silent = dependencies.iter().filter(|package| package.rust_version.is_none()).count();
    println!("      {} packages, of which {silent} do not declare it", dependencies.len());
    Ok(())
}

fn needs_more_than(package: &Package, version: &Version) -> bool {
    package.rust_version.as_ref().is_some_and(|needed| needed > version)
}

fn needed(package: &Package) -> String {
    package.rust_version.as_ref().map_or_else(|| "of any version".to_owned(), Version::to_string)
}

/// The libraries and all that is compiled for whoever uses them, every feature on.
fn dependencies(workspace: &Workspace) -> Result<Vec<&Package>> {
    let resolve = workspace.metadata.resolve.as_ref().context("cargo metadata without a dependency graph")?;
    let nodes: HashMap<&PackageId, &Node> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<&PackageId> = workspace.libraries().map(|package| &package.id).collect();
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(nodes.get(id).into_iter().flat_map(|node| compiled_with(node)));
        }
    }
    Ok(workspace.metadata.packages.iter().filter(|package| found.contains(&package.id)).collect())
}

fn compiled_with(node: &Node) -> impl Iterator<Item = &PackageId> {
    let is_for_users = |kind: DependencyKind| kind != DependencyKind::Development;
    node.deps.iter().filter(move |dep| dep.dep_kinds.iter().any(|kind| is_for_users(kind.kind))).map(|dep| &dep.pkg)
}

/// The lint finds what the standard library has only got since.
fn check_lint(workspace: &Workspace) -> Result<()> {
    let root = manifest(&workspace.root().join("Cargo.toml"))?;
    let level = at(&root, "workspace.lints.clippy.incompatible_msrv").and_then(Value::as_str);
    ensure!(
        level.is_some_and(|level| level != "allow"),
        "Cargo.toml: [workspace.lints.clippy] must have incompatible_msrv = \"warn\""
    );
    for package in workspace.libraries() {
        let inherited = at(&manifest(package.manifest_path.as_std_path())?, "lints.workspace").and_then(Value::as_bool);
        ensure!(inherited == Some(true), "{}: [lints] must have workspace = true", package.name);
    }
    Ok(())
}

fn manifest(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot parse {}", path.display()))
}

/// The value behind a dotted key.
fn at<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    key.split('.').try_fold(value, |value, part| value.get(part))
}

fn check_with_toolchain(workspace: &Workspace, version: &Version) -> Result<()> {
    let Some(toolchain) = installed(version) else {
        println!(
            "      left out: no toolchain of that version is installed (`rustup toolchain install {}`)",
            short(version)
        );
        return Ok(());
    };
    let mut command = Command::new("rustup");
    command.args(["run", &toolchain, "cargo", "check", "--all-features", "--target-dir"]).arg(workspace.target("msrv"));
    command.args(workspace.libraries().map(|package| format!("--package={}", package.name)));
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("LD_LIBRARY_PATH");
    run_command(&mut command)
}

/// The name that rustup has for a toolchain of this version, any patch level.
fn installed(version: &Version) -> Option<String> {
    let list = stdout(Command::new("rustup").args(["toolchain", "list"])).ok()?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.into_iter().find(|name| is_of(name, version)).map(str::to_owned)
}

/// True for `1.91-x86_64-unknown-linux-gnu` and `1.91.1-...` if the version is 1.91.
fn is_of(toolchain: &str, version: &Version) -> bool {
    let number = toolchain.split('-').next().unwrap_or(toolchain);
    let short = short(version);
    number == short || number.strip_prefix(&short).is_some_and(|rest| rest.starts_with('.'))
}

fn short(version: &Version) -> String {
    format!("{}.{}", version.major, version.minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolchain_is_known_by_its_minor_version() {
        let version = Version::new(1, 91, 0);
        assert!(is_of("1.91-x86_64-unknown-linux-gnu", &version));
        assert!(is_of("1.91.1-x86_64-unknown-linux-gnu", &version));
        assert!(!is_of("1.95.0-x86_64-unknown-linux-gnu", &version));
        assert!(!is_of("1.910-x86_64-unknown-linux-gnu", &version));
        assert!(!is_of("stable-x86_64-unknown-linux-gnu", &version));
    }
}
