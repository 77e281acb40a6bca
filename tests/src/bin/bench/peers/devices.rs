use std::error::Error;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use fdlink_core::EtherType;
use fdlink_linux::packet::PacketSocket;
use fdlink_tests::lab::{Namespace, link};
use pnet_datalink::{Channel, Config, DataLinkReceiver, DataLinkSender, interfaces};
use rustix::io::ioctl_fionbio;
use smoltcp::phy::{Medium, RawSocket, TunTapInterface};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

type Opened<D> = Result<D, Box<dyn Error>>;

/// A TUN or TAP interface that `open` makes under the name that it is told, in a namespace of its own, and a socket that sends to it.
pub(crate) fn interface<D>(open: impl FnOnce(&str) -> Opened<D>) -> Opened<(D, OwnedFd)> {
    visit(&Namespace::new()?, || {
        let device = open(NAME)?;
        link::set_up(NAME)?;
        Ok((device, PacketSocket::on(NAME).protocol(EtherType(0)).send_buffer(BUFFER).open()?))
    })
}

pub(super) fn smoltcp_tap(name: &str) -> Opened<TunTapInterface> {
    Ok(TunTapInterface::new(name, Medium::Ethernet)?)
}

pub(super) fn tun_rs_tap(name: &str) -> Opened<SyncDevice> {
    tun_rs(DeviceBuilder::new().name(name).layer(Layer::L2))
}

/// With super-frames.
pub(crate) fn tun_rs_tun(name: &str) -> Opened<SyncDevice> {
    tun_rs(DeviceBuilder::new().name(name).layer(Layer::L3).offload(true))
}

fn tun_rs(builder: DeviceBuilder) -> Opened<SyncDevice> {
    let device = builder.inherit_enable_state().build_sync()?;
    ioctl_fionbio(device.as_fd(), true)?;
    Ok(device)
}

pub(super) fn smoltcp_socket(namespace: &Namespace, interface: &str) -> Opened<RawSocket> {
    visit(namespace, || Ok(RawSocket::new(interface, Medium::Ethernet)?))
}

pub(super) fn pnet_channel(
    namespace: &Namespace,
    interface: &str,
) -> Opened<(Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>)> {
    visit(namespace, || {
        let found = interfaces().into_iter().find(|found| found.name == interface).ok_or("pnet: no such interface")?;
        let config = Config { read_timeout: Some(PATIENCE), ..Config::default() };
        match pnet_datalink::channel(&found, config)? {
            Channel::Ethernet(sender, receiver) => Ok((sender, receiver)),
            _ => Err("pnet: an unknown kind of channel".into()),
        }
    })
}

/// Calls `f` in another namespace on this thread, for devices that stay on the thread that opened them.
fn visit<R>(namespace: &Namespace, f: impl FnOnce() -> Opened<R>) -> Opened<R> {
    let home = Namespace::current()?;
    namespace.enter_thread()?;
    let result = f();
    home.enter_thread()?;
    result
}

const NAME: &str = "bench0";
const BUFFER: usize = 8 << 20;
/// After which a receiver gives up that cannot be told to look only.
const PATIENCE: Duration = Duration::from_millis(1);
