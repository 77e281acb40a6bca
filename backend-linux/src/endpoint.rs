use std::os::fd::{AsFd, OwnedFd};

use fdlink_core::io::{RawIo, VlanFilter};
use fdlink_core::wire::ethernet::{HEADER_LEN, VLAN_TAG_LEN};
use fdlink_core::{Endpoint, InjectableEndpoint, Options, Queue, Snapshot};

use crate::error::SetupError;
use crate::fd::{FdIo, TAGS_ARE_LOST};
use crate::mode::FdOptions;
use crate::vnet::usual_frame_len;

/// An endpoint over file descriptors.
pub type FdEndpoint<F = OwnedFd> = Endpoint<FdIo<F>, Vec<Queue<FdIo<F>>>>;

/// Makes a detached endpoint over `fds`, which carry the same link (origin: `fdbased.New`).
///
/// Where [`FdOptions::max_frame_len`] is not given, frames of the MTU with an Ethernet header and a VLAN tag are received whole.
///
/// The link is one, so that each frame has to come by one descriptor only: several `AF_PACKET` sockets have to be in one
/// [`FanoutGroup`](crate::fanout::FanoutGroup), or each frame is delivered once for every socket. This is not checked.
///
/// # Errors
///
/// [`SetupError`]: no descriptor, a descriptor that is no link or cannot do what an option asks, descriptors of several kinds
/// ([`BadOption`](SetupError::BadOption) of `fds`), an option of the endpoint that cannot work. Owned descriptors are closed then; borrowed
/// ones are as they were, but that a TUN or TAP interface forbids every offload.
pub fn endpoint<F: AsFd>(
    fds: impl IntoIterator<Item = F>,
    options: Options,
    fd_options: &FdOptions,
) -> Result<FdEndpoint<F>, SetupError> {
    Ok(Endpoint::new(queues(fds, &options, fd_options)?, options)?)
}

/// Makes an endpoint over `fds` that goes on where another one was when `snapshot` was taken ([`Endpoint::restore`]).
///
/// The descriptors are new ones, as many as the other endpoint had. Their options are no part of a snapshot: they say how *these* are driven. Offloads
/// that they grant and that had been lost stay lost. Where `Runner` drove the endpoint, [`Runner::resume`](crate::Runner::resume) does so again.
///
/// # Errors
///
/// As for [`endpoint`].
pub fn restore<F: AsFd, const QUEUES: usize>(
    fds: impl IntoIterator<Item = F>,
    snapshot: &Snapshot<QUEUES>,
    fd_options: &FdOptions,
) -> Result<FdEndpoint<F>, SetupError> {
    Ok(Endpoint::restore(queues(fds, &snapshot.options, fd_options)?, snapshot)?)
}

fn queues<F: AsFd>(
    fds: impl IntoIterator<Item = F>,
    options: &Options,
    fd_options: &FdOptions,
) -> Result<Vec<Queue<FdIo<F>>>, SetupError> {
    let fd_options = with_frame_len(fd_options, options.mtu);
    let mut channels = Vec::new();
    let opened = fds.into_iter().try_for_each(|fd| FdIo::new(fd, &fd_options).map(|channel| channels.push(channel)));
    if let Err(error) = opened.and_then(|()| check(&channels, options)) {
        channels.into_iter().rev().for_each(FdIo::undo);
        return Err(error);
    }
    Ok(channels.into_iter().map(Queue::new).collect())
}

fn check<F: AsFd>(channels: &[FdIo<F>], options: &Options) -> Result<(), SetupError> {
    check_kinds(channels)?;
    if options.vlan != VlanFilter::Any && !channels.iter().all(FdIo::keeps_tags) {
        return Err(SetupError::Unavailable { option: "vlan", reason: TAGS_ARE_LOST });
    }
    Ok(options.check(channels.iter().map(RawIo::limits))?)
}

/// Descriptors of several kinds cannot be one link: its frames would differ in where they come from and in what is in front of them.
fn check_kinds<F: AsFd>(channels: &[FdIo<F>]) -> Result<(), SetupError> {
    if channels.windows(2).all(|pair| matches!(pair, [one, other] if one.kind() == other.kind())) {
        return Ok(());
    }
    let reason = "all descriptors of an endpoint must be of one kind: only TAP, only TUN, only AF_PACKET, and so on";
    Err(SetupError::BadOption { option: "fds", reason })
}

/// Makes an endpoint that writes packets of up to `mtu` bytes to `fd` and receives what is injected (origin: `fdbased.NewInjectable`).
///
/// # Errors
///
/// As for [`endpoint`].
pub fn injectable<F: AsFd>(fd: F, mtu: u32) -> Result<InjectableEndpoint<FdIo<F>>, SetupError> {
    let fd_options = with_frame_len(&FdOptions { batch: Some(1), ..FdOptions::default() }, mtu);
    Ok(InjectableEndpoint::injectable(FdIo::new(fd, &fd_options)?, mtu)?)
}

/// An MTU that cannot work is left to the check of the options.
fn with_frame_len(options: &FdOptions, mtu: u32) -> FdOptions {
    let frame_len = (mtu as usize).saturating_add(HEADER_LEN + VLAN_TAG_LEN);
    FdOptions {
        max_frame_len: options.max_frame_len.or(Some(usual_frame_len(options.offloads, frame_len))),
        ..*options
    }
}
