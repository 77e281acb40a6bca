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
        };
        for word in words {
            let (key, value) = word.split_once('=').ok_or("options are key=value")?;
            match key {
                "batch" => arguments.batch = Some(value.parse()?),
                "size" => arguments.size = value.parse()?,
                "chunk" => arguments.chunk = value.parse()?,
                "parts" => arguments.parts = value.parse()?,
                "secs" => arguments.secs = value.parse()?,
                _ => return Err(format!("{key}: not supported by this version").into()),
            }
        }
        Ok(arguments)
    }

    pub(crate) fn dispatch_mode(&self) -> Result<(DispatchMode, RingOptions), Box<dyn std::error::Error>> {
        match self.mode.as_str() {
            "readv" => Ok((DispatchMode::Readv, RingOptions::default())),
            "recvmmsg" => Ok((DispatchMode::RecvMmsg, RingOptions::default())),
            "ring1" => Ok((DispatchMode::PacketMmap, RingOptions::ORIGIN)),
            "ring2" => Ok((DispatchMode::PacketMmap, RingOptions::V2)),
            "ring3" => Ok((DispatchMode::PacketMmap, RingOptions::V3)),
            other => Err(format!("mode {other}: not supported by this version").into()),
        }
    }
}
