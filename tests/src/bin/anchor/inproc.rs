use std::time::{Duration, Instant};

use fdlink_core::LinkEndpoint;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use crate::arguments::Arguments;
use crate::receive::open_endpoint;
use crate::report::{Count, counted, print, thread_cpu};
use crate::send::frame;
use crate::target::Target;

/// One thread, one seqpacket pair: queue `chunk` frames, then read them; CPU time of the reading alone.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    set_socket_send_buffer_size(&far, 4 << 20)?;
    let endpoint = open_endpoint(arguments, Target { fd: near, ethernet: true })?;
    endpoint.attach()?;
    let mut receiver = endpoint.receiver(0)?;
    let frame = frame(arguments.size, true);
    let end = Instant::now() + Duration::from_secs_f64(arguments.secs);
    let mut cpu = Duration::ZERO;
    while Instant::now() < end {
        let mut left = 0;
        while left < arguments.chunk && send(&far, &frame, SendFlags::DONTWAIT).is_ok() {
            left += 1;
        }
        let start = thread_cpu();
        while left > 0 {
            left -= receiver.poll(&mut Count).map_err(|ended| format!("{ended}"))?;
        }
        cpu += thread_cpu() - start;
    }
    let (frames, bytes) = counted();
    print(frames, bytes, cpu, 0, Some(cpu.as_secs_f64()));
    Ok(())
}
