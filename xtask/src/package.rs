//! The library crates as a registry would get them.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::cargo::{Steps, cargo, run as run_command};
use crate::workspace::Workspace;

/// Packs the libraries together, so that each is built against the others as packed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let names: Vec<&str> = workspace.libraries().map(|package| package.name.as_str()).collect();
    let folder = fresh_folder(workspace)?;
    let mut command = cargo("package --allow-dirty");
    command.args(names.iter().map(|name| format!("--package={name}"))).arg("--target-dir").arg(&folder);
    Steps::new(1).begin(format_args!("pack {}, and build what was packed", names.join(", ")));
    let packed = run_command(&mut command);
    fs::remove_dir_all(&folder)?;
    packed
}

/// A folder that never was: cargo takes a crate that it has once packed in a folder for unchanged, in source and as built, until the
/// version changes, and would build the others against the old one.
fn fresh_folder(workspace: &Workspace) -> Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let folder = workspace.target("package-check").join(format!("{now}-{}", process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
