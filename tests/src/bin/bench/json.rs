use serde_json::{Value, json};

use crate::machine;
use crate::report::{LeftOut, Measured, Report};
use crate::scenario::{Limit, Row};

/// The report for programs. `ratio` is in `unit`, which is not a ratio where there is nothing to compare with.
pub(crate) fn text(report: &Report) -> String {
    let rows = report.results.iter().flat_map(|result| result.rows.iter().map(|row| row_of(&result.scenario, row)));
    let value = json!({
        "date": report.date,
        "kernel": machine::kernel(),
        "cpu": machine::cpu(),
        "gates": report.judged().map(gate).collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "left_out": report.left_out.iter().map(left_out).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn gate((result, limit): (&Measured, Limit)) -> Value {
    json!({
        "id": result.gate,
        "scenario": result.scenario,
        "unit": result.unit.name(),
        "ratio": result.figure.median,
        "min": result.figure.min,
        "max": result.figure.max,
        "limit": limit.figure(),
        "limit_is": limit.name(),
        "holds": result.holds(),
    })
}

fn row_of(scenario: &str, row: &Row) -> Value {
    json!({
        "scenario": scenario,
        "program": row.program,
        "unit": row.unit.name(),
        "median": row.figure.median,
        "min": row.figure.min,
        "max": row.figure.max,
        "ratio": row.ratio.map(|ratio| ratio.median),
        "not_taken": row.failed,
    })
}

fn left_out(left_out: &LeftOut) -> Value {
    json!({ "id": left_out.gate, "scenario": left_out.scenario, "reason": left_out.reason })
}
