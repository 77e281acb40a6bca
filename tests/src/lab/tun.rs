use std::{
    fs::OpenOptions,
    io::{Error, ErrorKind},
};

const DEVICE: &str = "/dev/net/tun";

/// Whether TUN and TAP interfaces can be made here: `/dev/net/tun` opens for
/// reading and writing.
///
/// # Errors
///
/// Why it does not and what to do, in words.
pub fn tun_available() -> Result<(), String> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(DEVICE)
        .map(drop)
        .map_err(|source| format!("cannot open {DEVICE}: {source}; {}", remedy(&source)))
}

fn remedy(source: &Error) -> &'static str {
    match source.kind() {
        ErrorKind::NotFound => "load the module (`modprobe tun`) or pass the device to the container",
        ErrorKind::PermissionDenied => "run as root or allow it (`chmod 666 /dev/net/tun`)",
        _ => "the kernel has no TUN driver, load it (`modprobe tun`)",
    }
}
