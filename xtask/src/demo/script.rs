//! Our side, step by step. What is found goes into the report at once, so that it is there even if a later step fails.

use std::time::{Duration, Instant};

use super::far::{DOWNLOAD_PORT, FarEnd, UPLOAD_PORT, UPLOAD_SEED};
use super::progress::Progress;
use super::report::{Leg, Report};
use super::stack::Stack;
use super::transfer::{Sink, Source};
use super::{THEIRS, echo, http, ping};
use anyhow::ensure;
use fdlink_core::io::RawIo;

/// Runs all steps and returns the page's server, still up; or the error of the first step that fails.
pub(super) fn run<IO: RawIo>(
    stack: &mut Stack<'_, IO>,
    far: &FarEnd,
    time: Duration,
    report: &mut Report,
) -> anyhow::Result<http::Server> {
    let progress = &mut Progress::new();
    let server = http::Server::open(stack)?;
    ping::run(stack, progress, &mut report.ping)?;
    echo::run(stack, progress, &mut report.udp)?;
    check(report.download.insert(download(stack, far, time, progress)?), "download", progress)?;
    check(report.upload.insert(upload(stack, far, time, progress)?), "upload", progress)?;
    serve_page(stack, &server, far, progress)?;
    report.http_ok = true;
    Ok(server)
}

fn download<IO: RawIo>(
    stack: &mut Stack<'_, IO>,
    far: &FarEnd,
    time: Duration,
    progress: &mut Progress,
) -> anyhow::Result<Leg> {
    let started = Instant::now();
    let handle = stack.connect((THEIRS, DOWNLOAD_PORT), CLIENT_PORT)?;
    let mut sink = Sink::new();
    let received = stack.drive("download", time + SPARE, |stack| {
        let received = sink.step(stack.tcp(handle))?;
        progress.live(|| live("download", sink.bytes(), started));
        Ok(received)
    })?;
    let time = started.elapsed();
    stack.tcp(handle).close();
    let sent = stack.drive("download", SPARE, |_| far.transfer())?;
    Ok(Leg { sent, received, time })
}

fn upload<IO: RawIo>(
    stack: &mut Stack<'_, IO>,
    far: &FarEnd,
    time: Duration,
    progress: &mut Progress,
) -> anyhow::Result<Leg> {
    let started = Instant::now();
    let handle = stack.connect((THEIRS, UPLOAD_PORT), CLIENT_PORT + 1)?;
    let mut source = Source::new(UPLOAD_SEED, started + time);
    let sent = stack.drive("upload", time + SPARE, |stack| {
        let sent = source.step(stack.tcp(handle))?;
        progress.live(|| live("upload", source.bytes(), started));
        Ok(sent)
    })?;
    let received = stack.drive("upload", SPARE, |_| far.transfer())?;
    Ok(Leg { sent, received, time: started.elapsed() })
}

fn check(leg: &Leg, name: &str, progress: &mut Progress) -> anyhow::Result<()> {
    progress.done(&format!("{name:<10} {leg}"));
    ensure!(leg.is_whole(), "{name}: what was received is not what was sent: {leg}");
    Ok(())
}

fn serve_page<IO: RawIo>(
    stack: &mut Stack<'_, IO>,
    server: &http::Server,
    far: &FarEnd,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let answer = stack.drive("http", SPARE, |stack| {
        server.step(stack)?;
        far.page()
    })?;
    let len = http::check(&answer)?;
    progress.done(&format!("http get   the page of {len} bytes is the one that was served"));
    Ok(())
}

fn live(name: &str, bytes: u64, since: Instant) -> String {
    let gigabits = bytes as f64 * 8e-9 / since.elapsed().as_secs_f64();
    format!("{name:<10} {:.1} MB, {gigabits:.2} Gbit/s", bytes as f64 / 1e6)
}

const CLIENT_PORT: u16 = 50_001;
/// What a step may take beyond its time.
const SPARE: Duration = Duration::from_secs(15);
