use std::time::{Duration, Instant};

use fdlink_core::{
    BATCH_SIZE, EtherType, GsoSupport, LinkAddress, LinkEndpoint, Offload, Options, Packet, TxPolicy, WriteError,
};
use fdlink_linux::{FdOptions, endpoint};

use crate::arguments::Arguments;
use crate::report::{print, process_cpu};
use crate::{super_frame, target};

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let target = target::open(&arguments.target, arguments.vnet && !arguments.soft)?;
    let (frame, offload) = if arguments.vnet && arguments.size > LONGEST_FRAME {
        super_frame::new(arguments.size, target.ethernet)
    } else {
        (frame(arguments.size, target.ethernet), Offload::NONE)
    };
    let gso = match (arguments.vnet, arguments.soft) {
        (false, _) => GsoSupport::None,
        (true, false) => GsoSupport::Host,
        (true, true) => GsoSupport::Software,
    };
    let tx_policy = TxPolicy::Wait { attempts: 100, timeout: Duration::from_millis(10) };
    let options = Options { ethernet_header: target.ethernet, tx_policy, gso, ..Options::default() };
    let fd_options = FdOptions { offloads: arguments.offloads(), ..FdOptions::default() };
    let endpoint = endpoint([target.fd], options, &fd_options)?;
    endpoint.attach()?;
    let (start, cpu) = (Instant::now(), process_cpu());
    let (sent, failed) =
        send(&endpoint, (&frame, offload), arguments, start + Duration::from_secs_f64(arguments.secs))?;
    let secs = start.elapsed().as_secs_f64();
    print(sent, sent * arguments.size as u64, process_cpu() - cpu, i64::try_from(failed)?, Some(secs));
    Ok(())
}

/// Sends batches until `end`; one buffer for each frame, header and payload apart where two parts are asked for.
fn send(
    endpoint: &impl LinkEndpoint,
    (frame, offload): (&[u8], Offload),
    arguments: &Arguments,
    end: Instant,
) -> Result<(u64, u64), WriteError> {
    let batch = arguments.batch.unwrap_or(BATCH_SIZE);
    let frames = vec![frame.to_vec(); batch];
    let header = endpoint.max_header_length();
    let whole: Vec<[&[u8]; 1]> = frames.iter().map(|frame| [frame.as_slice()]).collect();
    let payload: Vec<[&[u8]; 1]> = frames.iter().map(|frame| [&frame[header..]]).collect();
    let to = LinkAddress([2, 0, 0, 0, 0, 2]);
    let mut packets: Vec<Packet<'_>> = match arguments.parts {
        1 => whole.iter().map(|parts| Packet::framed(parts).with_offload(offload)).collect(),
        _ => payload.iter().map(|parts| Packet::new(EtherType::IPV4, parts).to(to).with_offload(offload)).collect(),
    };
    let (mut sent, mut failed) = (0, 0);
    while Instant::now() < end {
        packets.iter_mut().for_each(Packet::reset);
        let written = endpoint.write_packets(&mut packets)?;
        sent += written.sent as u64;
        failed += (written.refused + written.pending) as u64;
    }
    Ok((sent, failed))
}

/// An IPv4 packet with protocol UDP to nobody, in an Ethernet frame to nobody.
pub(crate) fn frame(size: usize, ethernet: bool) -> Vec<u8> {
    let mut frame = vec![0x5a; size];
    let header = if ethernet { 14 } else { 0 };
    frame[..header].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0][..header]);
    let len = u16::try_from(size - header).unwrap_or(u16::MAX).to_be_bytes();
    let ip = [0x45, 0, len[0], len[1], 0, 0, 0, 0, 64, 17, 0, 0, 10, 240, 0, 1, 10, 240, 0, 2];
    frame[header..header + ip.len()].copy_from_slice(&ip);
    frame
}

/// Without segmentation, at an MTU of 1500.
const LONGEST_FRAME: usize = 1514;
