//! The table of gates in the README, out of the figures of a run.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::workspace::Workspace;

/// What a run of the bench program writes.
#[derive(Debug, Deserialize)]
struct Figures {
    date: String,
    kernel: String,
    cpu: String,
    gates: Vec<Gate>,
}

/// A figure and its limit, as the bench program writes it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Gate {
    pub(crate) id: String,
    pub(crate) scenario: String,
    pub(crate) unit: String,
    pub(crate) ratio: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) limit: f64,
    pub(crate) limit_is: String,
    pub(crate) holds: bool,
}

/// Puts the table between the two marks in the README.
pub(crate) fn write(workspace: &Workspace, figures: &Path) -> Result<()> {
    let figures: Figures = serde_json::from_str(&fs::read_to_string(figures)?)?;
    let file = workspace.root().join("README.md");
    let readme = fs::read_to_string(&file)?;
    let (before, rest) = readme.split_once(BEGIN).context("README.md: no mark where the table begins")?;
    let (_, behind) = rest.split_once(END).context("README.md: no mark where the table ends")?;
    fs::write(&file, format!("{before}{BEGIN}\n\n{}\n{END}{behind}", table(&figures)))?;
    Ok(())
}

fn table(figures: &Figures) -> String {
    let Figures { date, kernel, cpu, gates } = figures;
    let rows: String = gates.iter().map(row).collect();
    format!("{date}, Linux {kernel}, {cpu}\n\n{HEAD}{rows}")
}

fn row(gate: &Gate) -> String {
    let Gate { id, scenario, ratio, min, max, limit, limit_is, .. } = gate;
    let (digits, unit) = if gate.unit == "ratio" { (2, String::new()) } else { (1, format!(" {}", gate.unit)) };
    let verdict = if gate.holds { "holds" } else { "missed" };
    let spread = if min < max { format!(" ({min:.digits$} to {max:.digits$})") } else { String::new() };
    // Some limits are measured, too.
    let limit = (limit * 100.0).round() / 100.0;
    format!("| {id} | {scenario} | {ratio:.digits$}{unit}{spread} | {limit_is} {limit} | {verdict} |\n")
}

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";
const HEAD: &str = "| gate | scenario | median (least to most) | limit | |\n|---|---|---|---|---|\n";
