//! G8: bulk TCP between a socket of the kernel and smoltcp, over fdlink and over smoltcp's own device, each on a TAP interface.
//!
//! The figure is how many times the CPU time of smoltcp's own device in the loop of its examples fdlink's device in its turns takes, for
//! each byte, where it looks some times before it sleeps, which is timed too. The same without looking, and smoltcp's device in fdlink's kind of
//! loop, are told besides. What is timed is the thread of the stack, which is user and system time: much of what the kernel does for its own end
//! runs in that thread's calls. Kernel end on cubic, 256 KiB for each read and write, on the other core.

use std::error::Error;
use std::time::Duration;

use fdlink_core::io::Offloads;
use fdlink_core::smoltcp::Device;
use fdlink_core::{GsoSupport, LinkEndpoint as _, Options, Queue, WakePolicy};
use fdlink_linux::{FdEndpoint, FdIo, FdOptions, endpoint};
use fdlink_tests::bulk::{Connection, Direction, Family, Kernel, Net, Own, Rounds, Transfer};

use crate::arguments::Arguments;
use crate::contest;
use crate::machine;
use crate::program::{Cost, Program, StepResult};
use crate::progress::Progress;
use crate::scenario::{Limit, Outcome, Scenario, Unit};
use crate::sending::options;
use crate::workplace::Needs;

/// One transfer after the other of a kind.
#[derive(Debug, Clone, Copy)]
struct Cell {
    direction: Direction,
    family: Family,
    /// Of the smoltcp socket, each way.
    buffer_kib: usize,
}

pub(crate) fn scenarios() -> impl Iterator<Item = Scenario> {
    let directions = [Direction::Download, Direction::Upload].into_iter();
    let families = directions.flat_map(|direction| [Family::V4, Family::V6].map(|family| (direction, family)));
    let cells = families
        .flat_map(|(direction, family)| [64, 256, 1024].map(|buffer_kib| Cell { direction, family, buffer_kib }));
    cells.map(|cell| Scenario {
        gate: "G8",
        name: cell.name(),
        limit: Some(Limit::AtLeast(cell.least())),
        needs: Needs::Tun,
        measure: Box::new(move |arguments, progress| measure(cell, arguments, progress)),
    })
}

impl Cell {
    fn name(self) -> String {
        let direction = if self.direction == Direction::Download { "down" } else { "up" };
        let family = if self.family == Family::V4 { "4" } else { "6" };
        format!("tcp{family}-{direction}-{}k", self.buffer_kib)
    }

    /// Uploads by IPv4 are cut by smoltcp's own segmentation, those by IPv6 are merged.
    const fn least(self) -> f64 {
        match (self.direction, self.family, self.buffer_kib) {
            (Direction::Download, _, 64) => 4.0,
            (Direction::Download, ..) => 5.0,
            (Direction::Upload, Family::V4, 64) => 5.0,
            (Direction::Upload, Family::V4, _) => 10.0,
            (Direction::Upload, Family::V6, 64) => 3.0,
            (Direction::Upload, Family::V6, _) => 7.0,
        }
    }

    const fn transfer(self, len: u64) -> Transfer {
        let Self { direction, family, buffer_kib } = self;
        Transfer { direction, family, buffer: buffer_kib << 10, len, is_hashed: false }
    }
}

fn measure(cell: Cell, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let nets = [Net::new(true), Net::new(true)];
    let [far, other_far] = [kernel(&nets[0], cell)?, kernel(&nets[1], cell)?];
    let [net, other_net] = nets;
    let (looking, sleeping) =
        (host(net, WakePolicy::BusyPoll { budget: LOOKS })?, host(other_net, WakePolicy::Prompt)?);
    let standings = contest::run(
        &mut [
            own("smoltcp's device and loop", cell, false)?.turn(TURN),
            over("fdlink, turns, 200 looks", &looking, far, cell)?.turn(TURN),
            own("smoltcp's device, turns", cell, true)?.turn(TURN),
            over("fdlink, turns", &sleeping, other_far, cell)?.turn(TURN),
        ],
        arguments,
        progress,
    )?;
    let mut outcome = Outcome::from(standings);
    outcome.rows.iter_mut().for_each(|row| row.unit = Unit::NanosecondsPerKibibyte);
    Ok(outcome)
}

/// An endpoint that takes super-frames both ways.
fn host(net: Net, wake: WakePolicy) -> Result<FdEndpoint, Box<dyn Error>> {
    let options = Options { gso: GsoSupport::Host, tx_checksum_offload: true, wake, ..options() };
    let endpoint = endpoint([net.tap], options, &FdOptions { offloads: TCP, ..FdOptions::default() })?;
    endpoint.attach()?;
    Ok(endpoint)
}

fn over<'e>(
    name: &'static str,
    endpoint: &'e FdEndpoint,
    far: Kernel,
    cell: Cell,
) -> Result<Program<'e>, Box<dyn Error>> {
    let device = Device::<FdIo, Vec<Queue<FdIo>>, SUPER_FRAME>::with_frame_len(endpoint, 0)?;
    Ok(Program::new(name).copy(transferring(device, far, cell.transfer(MANY), true)))
}

fn own(name: &'static str, cell: Cell, is_tuned: bool) -> Result<Program<'static>, Box<dyn Error>> {
    let net = Net::new(false);
    let far = kernel(&net, cell)?;
    let device = Own::new(net.tap, is_tuned);
    Ok(Program::new(name).copy(transferring(device, far, cell.transfer(FEW), is_tuned)))
}

fn kernel(net: &Net, cell: Cell) -> Result<Kernel, Box<dyn Error>> {
    // Without a second core both ends share one.
    Ok(Kernel::new(net.listener(cell.family), || _ = machine::pin_apart())?)
}

/// A step: a connection, of which only the transfer is timed.
fn transferring<D: Rounds>(
    mut device: D,
    kernel: Kernel,
    transfer: Transfer,
    is_tuned: bool,
) -> impl FnMut() -> StepResult {
    let mut ports = (FIRST_PORT..u16::MAX).cycle();
    move || {
        kernel.expect(transfer);
        let mut connection = Connection::open(&mut device, transfer, ports.next().unwrap_or(FIRST_PORT), is_tuned);
        let cost = Cost::of(|| Ok(((connection.run().position >> 10) as usize, 0)));
        connection.close();
        match kernel.result()?.len {
            len if len == transfer.len => cost,
            len => Err(format!("the kernel's end had {len} bytes of {}", transfer.len).into()),
        }
    }
}

const TCP: Offloads = Offloads::CSUM.union(Offloads::TSO4).union(Offloads::TSO6);
/// Bytes of a transfer in single frames, and in super-frames: some tenths of a second, so that its start counts little.
const FEW: u64 = 64 << 20;
const MANY: u64 = 512 << 20;
const FIRST_PORT: u16 = 32_768;
/// Turns that may find nothing before the stack sleeps: 100 µs or so. What it waits for comes from another core, mostly sooner than that, and in a virtual
/// machine a sleep takes 20 to 30 µs of processor time.
const LOOKS: u32 = 200;
/// One step.
const TURN: Duration = Duration::ZERO;
/// The longest IP packet behind an Ethernet header.
const SUPER_FRAME: usize = 14 + 65_535;
