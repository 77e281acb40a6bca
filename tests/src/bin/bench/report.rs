use crate::machine;
use crate::scenario::{Limit, Outcome, Row, Scenario, Unit};
use crate::spread::Spread;

/// Everything that was measured, and what was not.
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) results: Vec<Measured>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// A scenario and its outcome.
pub(crate) struct Measured {
    pub(crate) gate: &'static str,
    pub(crate) scenario: String,
    pub(crate) limit: Option<Limit>,
    pub(crate) figure: Spread,
    pub(crate) unit: Unit,
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct LeftOut {
    pub(crate) gate: &'static str,
    pub(crate) scenario: String,
    pub(crate) reason: String,
}

impl Measured {
    pub(crate) fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| limit.is_kept(self.figure.median))
    }

    fn is_far_off(&self) -> bool {
        self.limit.is_some_and(|limit| !limit.loosened(FAR_OFF).is_kept(self.figure.median))
    }
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { date: machine::date(), results: Vec::new(), left_out: Vec::new() }
    }

    pub(crate) fn add(&mut self, scenario: &Scenario, outcome: Outcome) {
        let Scenario { gate, name, limit, .. } = scenario;
        let Outcome { figure, unit, limit: instead, rows } = outcome;
        let limit = instead.or(*limit);
        self.results.push(Measured { gate, scenario: name.clone(), limit, figure, unit, rows });
    }

    pub(crate) fn leave_out(&mut self, scenario: &Scenario, reason: String) {
        self.left_out.push(LeftOut { gate: scenario.gate, scenario: scenario.name.clone(), reason });
    }

    /// True if a gate is missed by more than the noise of a busy machine and few rounds explains.
    pub(crate) fn is_far_off(&self) -> bool {
        self.results.iter().any(Measured::is_far_off)
    }

    pub(crate) fn print(&self) {
        println!("{}, Linux {}, {}", self.date, machine::kernel(), machine::cpu());
        self.print_rows();
        self.print_gates();
        self.print_left_out();
        self.print_summary();
    }

    fn print_rows(&self) {
        println!("\n{:24} {:32} median (least to most)", "scenario", "program");
        for result in &self.results {
            for Row { program, figure, unit, ratio, failed } in &result.rows {
                let (digits, unit) = (unit.digits(), unit.name());
                let ratio = ratio.map_or_else(String::new, |ratio| format!(", {:.2} of bare", ratio.median));
                let failed = if *failed > 0.0 { format!(", {:.1} % not taken", failed * 100.0) } else { String::new() };
                println!("{:24} {program:32} {figure:.digits$} {unit}{ratio}{failed}", result.scenario);
            }
        }
    }

    /// Those that belong to a gate.
    pub(crate) fn judged(&self) -> impl Iterator<Item = (&Measured, Limit)> {
        self.results.iter().filter_map(|result| Some((result, result.limit?)))
    }

    fn print_gates(&self) {
        if self.judged().next().is_none() {
            return;
        }
        println!("\n{:4} {:24} {:28} {:12} ", "gate", "scenario", "fdlink / bare, or KiB", "limit");
        for (result, limit) in self.judged() {
            let Measured { gate, scenario, figure, unit, .. } = result;
            let figure = format!("{figure:.*}", unit.digits());
            let limit = match limit {
                Limit::AtMost(most) if *unit == Unit::Kibibytes => format!("{most:.0} KiB"),
                Limit::AtMost(most) => format!("{most:.2}"),
                Limit::AtLeast(least) => format!("{least:.2} or more"),
            };
            println!(
                "{gate:4} {scenario:24} {figure:28} {limit:12} {}",
                if result.holds() { "holds" } else { "MISSED" }
            );
        }
    }

    fn print_left_out(&self) {
        for LeftOut { gate, scenario, reason } in &self.left_out {
            println!("{gate:4} {scenario:24} left out: {reason}");
        }
    }

    /// A gate holds if all its scenarios do.
    fn print_summary(&self) {
        let mut gates: Vec<_> = self.judged().map(|(result, _)| result.gate).collect();
        gates.dedup();
        let holds = |gate: &&str| self.results.iter().filter(|result| result.gate == *gate).all(Measured::holds);
        let (held, missed): (Vec<_>, Vec<_>) = gates.into_iter().partition(holds);
        println!("\nhold: {}; missed: {}", names(&held), names(&missed));
    }
}

fn names(gates: &[&str]) -> String {
    if gates.is_empty() { "none".to_owned() } else { gates.join(", ") }
}

const FAR_OFF: f64 = 1.25;
