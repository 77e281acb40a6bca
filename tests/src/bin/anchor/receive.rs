use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use fdlink_core::{LinkEndpoint, Options};
use fdlink_linux::{FdEndpoint, FdOptions, Runner, endpoint};

use crate::arguments::Arguments;
use crate::report::{Count, counted, print, process_cpu};
use crate::target::{self, Target};

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let target = target::open(&arguments.target, arguments.vnet)?;
    let endpoint = Arc::new(open_endpoint(arguments, target)?);
    let runner = Runner::attach(Arc::clone(&endpoint), |_| Count)?;
    let start = process_cpu();
    println!("READY");
    std::io::stdout().flush()?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    let cpu: Duration = process_cpu() - start;
    let (frames, bytes) = counted();
    runner.stop()?;
    let drops = i64::try_from(endpoint.counters().rx.dropped_total())?;
    print(frames, bytes, cpu, drops, None);
    Ok(())
}

/// Promiscuous, since the generator's frames are for nobody: the other anchors do not look at addresses either.
pub(crate) fn open_endpoint(arguments: &Arguments, target: Target) -> Result<FdEndpoint, Box<dyn std::error::Error>> {
    let options = Options {
        ethernet_header: target.ethernet,
        promiscuous: true,
        rx_split: arguments.split,
        processors_per_channel: usize::from(arguments.owned),
        ..Options::default()
    };
    let (mode, ring) = arguments.dispatch_mode()?;
    let (offloads, batch) = (arguments.offloads(), arguments.batch);
    let fd_options = FdOptions { dispatch_mode: Some(mode), ring, batch, offloads, ..FdOptions::default() };
    Ok(endpoint([target.fd], options, &fd_options)?)
}
