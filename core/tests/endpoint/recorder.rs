//! A dispatcher that remembers.

use fdlink_core::{EtherType, LinkEvent, NetworkDispatcher, RxPacket};

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) packets: Vec<(EtherType, Vec<u8>)>,
    pub(crate) events: Vec<LinkEvent>,
}

impl Recorder {
    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        self.packets.iter().map(|(_, payload)| payload.as_slice()).collect()
    }
}

impl NetworkDispatcher for Recorder {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        self.packets.push((protocol, packet.payload().to_vec()));
    }

    fn notify(&mut self, event: LinkEvent) {
        self.events.push(event);
    }
}
