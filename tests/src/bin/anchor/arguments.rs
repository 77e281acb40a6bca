use fdlink_core::io::Offloads;
use fdlink_linux::{DispatchMode, RingOptions};

/// The words of the command line.
pub(crate) struct Arguments {
    pub(crate) command: String,
    pub(crate) mode: String,
    pub(crate) target: String,
    pub(crate) batch: Option<usize>,
    pub(crate) size: usize,
    pub(crate) chunk: usize,
    pub(crate) parts: usize,
    pub(crate) secs: f64,
    /// With a virtio-net header in front of each frame.
    pub(crate) vnet: bool,
    /// Frames are handed to another thread.
    pub(crate) owned: bool,
    /// Super-frames are cut on receipt.
    pub(crate) split: bool,
    /// Super-frames are cut here on their way out.
    pub(crate) soft: bool,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Box<dyn std::error::Error>> {
        let mut words = words.fuse();
        let mut next = || words.next().ok_or("usage: anchor rx|tx|inproc MODE TARGET [key=value …]");
        let mut arguments = Self {
            command: next()?,
            mode: next()?,
            target: next()?,
            batch: None,
            size: 64,
            chunk: 256,
            parts: 1,
            secs: 1.0,
            vnet: false,
            owned: false,
            split: false,
            soft: false,
        };
        for word in words {
            let (key, value) = word.split_once('=').ok_or("options are key=value")?;
            match key {
                "batch" => arguments.batch = Some(value.parse()?),
                "size" => arguments.size = value.parse()?,
                "chunk" => arguments.chunk = value.parse()?,
                "parts" => arguments.parts = value.parse()?,
                "secs" => arguments.secs = value.parse()?,
                "vnet" => arguments.vnet = value != "0",
                "owned" => arguments.owned = value != "0",
                "split" => arguments.split = value != "0",
                "soft" => arguments.soft = value != "0",
                _ => return Err(format!("{key}: unknown").into()),
            }
        }
        Ok(arguments)
    }

    /// What the system is asked to do.
    pub(crate) fn offloads(&self) -> Offloads {
        let asked = self.vnet && !self.soft;
        if asked { Offloads::CSUM | Offloads::TSO4 | Offloads::TSO6 } else { Offloads::empty() }
    }

    pub(crate) fn dispatch_mode(&self) -> Result<(DispatchMode, RingOptions), Box<dyn std::error::Error>> {
        match self.mode.as_str() {
            "readv" => Ok((DispatchMode::Readv, RingOptions::default())),
            "recvmmsg" => Ok((DispatchMode::RecvMmsg, RingOptions::default())),
            "ring1" => Ok((DispatchMode::PacketMmap, RingOptions::ORIGIN)),
            "ring2" => Ok((DispatchMode::PacketMmap, RingOptions::V2)),
            "ring3" => Ok((DispatchMode::PacketMmap, RingOptions::V3)),
            other => Err(format!("mode {other}: unknown").into()),
        }
    }
}
