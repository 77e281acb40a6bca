//! Instructions for each frame, counted by callgrind and held against budgets: exact where times are not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;

use crate::cargo::{cargo, output, run as run_command, stdout};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct InstructionsArgs {
    /// Only the cases whose name starts so.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,

    /// Make what was counted the budget.
    #[arg(long)]
    update: bool,
}

/// The file of budgets: what each case took with that compiler.
#[derive(Debug, Deserialize)]
struct Budgets {
    rustc: String,
    cases: BTreeMap<String, Budget>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Budget {
    instructions: f64,
    /// Where it belongs to gate G9.
    limit: Option<f64>,
    /// A case whose work is in this one too, and does not count for the limit.
    besides: Option<String>,
}

/// A case as the program lists it.
struct Case {
    name: String,
    unit: String,
    units: f64,
}

pub(crate) fn run(args: &InstructionsArgs, workspace: &Workspace) -> Result<()> {
    let program = build(workspace)?;
    let mut budgets = Budgets::read(workspace)?;
    let rustc = stdout(Command::new("rustc").arg("--version"))?;
    let is_same_rustc = rustc == budgets.rustc;
    let mut failures = Vec::new();
    for case in chosen(&program, &args.only)? {
        let counted = match count(&program, &case) {
            Ok(counted) => counted,
            Err(reason) => {
                println!("{:18} left out: {reason}", case.name);
                continue;
            }
        };
        let fresh = Budget { instructions: counted, ..Budget::default() };
        let budget = budgets.cases.entry(case.name.clone()).or_insert(fresh).clone();
        let limited = counted - budgets.besides(&budget);
        println!("{}", line(&case, counted, limited, &budget));
        failures.extend(failure(&case.name, counted, limited, &budget, is_same_rustc && !args.update));
        budgets.cases.insert(case.name, Budget { instructions: counted, ..budget });
    }
    if args.update {
        fs::write(Budgets::file(workspace), text(&rustc, &budgets))?;
    } else if !is_same_rustc {
        println!("budgets not judged: they are of {}, this is {rustc}", budgets.rustc);
    }
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

/// A case that belongs to gate G9, and what it took.
pub(crate) struct Limited {
    pub(crate) name: String,
    pub(crate) instructions: f64,
    pub(crate) limit: f64,
}

/// Counts those cases.
pub(crate) fn limited(workspace: &Workspace) -> Result<Vec<Limited>> {
    let (program, budgets) = (build(workspace)?, Budgets::read(workspace)?);
    let cases = chosen(&program, &[])?.into_iter();
    let cases = cases.filter_map(|case| budgets.cases.get(&case.name).map(|budget| (case, budget)));
    let cases = cases.filter_map(|(case, budget)| budget.limit.map(|limit| (case, budget, limit)));
    let counted = cases.map(|(case, budget, limit)| {
        Ok(Limited { instructions: count(&program, &case)? - budgets.besides(budget), name: case.name, limit })
    });
    counted.collect()
}

fn build(workspace: &Workspace) -> Result<PathBuf> {
    ensure!(Command::new("valgrind").arg("--version").output().is_ok(), "valgrind is not installed: install it");
    run_command(&mut cargo("build --quiet --release --package fdlink-tests --bin instructions"))?;
    Ok(workspace.target("release").join("instructions"))
}

impl Budgets {
    fn file(workspace: &Workspace) -> PathBuf {
        workspace.root().join(BUDGETS)
    }

    fn read(workspace: &Workspace) -> Result<Self> {
        toml::from_str(&fs::read_to_string(Self::file(workspace))?).context(BUDGETS)
    }

    /// What does not count for the limit of a case.
    fn besides(&self, budget: &Budget) -> f64 {
        budget.besides.as_ref().and_then(|other| self.cases.get(other)).map_or(0.0, |other| other.instructions)
    }
}

fn chosen(program: &Path, only: &[String]) -> Result<Vec<Case>> {
    let cases = stdout(&mut Command::new(program))?;
    let cases = cases.lines().map(parse).collect::<Result<Vec<_>>>()?;
    Ok(cases
        .into_iter()
        .filter(|case| only.is_empty() || only.iter().any(|word| case.name.starts_with(word)))
        .collect())
}

fn parse(line: &str) -> Result<Case> {
    let [name, unit, units] = line.split_whitespace().collect::<Vec<_>>()[..] else { bail!("unexpected: {line}") };
    Ok(Case { name: name.to_owned(), unit: unit.to_owned(), units: units.parse()? })
}

/// Instructions for each unit.
fn count(program: &Path, case: &Case) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*::counted*"]);
    let output = output(valgrind.arg(program).arg(&case.name))?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", log.lines().find(|line| line.contains("called")).unwrap_or("it failed"));
    let collected = log.lines().find_map(|line| line.split("Collected :").nth(1)).context("valgrind told no count")?;
    Ok(collected.trim().parse::<f64>()? / case.units)
}

fn line(case: &Case, counted: f64, limited: f64, budget: &Budget) -> String {
    let change = (counted / budget.instructions - 1.0) * 100.0;
    let besides = budget.besides.as_ref().map(|other| format!("{limited:.1} besides {other}, "));
    let limit =
        budget.limit.map(|limit| format!("G9 at most {limit}: {}", if limited <= limit { "holds" } else { "MISSED" }));
    let Case { name, unit, .. } = case;
    let gate = [", ", &besides.unwrap_or_default(), &limit.unwrap_or_default()].concat();
    format!("{name:18} {counted:7.1} instructions a {unit} ({change:+.1} %){}", gate.trim_end_matches(", "))
}

fn failure(name: &str, counted: f64, limited: f64, budget: &Budget, is_judged: bool) -> Option<String> {
    let most = budget.instructions * (1.0 + TOLERANCE);
    if is_judged && counted > most {
        return Some(format!("{name}: {counted:.1} instructions are more than {most:.1}"));
    }
    budget
        .limit
        .filter(|limit| limited > *limit)
        .map(|limit| format!("{name}: {limited:.1} are above the gate of {limit}"))
}

fn text(rustc: &str, budgets: &Budgets) -> String {
    let mut text = format!("{HEADER}rustc = \"{rustc}\"\n");
    for (name, Budget { instructions, limit, besides }) in &budgets.cases {
        let limit = limit.map(|limit| format!("limit = {limit:.1}\n")).unwrap_or_default();
        let besides = besides.as_ref().map(|other| format!("besides = \"{other}\"\n")).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = write!(text, "\n[cases.{name}]\ninstructions = {instructions:.2}\n{limit}{besides}");
    }
    text
}

const BUDGETS: &str = "tests/instructions.toml";
const HEADER: &str = "\
# Instructions for each frame, by `cargo xtask instructions`; `--update` writes this file. More than 2 % above a budget is a failure, above
# a limit (gate G9) too; what the case named as besides takes is not counted for that.
";
/// The part of a budget by which a case may go beyond it.
pub(crate) const TOLERANCE: f64 = 0.02;
