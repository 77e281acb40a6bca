//! What there is to measure.

use std::error::Error;

use fdlink_linux::DispatchMode;

use crate::arguments::Arguments;
use crate::contest::Standings;
use crate::progress::Progress;
use crate::spread::Spread;
use crate::tap::Layout;
use crate::workplace::Needs;
use crate::{memory, seqpacket, tap, veth};

/// One job, measured, and the gate that it belongs to.
pub(crate) struct Scenario {
    /// As in PERFORMANCE.md.
    pub(crate) gate: &'static str,
    pub(crate) name: String,
    pub(crate) limit: f64,
    pub(crate) needs: Needs,
    pub(crate) measure: Measure,
}

type Measure = Box<dyn Fn(&Arguments, &mut Progress) -> Result<Outcome, Box<dyn Error>>>;

/// What came of a scenario.
pub(crate) struct Outcome {
    /// What the limit is for.
    pub(crate) figure: Spread,
    pub(crate) unit: Unit,
    /// What it was made of.
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) program: &'static str,
    pub(crate) figure: Spread,
    pub(crate) unit: Unit,
    /// The part of the frames that the system did not take.
    pub(crate) failed: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Ratio,
    NanosecondsPerFrame,
    Kibibytes,
}

impl Unit {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::NanosecondsPerFrame => "ns/frame",
            Self::Kibibytes => "KiB",
        }
    }

    /// Digits behind the point that say something.
    pub(crate) const fn digits(self) -> usize {
        match self {
            Self::Ratio => 3,
            Self::NanosecondsPerFrame => 0,
            Self::Kibibytes => 1,
        }
    }
}

impl From<Standings> for Outcome {
    fn from(standings: Standings) -> Self {
        let unit = Unit::NanosecondsPerFrame;
        let rows = standings.programs.into_iter();
        let rows = rows.map(|row| Row { program: row.program, figure: row.cost, unit, failed: row.failed });
        Self { figure: standings.ratio, unit: Unit::Ratio, rows: rows.collect() }
    }
}

/// The scenarios whose gate or whose name begins with one of `only`, all if there is none.
pub(crate) fn chosen(only: &[String]) -> Result<Vec<Scenario>, Box<dyn Error>> {
    let mut scenarios = all();
    let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
    if let Some(stray) = only.iter().find(|word| !scenarios.iter().any(|scenario| scenario.is_called(word))) {
        return Err(format!("--only {stray}: there are {}", names.join(", ")).into());
    }
    scenarios.retain(|scenario| only.is_empty() || only.iter().any(|word| scenario.is_called(word)));
    Ok(scenarios)
}

impl Scenario {
    fn is_called(&self, word: &str) -> bool {
        self.gate.eq_ignore_ascii_case(word) || self.name.starts_with(word)
    }
}

fn all() -> Vec<Scenario> {
    let modes = [DispatchMode::Readv, DispatchMode::RecvMmsg];
    let layouts = [Layout::Contiguous, Layout::HeaderAndPayload];
    let receive = modes.into_iter().flat_map(|mode| SIZES.map(|size| receive(mode, size)));
    let send = layouts.into_iter().flat_map(|layout| SIZES.map(|size| send(layout, size)));
    receive.chain(send).chain(SIZES.map(send_many)).chain(modes.map(memory_of)).collect()
}

fn receive(mode: DispatchMode, size: usize) -> Scenario {
    Scenario {
        gate: "G1",
        name: format!("seqpacket-{mode}-{size}"),
        limit: 1.05,
        needs: Needs::Nothing,
        measure: Box::new(move |arguments, progress| seqpacket::measure(mode, size, arguments, progress)),
    }
}

fn send(layout: Layout, size: usize) -> Scenario {
    Scenario {
        gate: "G3",
        name: format!("tap-{}-{size}", layout.call()),
        limit: 1.03,
        needs: Needs::Tun,
        measure: Box::new(move |arguments, progress| tap::measure(layout, size, arguments, progress)),
    }
}

fn send_many(size: usize) -> Scenario {
    Scenario {
        gate: "G4",
        name: format!("veth-sendmmsg-{size}"),
        limit: 1.05,
        needs: Needs::Namespace,
        measure: Box::new(move |arguments, progress| veth::measure(size, arguments, progress)),
    }
}

fn memory_of(mode: DispatchMode) -> Scenario {
    Scenario {
        gate: "G12",
        name: format!("memory-{mode}"),
        limit: if mode == DispatchMode::RecvMmsg { 256.0 } else { 64.0 },
        needs: Needs::Nothing,
        measure: Box::new(move |arguments, progress| memory::measure(mode, arguments, progress)),
    }
}

/// Bytes of a frame, link header included.
const SIZES: [usize; 2] = [64, 1500];
