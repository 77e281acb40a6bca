use core::time::Duration;

use fdlink_core::io::{ErrorKind, RxFilter, TxFrame, TxQueue, Wake};

use crate::MockError;
use crate::network::Network;

/// Sends at a port of a [`Network`].
#[derive(Debug)]
pub struct DescriptorTx {
    network: Network,
    port: usize,
}

impl DescriptorTx {
    pub(crate) const fn new(network: Network, port: usize) -> Self {
        Self { network, port }
    }
}

impl TxQueue for DescriptorTx {
    type Error = MockError;

    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, MockError> {
        if frames.is_empty() {
            return Ok(0);
        }
        self.network.with(|state| state.send(self.port, frames)).map_err(MockError::new)
    }

    /// Cannot block: with nothing to do, the time given passes at once.
    fn wait(&self, refused: ErrorKind, _timeout: Duration) -> Result<Wake, MockError> {
        Ok(self.network.with(|state| state.wait_for_room(self.port, refused)))
    }

    fn set_rx_filter(&self, filter: &RxFilter) -> Result<bool, MockError> {
        self.network.with(|state| state.set_filter(self.port, filter)).map_err(MockError::new)
    }
}

impl Drop for DescriptorTx {
    fn drop(&mut self) {
        self.network.with(|state| state.half_dropped(self.port));
    }
}
