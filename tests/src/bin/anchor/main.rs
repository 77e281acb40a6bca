//! fdlink behind the contract of a performance anchor: `anchor rx|tx|inproc MODE TARGET key=value …`.
//!
//! - `rx readv|recvmmsg|ring1|ring2|ring3 TARGET [batch=N vnet=1 owned=1 split=1]` prints `READY`, receives until its standard input gets a line, and
//!   prints one JSON object.
//! - `tx write TARGET [batch=N size=N parts=1|2 secs=S vnet=1 soft=1]` sends for `secs` seconds and prints the same object.
//! - `inproc readv|recvmmsg x [size=N chunk=N secs=S batch=N]` fills a seqpacket pair and reads it back on one thread; only the reading is timed.
//!
//! `vnet` puts a virtio-net header in front of each frame, and frames above 1514 bytes are super-frames of TCP then, which `split` cuts on receipt and
//! `soft` before they are sent. `owned` hands frames to another thread.
//!
//! Targets: `if:NAME` (`AF_PACKET`), `tap:NAME`, `tun:NAME`, `fd:N` (an inherited socket). The object holds `pk` (frames), `by` (bytes),
//! `cpu` (seconds), `rss` (KiB), `drops`, and `secs` where it sent.

#![forbid(unsafe_code)]

mod arguments;
mod inproc;
mod receive;
mod report;
mod send;
mod super_frame;
mod target;

use arguments::Arguments;

fn main() {
    if let Err(error) = run() {
        eprintln!("anchor: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    match arguments.command.as_str() {
        "rx" => receive::run(&arguments),
        "tx" => send::run(&arguments),
        "inproc" => inproc::run(&arguments),
        other => Err(format!("unknown command {other}: use rx, tx or inproc").into()),
    }
}
