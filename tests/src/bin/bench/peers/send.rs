use std::error::Error;

use smoltcp::phy::{Device, TxToken as _};
use smoltcp::time::Instant;

use super::devices::{interface, pnet_channel, smoltcp_socket, smoltcp_tap, tun_rs_tap};
use crate::cable::{Cable, NEAR};
use crate::program::{Program, StepResult, pad};
use crate::sending::{Frames, send_batches};

/// Programs that send the frames to TAP interfaces of their own.
pub(crate) fn to_tap(frames: &Frames) -> Result<[Program<'_>; 2], Box<dyn Error>> {
    let smoltcp = Program::new("smoltcp").copy(smoltcp_to_tap::<0>(frames)?);
    let tun_rs = Program::new("tun-rs").copy(tun_rs_to_tap::<0>(frames)?);
    Ok([
        smoltcp.copy(smoltcp_to_tap::<1>(frames)?).copy(smoltcp_to_tap::<2>(frames)?),
        tun_rs.copy(tun_rs_to_tap::<1>(frames)?).copy(tun_rs_to_tap::<2>(frames)?),
    ])
}

/// Programs that send the frames through cables of their own.
pub(crate) fn to_veth(frames: &Frames) -> Result<[Program<'_>; 2], Box<dyn Error>> {
    let smoltcp = Program::new("smoltcp").copy(smoltcp_to_veth::<0>(frames)?);
    let pnet = Program::new("pnet_datalink").copy(pnet_to_veth::<0>(frames)?);
    Ok([
        smoltcp.copy(smoltcp_to_veth::<1>(frames)?).copy(smoltcp_to_veth::<2>(frames)?),
        pnet.copy(pnet_to_veth::<1>(frames)?).copy(pnet_to_veth::<2>(frames)?),
    ])
}

/// Each `COPY`, here and below, is code of its own.
fn smoltcp_to_tap<const COPY: usize>(frames: &Frames) -> Result<impl FnMut() -> StepResult, Box<dyn Error>> {
    let (mut device, _) = interface(smoltcp_tap)?;
    Ok(sending::<COPY>(frames, move |frame| send(&mut device, frame)))
}

fn tun_rs_to_tap<const COPY: usize>(frames: &Frames) -> Result<impl FnMut() -> StepResult, Box<dyn Error>> {
    let (device, _) = interface(tun_rs_tap)?;
    Ok(sending::<COPY>(frames, move |frame| device.send(frame).is_ok_and(|len| len == frame.len())))
}

fn smoltcp_to_veth<const COPY: usize>(frames: &Frames) -> Result<impl FnMut() -> StepResult, Box<dyn Error>> {
    let cable = Cable::new()?;
    let mut device = smoltcp_socket(&cable.near, NEAR)?;
    Ok(sending::<COPY>(frames, move |frame| {
        // It lasts as long as the step.
        let _ = &cable;
        send(&mut device, frame)
    }))
}

fn pnet_to_veth<const COPY: usize>(frames: &Frames) -> Result<impl FnMut() -> StepResult, Box<dyn Error>> {
    let cable = Cable::new()?;
    let (mut sender, _) = pnet_channel(&cable.near, NEAR)?;
    Ok(sending::<COPY>(frames, move |frame| {
        let _ = &cable;
        matches!(sender.send_to(frame, None), Some(Ok(())))
    }))
}

/// `send` tells whether the system took a frame.
fn sending<const COPY: usize>(frames: &Frames, mut send: impl FnMut(&[u8]) -> bool) -> impl FnMut() -> StepResult {
    let frames = frames.whole();
    move || {
        send_batches(|| {
            pad::<COPY>();
            frames.iter().filter(|[frame]| send(frame)).count()
        })
    }
}

/// smoltcp does not tell whether the system took a frame.
fn send(device: &mut impl Device, frame: &[u8]) -> bool {
    let Some(token) = device.transmit(Instant::ZERO) else { return false };
    token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
    true
}
