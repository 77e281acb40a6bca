use std::error::Error;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use fdlink_core::wire::vnet;
use fdlink_core::{EtherType, LinkAddress, LinkEndpoint as _, Options, Packet};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::TunTap;
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use rustix::io::{Errno, read};
use tun_rs::{IDEAL_BATCH_SIZE, SyncDevice};

use super::super_frame::{SuperFrame, fd_options, options};
use crate::arguments::Arguments;
use crate::backlog::{self, take_all};
use crate::cable::Cable;
use crate::contest;
use crate::count::{Count, count_frame, count_packet};
use crate::messages::Messages;
use crate::peers::{interface, tun_rs_tun};
use crate::program::{Program, StepResult, pad};
use crate::progress::Progress;
use crate::scenario::Outcome;

/// A descriptor that super-frames come out of, and who sends them.
struct Stage {
    near: OwnedFd,
    sender: FdEndpoint,
    frame: SuperFrame,
}

pub(super) fn measure_packet_socket(
    mode: DispatchMode,
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Outcome, Box<dyn Error>> {
    let cable = Cable::new()?;
    let sender = cable.far_end.run(|| PacketSocket::on("far").protocol(EtherType(0)).send_buffer(BUFFER).open())?;
    let stage = Stage::new(cable.receiver()?, sender, SuperFrame::ethernet(), options())?;
    let fdlink = stage.fdlink(mode)?;
    let bare = match mode {
        DispatchMode::RecvMmsg => Program::new("bare recvmmsg")
            .copy(stage.bare_recvmmsg::<0>(BATCH))
            .copy(stage.bare_recvmmsg::<1>(BATCH))
            .copy(stage.bare_recvmmsg::<2>(BATCH)),
        _ => stage.bare_read(count_frame),
    };
    stage.compete(&mut [fdlink, bare], arguments, progress)
}

pub(super) fn measure_tun(arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let open = |name: &str| Ok(OwnedFd::from(TunTap::tun(name).vnet_header(true).open()?));
    let (near, sender) = interface(open)?;
    let stage = Stage::new(near, sender, SuperFrame::bare(), without_link_header())?;
    let (device, sender) = interface(tun_rs_tun)?;
    let beside = Stage::new(device.as_fd().try_clone_to_owned()?, sender, SuperFrame::bare(), without_link_header())?;
    let tun_rs = Program::new("tun-rs, cut").copy(beside.cutting(device));
    let (fdlink, bare) = (stage.fdlink(DispatchMode::Readv)?, stage.bare_read(count_packet));
    stage.compete(&mut [fdlink, bare, tun_rs], arguments, progress)
}

impl Stage {
    fn new(near: OwnedFd, sender: OwnedFd, frame: SuperFrame, options: Options) -> Result<Self, Box<dyn Error>> {
        let sender = endpoint([sender], options, &fd_options())?;
        sender.attach()?;
        Ok(Self { near, sender, frame })
    }

    fn fdlink(&self, mode: DispatchMode) -> Result<Program<'_>, Box<dyn Error>> {
        let fd_options = FdOptions { dispatch_mode: Some(mode), ..fd_options() };
        let program = Program::new("fdlink").copy(self.polling(self.near.as_fd(), &fd_options)?);
        let program = program.copy(self.polling(&self.near, &fd_options)?);
        Ok(program.copy(self.polling(self.near.try_clone()?, &fd_options)?))
    }

    fn polling<'s, F: AsFd + 's>(
        &'s self,
        fd: F,
        fd_options: &FdOptions,
    ) -> Result<impl FnMut() -> StepResult + 's, Box<dyn Error>> {
        let options = if self.frame.network > 0 { options() } else { without_link_header() };
        let endpoint: &FdEndpoint<F> = Box::leak(Box::new(endpoint([fd], options, fd_options)?));
        endpoint.attach()?;
        let mut receiver = endpoint.receiver(0)?;
        Ok(move || self.step(|| Ok(receiver.poll(&mut Count).map_err(|ended| ended.to_string())?)))
    }

    /// `read(2)` into one hot buffer.
    fn bare_read(&self, count: fn(&[u8])) -> Program<'_> {
        Program::new("bare read")
            .copy(self.reading::<0>(count))
            .copy(self.reading::<1>(count))
            .copy(self.reading::<2>(count))
    }

    /// Each `COPY` is code of its own, here and below.
    fn reading<const COPY: usize>(&self, count: fn(&[u8])) -> impl FnMut() -> StepResult {
        let mut buffer = vec![0; SLOT];
        move || {
            self.step(|| {
                pad::<COPY>();
                read_one(&self.near, &mut buffer, count)
            })
        }
    }

    /// tun-rs has no way to take a super-frame whole.
    fn cutting(&self, device: SyncDevice) -> impl FnMut() -> StepResult {
        let (mut whole, mut sizes) = (vec![0; SLOT], [0; IDEAL_BATCH_SIZE]);
        let mut packets = vec![[0; 1500]; IDEAL_BATCH_SIZE];
        move || {
            self.step(|| match device.recv_multiple(&mut whole, &mut packets, &mut sizes, 0) {
                Ok(received) => {
                    let pairs = packets.iter().zip(&sizes).take(received);
                    pairs.for_each(|(packet, size)| count_packet(&packet[..*size]));
                    Ok(1)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                Err(error) => Err(error.into()),
            })
        }
    }

    fn bare_recvmmsg<const COPY: usize>(&self, batch: usize) -> impl FnMut() -> StepResult {
        let mut messages = Messages::new(batch, SLOT);
        move || {
            self.step(|| {
                pad::<COPY>();
                messages.receive(&self.near, |message| count_frame(behind(message)))
            })
        }
    }

    /// Times how a backlog is taken by `take`, some frames at a time.
    fn step(&self, take: impl FnMut() -> Result<usize, Box<dyn Error>>) -> StepResult {
        backlog::step(BACKLOG, REST, || self.feed(), take_all(take))
    }

    fn feed(&self) -> Result<(), Box<dyn Error>> {
        let parts = [self.frame.bytes.as_slice()];
        let mut packets = vec![Packet::framed(&parts).with_offload(self.frame.offload); BACKLOG];
        match self.sender.write_packets(&mut packets)?.sent {
            BACKLOG => Ok(()),
            sent => Err(format!("the interface took {sent} super-frames of {BACKLOG}").into()),
        }
    }

    fn compete(
        &self,
        programs: &mut [Program<'_>],
        arguments: &Arguments,
        progress: &mut Progress,
    ) -> Result<Outcome, Box<dyn Error>> {
        let standings = contest::run(programs, &arguments.for_longer(PATIENCE), progress)?;
        Ok(Outcome::per_kibibyte(standings, self.frame.bytes.len()))
    }
}

fn without_link_header() -> Options {
    Options { ethernet_header: false, address: LinkAddress::ZERO, ..options() }
}

#[inline(always)]
fn read_one(fd: &OwnedFd, buffer: &mut [u8], count: fn(&[u8])) -> Result<usize, Box<dyn Error>> {
    match read(fd, &mut *buffer) {
        Ok(len) => {
            count(behind(&buffer[..len]));
            Ok(1)
        }
        Err(Errno::AGAIN) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// What follows the virtio-net header.
fn behind(message: &[u8]) -> &[u8] {
    message.split_at_checked(vnet::LEN).map_or(&[], |(_, frame)| frame)
}

/// As many in a call as stay in the cache, which costs a twentieth less than 8.
const BATCH: usize = 2;
/// Of a turn, most goes into frames that are sent; and it matters where in the cache each has its buffer.
const PATIENCE: u32 = 3;
/// Super-frames in a step, fewer than either interface has room for.
const BACKLOG: usize = 32;
const REST: Duration = Duration::from_micros(100);
const BUFFER: usize = 8 << 20;
/// Bytes of a slot: the longest super-frame, and a virtio-net header.
const SLOT: usize = (64 << 10) + 64;
