//! The gates that are counts and not times, told with the others: instructions (G9) and allocations (G11).

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cargo::{cargo, output};
use crate::instructions;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// A count and its limit.
struct Gate {
    id: &'static str,
    scenario: String,
    unit: &'static str,
    count: f64,
    limit: f64,
}

/// A gate that nothing was counted for.
struct LeftOut {
    id: &'static str,
    scenario: &'static str,
    reason: String,
}

/// Counts, tells it, and adds it to the figures of the bench program.
pub(crate) fn run(workspace: &Workspace, figures: Option<&Path>) -> Result<()> {
    println!("\ncounting instructions and allocations");
    let (mut gates, mut left_out) = (Vec::new(), Vec::new());
    match instructions::limited(workspace) {
        Ok(cases) => gates.extend(cases.into_iter().map(Gate::from)),
        Err(error) => left_out.push(LeftOut { id: "G9", scenario: "instructions", reason: error.to_string() }),
    }
    let tally = allocations()?;
    let skips = tally.skips().iter().map(|skip| skip.reason.clone());
    left_out.extend(skips.map(|reason| LeftOut { id: "G11", scenario: "allocations", reason }));
    gates.push(Gate {
        id: "G11",
        scenario: "allocations".to_owned(),
        unit: "tests that allocate",
        count: tally.failed() as f64,
        limit: 0.0,
    });
    gates.iter().for_each(|gate| println!("{}", gate.line()));
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

fn add(file: &Path, gates: &[Gate], left_out: &[LeftOut]) -> Result<()> {
    let mut figures: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let list = |figures: &mut Value, name| figures.get_mut(name).and_then(Value::as_array_mut).map(std::mem::take);
    let mut all = list(&mut figures, "gates").context("figures without gates")?;
    all.extend(gates.iter().map(Gate::json));
    let mut missing = list(&mut figures, "left_out").unwrap_or_default();
    let of = |LeftOut { id, scenario, reason }: &LeftOut| json!({ "id": id, "scenario": scenario, "reason": reason });
    missing.extend(left_out.iter().map(of));
    figures["gates"] = all.into();
    figures["left_out"] = missing.into();
    Ok(fs::write(file, format!("{figures:#}\n"))?)
}

impl From<instructions::Limited> for Gate {
    fn from(case: instructions::Limited) -> Self {
        let instructions::Limited { name, instructions, limit } = case;
        Self { id: "G9", scenario: name, unit: "instructions", count: instructions, limit }
    }
}

impl Gate {
    fn holds(&self) -> bool {
        self.count <= self.limit
    }

    fn line(&self) -> String {
        let Self { id, scenario, unit, count, limit } = self;
        let figure = format!("{count:.1} {unit}");
        format!("{id:4} {scenario:24} {figure:28} {limit:<12} {}", if self.holds() { "holds" } else { "MISSED" })
    }

    /// As the bench program writes a gate.
    fn json(&self) -> Value {
        let Self { id, scenario, unit, count, limit } = self;
        json!({
            "id": id, "scenario": scenario, "unit": unit, "ratio": count, "min": count, "max": count,
            "limit": limit, "limit_is": "at most", "holds": self.holds(),
        })
    }
}
