use std::error::Error;

use smoltcp::phy::{Device, TxToken as _};
use smoltcp::time::Instant;

use super::devices::{pnet_channel, smoltcp_socket, smoltcp_tap, tap, tun_rs_tap};
use crate::cable::{Cable, NEAR};
use crate::program::{Program, StepResult};
use crate::sending::{Frames, send_batches};

/// Programs that send the frames to a TAP interface of their own.
pub(crate) fn to_tap(frames: &Frames) -> Result<[Program<'_>; 2], Box<dyn Error>> {
    let (device, _) = tap(smoltcp_tap)?;
    let smoltcp = Program::new("smoltcp").copy(by_smoltcp(device, frames));
    let (device, _) = tap(tun_rs_tap)?;
    let whole = frames.whole();
    let is_sent = move |frame: &[u8]| device.send(frame).is_ok_and(|len| len == frame.len());
    let step = move || send_batches(|| whole.iter().filter(|[frame]| is_sent(frame)).count());
    Ok([smoltcp, Program::new("tun-rs").copy(step)])
}

/// Programs that send the frames through a cable of their own.
pub(crate) fn to_veth(frames: &Frames) -> Result<[Program<'_>; 2], Box<dyn Error>> {
    let cable = Cable::new()?;
    let step = by_smoltcp(smoltcp_socket(&cable.near, NEAR)?, frames);
    let smoltcp = Program::new("smoltcp").copy(keeping(cable, step));
    let cable = Cable::new()?;
    let (mut sender, _) = pnet_channel(&cable.near, NEAR)?;
    let whole = frames.whole();
    let mut is_sent = move |frame: &[u8]| matches!(sender.send_to(frame, None), Some(Ok(())));
    let step = move || send_batches(|| whole.iter().filter(|[frame]| is_sent(frame)).count());
    Ok([smoltcp, Program::new("pnet_datalink").copy(keeping(cable, step))])
}

/// smoltcp does not tell whether the system took a frame.
fn by_smoltcp<'f>(mut device: impl Device + 'f, frames: &'f Frames) -> impl FnMut() -> StepResult + 'f {
    let frames = frames.whole();
    move || send_batches(|| frames.iter().filter(|[frame]| send(&mut device, frame)).count())
}

fn send(device: &mut impl Device, frame: &[u8]) -> bool {
    let Some(token) = device.transmit(Instant::ZERO) else { return false };
    token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
    true
}

/// The cable lasts as long as the step.
fn keeping(cable: Cable, mut step: impl FnMut() -> StepResult) -> impl FnMut() -> StepResult {
    move || {
        let _ = &cable;
        step()
    }
}
