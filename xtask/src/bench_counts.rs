//! The gates that are counts and not times, told with the others: instructions (G9) and allocations (G11).

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use crate::bench_table::Gate;
use crate::cargo::{cargo, output};
use crate::instructions::{self, Limited};
use crate::tally::{Skip, Tally};
use crate::workspace::Workspace;

/// What nothing was counted for, as the bench program writes it.
#[derive(Debug, Serialize)]
struct LeftOut {
    id: &'static str,
    scenario: String,
    reason: String,
}

/// Counts, tells it, and adds it to the figures of the bench program.
pub(crate) fn run(workspace: &Workspace, figures: Option<&Path>) -> Result<()> {
    println!("\ncounting instructions and allocations");
    let (mut gates, mut left_out) = (Vec::new(), Vec::new());
    match instructions::limited(workspace) {
        Ok(cases) => gates.extend(cases.into_iter().map(instructions_of)),
        Err(error) => {
            left_out.push(LeftOut { id: "G9", scenario: "instructions".to_owned(), reason: error.to_string() });
        }
    }
    let tally = allocations()?;
    if tally.has_run() {
        gates.push(gate("G11", "allocations", "tests that allocate", tally.failed() as f64, 0.0));
    }
    left_out.extend(tally.skips().iter().map(skipped));
    gates.iter().for_each(tell);
    left_out.iter().for_each(|LeftOut { id, scenario, reason }| println!("{id:4} {scenario:24} left out: {reason}"));
    figures.map_or(Ok(()), |file| add(file, &gates, &left_out))
}

/// Each test counts what one mode and direction allocates in the steady state, and fails if that is anything.
fn allocations() -> Result<Tally> {
    let output = output(&mut cargo("test --quiet --release --package fdlink-tests --test allocations"))?;
    let mut tally = Tally::default();
    String::from_utf8_lossy(&output.stdout).lines().for_each(|line| tally.read(line));
    if !output.status.success() {
        tally.command_failed();
    }
    Ok(tally)
}

fn skipped(Skip { test, reason }: &Skip) -> LeftOut {
    LeftOut { id: "G11", scenario: format!("allocations, {test}"), reason: reason.clone() }
}

fn instructions_of(Limited { name, instructions, limit }: Limited) -> Gate {
    gate("G9", &name, "instructions", instructions, limit)
}

/// Counted once, since it repeats.
fn gate(id: &str, scenario: &str, unit: &str, count: f64, limit: f64) -> Gate {
    Gate {
        id: id.to_owned(),
        scenario: scenario.to_owned(),
        unit: unit.to_owned(),
        ratio: count,
        min: count,
        max: count,
        limit,
        limit_is: "at most".to_owned(),
        holds: count <= limit,
    }
}

fn tell(gate: &Gate) {
    let Gate { id, scenario, unit, ratio, limit, holds, .. } = gate;
    let figure = format!("{ratio:.1} {unit}");
    println!("{id:4} {scenario:24} {figure:28} {limit:<12} {}", if *holds { "holds" } else { "MISSED" });
}

fn add(file: &Path, gates: &[Gate], left_out: &[LeftOut]) -> Result<()> {
    let mut figures: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    append(&mut figures, "gates", gates)?;
    append(&mut figures, "left_out", left_out)?;
    Ok(fs::write(file, format!("{figures:#}\n"))?)
}

fn append(figures: &mut Value, name: &'static str, more: &[impl Serialize]) -> Result<()> {
    let list =
        figures.get_mut(name).and_then(Value::as_array_mut).with_context(|| format!("figures without {name}"))?;
    for entry in more {
        list.push(serde_json::to_value(entry)?);
    }
    Ok(())
}
