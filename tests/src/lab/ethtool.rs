use super::{LabError, netlink};
use netlink_packet_core::{DecodeError, DefaultNla, Emitable, NLA_F_NESTED, ParseableParametrized};
use netlink_packet_generic::{
    GenlFamily, GenlHeader, GenlMessage,
    ctrl::{GenlCtrl, GenlCtrlCmd, nlas::GenlCtrlAttrs},
};
use netlink_sys::protocols::NETLINK_GENERIC;
use std::io;

// linux/ethtool_netlink.h, whose messages no crate without a runtime encodes.
const ETHTOOL_MSG_FEATURES_SET: u8 = 12;
const ETHTOOL_A_FEATURES_HEADER: u16 = 1;
const ETHTOOL_A_FEATURES_WANTED: u16 = 3;
const ETHTOOL_A_HEADER_DEV_NAME: u16 = 2;
const ETHTOOL_A_BITSET_BITS: u16 = 3;
const ETHTOOL_A_BITSET_BITS_BIT: u16 = 1;
const ETHTOOL_A_BITSET_BIT_NAME: u16 = 2;

const OFFLOADS: [&str; 6] = [
    "tx-checksum-ip-generic",
    "tx-generic-segmentation",
    "tx-tcp-segmentation",
    "tx-tcp6-segmentation",
    "tx-udp-segmentation",
    "rx-gro",
];

/// Makes the kernel compute checksums and cut segments before it gives frames to
/// the interface, so that a test sees them as they would be on a wire. Offloads
/// which the interface does not have or cannot switch off are left alone.
pub fn disable_offloads(name: &str) -> Result<(), LabError> {
    ethtool_family()
        .and_then(|family| {
            let header = GenlHeader { cmd: ETHTOOL_MSG_FEATURES_SET, version: 1 };
            let message = GenlMessage::new(header, FeaturesOff::new(name), family);
            netlink::request(NETLINK_GENERIC, message, 0)
        })
        .map(drop)
        .map_err(|source| LabError::kernel(format!("disable the offloads of {name}"), source))
}

/// The number which the running kernel gave to the ethtool family.
fn ethtool_family() -> io::Result<u16> {
    let question = GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName("ethtool".to_owned())],
    });
    let answers = netlink::request(NETLINK_GENERIC, question, 0)?;
    let mut attributes = answers.iter().flat_map(|answer| &answer.payload.nlas);
    attributes
        .find_map(|attribute| match attribute {
            GenlCtrlAttrs::FamilyId(id) => Some(*id),
            _ => None,
        })
        .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
}

/// The attributes of a features request, written out.
#[derive(Debug)]
struct FeaturesOff(Vec<u8>);

impl FeaturesOff {
    /// A bit which is named without a value is one to be cleared.
    fn new(interface: &str) -> Self {
        let bits =
            OFFLOADS.map(|offload| nested(ETHTOOL_A_BITSET_BITS_BIT, &[text(ETHTOOL_A_BITSET_BIT_NAME, offload)]));
        let device = [text(ETHTOOL_A_HEADER_DEV_NAME, interface)];
        Self(written(&[
            nested(ETHTOOL_A_FEATURES_HEADER, &device),
            nested(ETHTOOL_A_FEATURES_WANTED, &[nested(ETHTOOL_A_BITSET_BITS, &bits)]),
        ]))
    }
}

fn nested(kind: u16, attributes: &[DefaultNla]) -> DefaultNla {
    DefaultNla::new(kind | NLA_F_NESTED, written(attributes))
}

fn text(kind: u16, value: &str) -> DefaultNla {
    DefaultNla::new(kind, [value.as_bytes(), b"\0"].concat())
}

fn written(attributes: &[DefaultNla]) -> Vec<u8> {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    bytes
}

impl GenlFamily for FeaturesOff {
    fn family_name() -> &'static str {
        "ethtool"
    }

    fn command(&self) -> u8 {
        ETHTOOL_MSG_FEATURES_SET
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for FeaturesOff {
    fn buffer_len(&self) -> usize {
        self.0.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0);
    }
}

/// The answer lists what has changed and is kept as it is.
impl ParseableParametrized<[u8], GenlHeader> for FeaturesOff {
    fn parse_with_param(attributes: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        Ok(Self(attributes.to_vec()))
    }
}
