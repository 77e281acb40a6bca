use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use fdlink_core::{EtherType, LinkEvent, NetworkDispatcher, RxPacket};

use super::PATIENCE;

/// A dispatcher that keeps everything, in order. Clones keep it in the same place.
#[derive(Debug, Clone, Default)]
pub struct Collector(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<Vec<Entry>>,
    more: Condvar,
}

/// What came to a dispatcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A packet.
    Packet(Received),
    /// A change of the link.
    Event(LinkEvent),
}

/// A packet that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The network protocol.
    pub protocol: EtherType,
    /// The link header.
    pub header: Vec<u8>,
    /// The packet from its network header on.
    pub payload: Vec<u8>,
}

impl Collector {
    /// A collector without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything so far, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// The packets so far.
    #[must_use]
    pub fn packets(&self) -> Vec<Received> {
        packets(&self.lock()).cloned().collect()
    }

    /// The payloads so far.
    #[must_use]
    pub fn payloads(&self) -> Vec<Vec<u8>> {
        packets(&self.lock()).map(|packet| packet.payload.clone()).collect()
    }

    /// The events so far.
    #[must_use]
    pub fn events(&self) -> Vec<LinkEvent> {
        events(&self.lock()).collect()
    }

    /// Waits until `count` packets have come, and returns the payloads of all.
    ///
    /// # Panics
    ///
    /// If they do not come in time.
    #[track_caller]
    #[must_use]
    pub fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        self.wait(&format!("{count} packets"), |entries| packets(entries).count() >= count);
        self.payloads()
    }

    /// Waits until `event` was told.
    ///
    /// # Panics
    ///
    /// If it is not in time.
    #[track_caller]
    pub fn wait_for_event(&self, event: LinkEvent) {
        self.wait(&format!("{event:?}"), |entries| events(entries).any(|told| told == event));
    }

    /// Waits until `event` is the newest that was told.
    ///
    /// # Panics
    ///
    /// If it is not in time.
    #[track_caller]
    pub fn wait_for_last(&self, event: LinkEvent) {
        self.wait(&format!("{event:?}"), |entries| events(entries).last() == Some(event));
    }

    #[track_caller]
    fn wait(&self, what: &str, done: impl Fn(&[Entry]) -> bool) {
        let entries = self.lock();
        let waited = self.0.more.wait_timeout_while(entries, PATIENCE, |entries| !done(entries));
        let (entries, _) = waited.expect("no collector panics while it keeps something");
        assert!(done(&entries), "waited in vain for {what}; {} entries", entries.len());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.entries.lock().expect("no collector panics while it keeps something")
    }

    fn keep(&self, entry: Entry) {
        self.lock().push(entry);
        self.0.more.notify_all();
    }
}

impl NetworkDispatcher for Collector {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        let (header, payload) = (packet.link_header().to_vec(), packet.payload().to_vec());
        self.keep(Entry::Packet(Received { protocol, header, payload }));
    }

    fn notify(&mut self, event: LinkEvent) {
        self.keep(Entry::Event(event));
    }
}

fn packets(entries: &[Entry]) -> impl Iterator<Item = &Received> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Packet(packet) => Some(packet),
        Entry::Event(_) => None,
    })
}

fn events(entries: &[Entry]) -> impl Iterator<Item = LinkEvent> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Packet(_) => None,
        Entry::Event(event) => Some(*event),
    })
}
