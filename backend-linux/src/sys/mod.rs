//! The only unsafe code of the project: system calls that rustix does not have, and memory that the kernel writes to.
//!
//! Each block holds one operation and says which rule it relies on and who keeps it.

pub(crate) mod bpf;
pub(crate) mod mapping;
pub(crate) mod mmsg;
pub(crate) mod prefetch;
#[cfg(feature = "reference")]
pub mod reference;
pub(crate) mod sockaddr;
pub(crate) mod sockopt;
pub(crate) mod tpacket;
pub(crate) mod tpacket_frame;
pub(crate) mod tun;
