use std::time::{Duration, Instant};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as Time;
use smoltcp::wire::{EthernetAddress, IpCidr};

use super::{Direction, Rounds, Stream, Transfer};
use crate::support::OWN;

/// smoltcp's end of a connection.
pub struct Connection<'d, D: Rounds> {
    device: &'d mut D,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    transfer: Transfer,
    stream: Stream,
    deadline: Instant,
}

impl<'d, D: Rounds> Connection<'d, D> {
    /// Connects from `port`. Delayed acknowledgements are off if `is_tuned`.
    ///
    /// # Panics
    ///
    /// If nobody answers.
    pub fn open(device: &'d mut D, transfer: Transfer, port: u16, is_tuned: bool) -> Self {
        let mut config = Config::new(EthernetAddress(OWN.0).into());
        config.random_seed = port.into();
        let mut interface = Interface::new(config, device, Time::now());
        interface.update_ip_addrs(|list| _ = list.push(IpCidr::new(transfer.family.smoltcp().into(), PREFIX_LEN)));
        let buffer = || SocketBuffer::new(vec![0; transfer.buffer]);
        let mut socket = Socket::new(buffer(), buffer());
        if is_tuned {
            socket.set_ack_delay(None);
        }
        socket.connect(interface.context(), transfer.family.kernel(), port).expect("a socket that is closed");
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let (stream, deadline) = (Stream::new(transfer.is_hashed), Instant::now() + PATIENCE);
        let mut connection = Self { device, interface, sockets, handle, transfer, stream, deadline };
        connection.rounds("connect", |_, socket| socket.may_send());
        connection
    }

    /// Moves the bytes, until all have come or all were acknowledged.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn run(&mut self) -> &Stream {
        match self.transfer.direction {
            Direction::Download => self.download(),
            Direction::Upload => self.upload(),
        }
        &self.stream
    }

    /// Ends the connection in order.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn close(mut self) {
        self.rounds("close", |_, socket| matches!(socket.state(), State::Closed | State::TimeWait));
    }

    fn download(&mut self) {
        let mut buffer = vec![0; READ];
        self.rounds("download", |stream, socket| {
            while socket.can_recv() {
                let len = socket.recv_slice(&mut buffer).expect("bytes are there");
                stream.take(&buffer[..len]);
            }
            let is_over = !socket.may_recv();
            if is_over {
                socket.close();
            }
            is_over
        });
    }

    fn upload(&mut self) {
        let total = self.transfer.len;
        self.rounds("upload", |stream, socket| {
            while stream.position < total && socket.can_send() {
                let next = stream.next(total - stream.position);
                let len = socket.send_slice(&next[..next.len().min(READ)]).expect("the connection is there");
                stream.advance(len);
            }
            let is_over = stream.position == total;
            if is_over {
                socket.close();
            }
            is_over && socket.send_queue() == 0
        });
    }

    /// Rounds until `application` is done, and no more.
    fn rounds(&mut self, what: &str, mut application: impl FnMut(&mut Stream, &mut Socket<'static>) -> bool) {
        let Self { device, interface, sockets, handle, stream, deadline, .. } = self;
        let mut is_done = false;
        while !is_done {
            device.round(interface, sockets, |sockets| {
                is_done = application(stream, sockets.get_mut::<Socket<'_>>(*handle));
                is_done
            });
            assert!(
                Instant::now() < *deadline,
                "{what}: {} bytes, {:?}",
                stream.position,
                sockets.get::<Socket<'_>>(*handle).state()
            );
        }
    }
}

/// Of a subnet that the kernel's address is in, whatever the family.
const PREFIX_LEN: u8 = 24;

/// Most bytes that the application takes or gives at a time.
const READ: usize = 64 << 10;

const PATIENCE: Duration = Duration::from_secs(20);
