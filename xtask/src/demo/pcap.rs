//! A middleware: wraps any channel, is one itself, and writes every frame that passes to a capture file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fdlink_core::io::{Channel, ErrorKind, Limits, RawIo, RxBatch, RxFilter, RxFrame, RxQueue, TxFrame, TxQueue, Wake};

/// What the frames start with (<https://www.tcpdump.org/linktypes.html>).
#[derive(Debug, Clone, Copy)]
pub(super) enum LinkType {
    /// `LINKTYPE_ETHERNET`
    Ethernet = 1,
    /// `LINKTYPE_RAW`: an IP header.
    Raw = 101,
}

/// A capture file in the classic format of pcap-savefile(5).
pub(super) struct FrameLog(Mutex<State>);

struct State {
    file: BufWriter<File>,
    /// The first error: frames pass whether they can be written or not.
    failed: Option<io::Error>,
}

impl FrameLog {
    pub(super) fn create(path: &Path, link_type: LinkType) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        let words = [MAGIC, VERSION, 0, 0, SNAPSHOT_LEN, link_type as u32];
        write_words(&mut file, &words)?;
        Ok(Self(Mutex::new(State { file, failed: None })))
    }

    /// Writes out what is buffered; the first error of all.
    pub(super) fn finish(self) -> io::Result<()> {
        let State { mut file, failed } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err).and_then(|()| file.flush())
    }

    fn record<'p>(&self, real_len: usize, parts: impl Iterator<Item = &'p [u8]> + Clone) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failed.is_none() {
            state.failed = write_frame(&mut state.file, real_len, parts).err();
        }
    }
}

fn write_frame<'p>(
    file: &mut impl Write,
    real_len: usize,
    mut parts: impl Iterator<Item = &'p [u8]> + Clone,
) -> io::Result<()> {
    let time: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let len = parts.clone().fold(0, |sum, part| sum + part.len());
    write_words(file, &[time.as_secs() as u32, time.subsec_nanos(), len as u32, real_len as u32])?;
    parts.try_for_each(|part| file.write_all(part))
}

fn write_words(file: &mut impl Write, words: &[u32]) -> io::Result<()> {
    words.iter().try_for_each(|word| file.write_all(&word.to_ne_bytes()))
}

/// In the byte order of the machine, with nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;
/// 2.4, two numbers of 16 bits.
const VERSION: u32 = if cfg!(target_endian = "little") { 4 << 16 | 2 } else { 2 << 16 | 4 };
const SNAPSHOT_LEN: u32 = 262_144;

/// A channel whose frames are written to a [`FrameLog`].
pub(super) struct Trace<'l, IO> {
    io: IO,
    log: &'l FrameLog,
}

impl<'l, IO> Trace<'l, IO> {
    pub(super) const fn new(io: IO, log: &'l FrameLog) -> Self {
        Self { io, log }
    }
}

impl<'l, IO: RawIo> RawIo for Trace<'l, IO> {
    type Error = IO::Error;
    type Rx = Trace<'l, IO::Rx>;
    type Tx = Trace<'l, IO::Tx>;
    type Stop = IO::Stop;

    fn limits(&self) -> Limits {
        self.io.limits()
    }

    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop> {
        let Channel { rx, tx, stop } = self.io.split();
        Channel { rx: Trace::new(rx, self.log), tx: Trace::new(tx, self.log), stop }
    }
}

impl<'l, Rx: RxQueue> RxQueue for Trace<'l, Rx> {
    type Error = Rx::Error;
    type Batch<'q>
        = Trace<'l, Rx::Batch<'q>>
    where
        Self: 'q;

    fn poll(&mut self, budget: usize) -> Result<Self::Batch<'_>, Self::Error> {
        Ok(Trace::new(self.io.poll(budget)?, self.log))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, Self::Error> {
        self.io.wait(timeout)
    }

    fn pause(&mut self, time: Duration) -> Wake {
        self.io.pause(time)
    }

    fn drops(&mut self) -> usize {
        self.io.drops()
    }
}

/// A frame is written when it is taken: what is not taken is lent again (rule R4).
impl<B: RxBatch> RxBatch for Trace<'_, B> {
    fn len(&self) -> usize {
        self.io.len()
    }

    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let log = self.log;
        self.io.frames().inspect(|frame| log.record(frame.meta.len, [&*frame.bytes].into_iter()))
    }

    fn calls(&self) -> usize {
        self.io.calls()
    }
}

/// A frame is written when it has left.
impl<Tx: TxQueue> TxQueue for Trace<'_, Tx> {
    type Error = Tx::Error;

    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, Self::Error> {
        let sent = self.io.send(frames)?;
        for frame in frames.iter().take(sent) {
            let parts = std::iter::once(frame.header).chain(frame.parts.iter().copied());
            self.log.record(frame.len(), parts);
        }
        Ok(sent)
    }

    fn wait(&self, refused: ErrorKind, timeout: Duration) -> Result<Wake, Self::Error> {
        self.io.wait(refused, timeout)
    }

    fn set_rx_filter(&self, filter: &RxFilter) -> Result<bool, Self::Error> {
        self.io.set_rx_filter(filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fdlink_mock::Link;

    /// Taken frames are written once, frames that stay are not, and what passes is not changed.
    #[test]
    fn frames_of_both_directions_are_written_as_they_pass() {
        let path = std::env::temp_dir().join(format!("fdlink-demo-{}.pcap", std::process::id()));
        let log = FrameLog::create(&path, LinkType::Raw).expect("a temporary file");
        let link = Link::<4, 64>::new();
        let (ours, theirs) = link.ends();
        let (mut ours, mut theirs) = (Trace::new(ours, &log).split(), theirs.split());

        let frame = TxFrame { header: b"ab", parts: &[b"c", b"", b"de"] };
        assert_eq!(ours.tx.send(&[frame]).expect("room"), 1);
        let arrived = theirs.rx.poll(4).expect("open").frames().map(|frame| frame.bytes.to_vec()).collect::<Vec<_>>();
        assert_eq!(arrived, [b"abcde"]);

        let answer = TxFrame { header: &[], parts: &[b"xyz"] };
        assert_eq!(theirs.tx.send(&[answer, answer]).expect("room"), 2);
        assert_eq!(ours.rx.poll(4).expect("open").len(), 2);
        assert_eq!(ours.rx.poll(1).expect("open").frames().count(), 1);

        log.finish().expect("written");
        let file = std::fs::read(&path).expect("written");
        std::fs::remove_file(&path).expect("written");
        assert_eq!(file.len(), 24 + (16 + 5) + (16 + 3));
        assert_eq!(file.get(20..24), Some(&101_u32.to_ne_bytes()[..]));
        assert_eq!((file.get(40..45), file.get(61..64)), (Some(&b"abcde"[..]), Some(&b"xyz"[..])));
    }
}
