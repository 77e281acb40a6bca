//! Packets on their way through an endpoint: [`Packet`] going out, [`RxPacket`] coming in.

mod rx;
mod status;
mod tx;

pub use rx::RxPacket;
#[cfg(feature = "smoltcp")]
pub(crate) use status::TxProgress;
pub use status::{Refusal, TxStatus};
pub use tx::Packet;
