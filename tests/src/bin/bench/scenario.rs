//! What there is to measure; `all` is the list.

use std::borrow::Cow;
use std::error::Error;

use fdlink_core::WakePolicy;
use fdlink_linux::DispatchMode;

use crate::arguments::Arguments;
use crate::contest::{Standing, Standings};
use crate::growth::Axis;
use crate::latency::{PATHS, POLICIES, Path};
use crate::progress::Progress;
use crate::ring::Ring;
use crate::spread::Spread;
use crate::tap::Layout;
use crate::wake::Mode;
use crate::workplace::Needs;
use crate::{fanout, growth, handed, latency, memory, offload, peers, ring, seqpacket, tap, tcp, veth, wake};

/// One job, measured, and the gate that it belongs to.
pub(crate) struct Scenario {
    /// The gate that it belongs to, if any.
    pub(crate) gate: &'static str,
    pub(crate) name: String,
    /// `None`: it is measured, not judged.
    pub(crate) limit: Option<Limit>,
    pub(crate) needs: Needs,
    pub(crate) measure: Measure,
}

/// What the figure of a gate has to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    pub(crate) const fn figure(self) -> f64 {
        match self {
            Self::AtMost(figure) | Self::AtLeast(figure) => figure,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AtMost(_) => "at most",
            Self::AtLeast(_) => "at least",
        }
    }

    pub(crate) fn is_kept(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }

    /// The same with a part of the figure left for noise.
    pub(crate) fn loosened(self, factor: f64) -> Self {
        match self {
            Self::AtMost(most) => Self::AtMost(most * factor),
            Self::AtLeast(least) => Self::AtLeast(least / factor),
        }
    }
}

type Measure = Box<dyn Fn(&Arguments, &mut Progress) -> Result<Outcome, Box<dyn Error>>>;

/// What came of a scenario.
pub(crate) struct Outcome {
    /// What the limit is for.
    pub(crate) figure: Spread,
    pub(crate) unit: Unit,
    /// In the place of the scenario's limit, where the bare loops do not keep that on this machine.
    pub(crate) limit: Option<Limit>,
    /// What it was made of.
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) program: Cow<'static, str>,
    pub(crate) figure: Spread,
    pub(crate) unit: Unit,
    /// In parts of the bare loop's, where there is one.
    pub(crate) ratio: Option<Spread>,
    /// The part of the frames that the system did not take.
    pub(crate) failed: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Ratio,
    NanosecondsPerFrame,
    NanosecondsPerKibibyte,
    Kibibytes,
    Microseconds,
}

impl Unit {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::NanosecondsPerFrame => "ns/frame",
            Self::NanosecondsPerKibibyte => "ns/KiB",
            Self::Kibibytes => "KiB",
            Self::Microseconds => "us",
        }
    }

    /// Digits behind the point that say something.
    pub(crate) const fn digits(self) -> usize {
        match self {
            Self::Ratio => 3,
            Self::NanosecondsPerFrame => 0,
            Self::NanosecondsPerKibibyte | Self::Kibibytes | Self::Microseconds => 1,
        }
    }
}

impl From<Standings> for Outcome {
    fn from(standings: Standings) -> Self {
        let unit = Unit::NanosecondsPerFrame;
        let rows = standings.programs.into_iter();
        let row =
            |Standing { program, cost, ratio, failed }| Row { program, figure: cost, unit, ratio: Some(ratio), failed };
        let rows = rows.map(row);
        Self { figure: standings.ratio, unit: Unit::Ratio, limit: None, rows: rows.collect() }
    }
}

impl Outcome {
    /// The same in cost of bytes, where every frame has `frame_len` of them.
    pub(crate) fn per_kibibyte(standings: Standings, frame_len: usize) -> Self {
        let mut outcome = Self::from(standings);
        for row in &mut outcome.rows {
            row.figure = row.figure.times(1024.0 / frame_len as f64);
            row.unit = Unit::NanosecondsPerKibibyte;
        }
        outcome
    }
}

/// The scenarios whose gate or whose name begins with one of `only`; if there is none, all but those that are only measured if they are
/// asked for.
pub(crate) fn chosen(only: &[String]) -> Result<Vec<Scenario>, Box<dyn Error>> {
    let mut scenarios = all();
    let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
    if let Some(stray) = only.iter().find(|word| !scenarios.iter().any(|scenario| scenario.is_called(word))) {
        return Err(format!("--only {stray}: there are {}", names.join(", ")).into());
    }
    scenarios.retain(|scenario| match only {
        [] => !ON_REQUEST.iter().any(|word| scenario.is_called(word)),
        _ => only.iter().any(|word| scenario.is_called(word)),
    });
    Ok(scenarios)
}

impl Scenario {
    fn is_called(&self, word: &str) -> bool {
        (!self.gate.is_empty() && self.gate.eq_ignore_ascii_case(word)) || self.name.starts_with(word)
    }
}

fn all() -> Vec<Scenario> {
    let modes = [DispatchMode::Readv, DispatchMode::RecvMmsg];
    let layouts = [Layout::Contiguous, Layout::HeaderAndPayload];
    let receive = modes.into_iter().flat_map(|mode| SIZES.map(|size| receive(mode, size)));
    let send = layouts.into_iter().flat_map(|layout| SIZES.map(|size| send(layout, size)));
    let drain = RINGS.into_iter().flat_map(|ring| SIZES.map(|size| drain(ring, size)));
    let hand_over = SIZES.map(hand_over);
    let wake = WAKES.map(|(mode, limit)| wake_up(mode, limit));
    let sockets = receive.chain(drain).chain(hand_over).chain(send).chain(SIZES.map(send_many));
    let offloads = offload::Job::ALL.map(offload);
    let gates = sockets.chain(offloads).chain(wake).chain(RINGS.map(spread)).chain(modes.map(memory_of));
    let beside =
        peers::Interface::ALL.into_iter().flat_map(|interface| SIZES.map(|size| receive_beside(interface, size)));
    gates.chain(tcp::scenarios()).chain(beside).chain(latencies()).chain(Axis::ALL.map(grow)).collect()
}

fn receive(mode: DispatchMode, size: usize) -> Scenario {
    Scenario {
        gate: "G1",
        name: format!("seqpacket-{mode}-{size}"),
        limit: Some(Limit::AtMost(1.05)),
        needs: Needs::Nothing,
        measure: Box::new(move |arguments, progress| seqpacket::measure(mode, size, arguments, progress)),
    }
}

fn drain(ring: Ring, size: usize) -> Scenario {
    Scenario {
        gate: "G2",
        name: format!("ring-{}-{size}", ring.name()),
        limit: Some(Limit::AtMost(1.5)),
        needs: Needs::Namespace,
        measure: Box::new(move |arguments, progress| ring::measure(ring, size, arguments, progress)),
    }
}

fn hand_over(size: usize) -> Scenario {
    Scenario {
        gate: "G2b",
        name: format!("ring-handed-{size}"),
        limit: Some(Limit::AtMost(1.1)),
        needs: Needs::Cores,
        measure: Box::new(move |arguments, progress| handed::measure(size, arguments, progress)),
    }
}

fn wake_up(mode: Mode, limit: f64) -> Scenario {
    Scenario {
        gate: "G5",
        name: format!("wake-{}", mode.name()),
        limit: Some(Limit::AtMost(limit)),
        needs: Needs::Cores,
        measure: Box::new(move |arguments, progress| wake::measure(mode, arguments, progress)),
    }
}

fn spread(ring: Ring) -> Scenario {
    Scenario {
        gate: "G10",
        name: format!("fanout-{}", ring.name()),
        limit: Some(Limit::AtLeast(fanout::GAIN)),
        needs: Needs::Cores,
        measure: Box::new(move |arguments, progress| fanout::measure(ring, arguments, progress)),
    }
}

fn send(layout: Layout, size: usize) -> Scenario {
    Scenario {
        gate: "G3",
        name: format!("tap-{}-{size}", layout.call()),
        limit: Some(Limit::AtMost(1.03)),
        needs: Needs::Tun,
        measure: Box::new(move |arguments, progress| tap::measure(layout, size, arguments, progress)),
    }
}

fn send_many(size: usize) -> Scenario {
    Scenario {
        gate: "G4",
        name: format!("veth-sendmmsg-{size}"),
        limit: Some(Limit::AtMost(1.05)),
        needs: Needs::Namespace,
        measure: Box::new(move |arguments, progress| veth::measure(size, arguments, progress)),
    }
}

fn offload(job: offload::Job) -> Scenario {
    Scenario {
        gate: job.gate(),
        name: job.name(),
        limit: Some(Limit::AtMost(job.limit())),
        needs: job.needs(),
        measure: Box::new(move |arguments, progress| offload::measure(job, arguments, progress)),
    }
}

/// Beside other crates.
fn receive_beside(interface: peers::Interface, size: usize) -> Scenario {
    Scenario {
        gate: "",
        name: format!("receive-{}-{size}", interface.name()),
        limit: None,
        needs: if interface == peers::Interface::Tap { Needs::Tun } else { Needs::Namespace },
        measure: Box::new(move |arguments, progress| peers::measure(interface, size, arguments, progress)),
    }
}

/// Every path with every policy; on a ring of blocks, whose own timer decides, only with the first.
fn latencies() -> impl Iterator<Item = Scenario> {
    let pairs = PATHS.into_iter().flat_map(|path| POLICIES.map(|(name, wake)| (path, name, wake)));
    let pairs = pairs.filter(|(path, _, wake)| *path != Path::VethRing(Ring::V3) || *wake == WakePolicy::Prompt);
    pairs.map(|(path, name, wake)| Scenario {
        gate: "",
        name: format!("latency-{}-{name}", path.name()),
        limit: None,
        needs: path.needs(),
        measure: Box::new(move |arguments, progress| latency::measure(path, wake, arguments, progress)),
    })
}

fn grow(axis: Axis) -> Scenario {
    Scenario {
        gate: "",
        name: format!("growth-{}", axis.name()),
        limit: None,
        needs: Needs::Nothing,
        measure: Box::new(move |arguments, progress| growth::measure(axis, arguments, progress)),
    }
}

fn memory_of(mode: DispatchMode) -> Scenario {
    Scenario {
        gate: "G12",
        name: format!("memory-{mode}"),
        limit: Some(Limit::AtMost(if mode == DispatchMode::RecvMmsg { 256.0 } else { 64.0 })),
        needs: Needs::Nothing,
        measure: Box::new(move |arguments, progress| memory::measure(mode, arguments, progress)),
    }
}

const ON_REQUEST: [&str; 2] = ["latency", "growth"];

/// Bytes of a frame, link header included.
const SIZES: [usize; 2] = [64, 1500];

const RINGS: [Ring; 2] = [Ring::V2, Ring::V3];
/// Modes that wake for each frame have to do no worse than the same call; the one that gathers frames, than the timer of its ring.
const WAKES: [(Mode, f64); 3] = [(Mode::RecvMmsg, 1.1), (Mode::Ring(Ring::V2), 1.1), (Mode::Ring(Ring::V3), 1.2)];
