//! Every test, and what came of it in one line.

use std::env;
use std::io::{self, BufRead as _, BufReader, PipeReader, Write as _};
use std::process::{Child, ExitCode};

use anyhow::{Context as _, Result};

use crate::cargo::{Steps, cargo};
use crate::no_std;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// Runs every test. A failed one does not keep the others from running.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let mut tally = Tally::default();
    let mut steps = Steps::new(2);
    steps.begin("unit, documentation and integration tests");
    cargo_test(&mut tally)?;
    steps.begin("no_std proof");
    no_std_proof(workspace, &mut tally);
    Ok(conclude(&tally))
}

fn cargo_test(tally: &mut Tally) -> Result<()> {
    let (mut child, output) = start()?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read the output of the tests")?;
        let line = String::from_utf8_lossy(&line);
        writeln!(io::stdout(), "{line}")?;
        tally.read(&line);
    }
    if !child.wait()?.success() {
        tally.command_failed();
    }
    Ok(())
}

/// Both streams in one pipe, so that lines keep their order.
fn start() -> Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let mut command = cargo("test --workspace --all-features --no-fail-fast");
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn().context("cannot start cargo test")?;
    Ok((child, reader))
}

/// Each check counts as a test.
fn no_std_proof(workspace: &Workspace, tally: &mut Tally) {
    for check in &no_std::CHECKS {
        if let Some(reason) = no_std::unsupported() {
            println!("SKIP {}: {reason}", check.name);
            tally.skip(check.name, reason);
            continue;
        }
        match (check.make)(workspace) {
            Ok(seen) => {
                println!("test {} ... ok ({seen})", check.name);
                tally.pass();
            }
            Err(error) => {
                println!("test {} ... FAILED ({error:#})", check.name);
                tally.fail(check.name);
            }
        }
    }
}

/// Prints the summary, its last line alone, and decides.
fn conclude(tally: &Tally) -> ExitCode {
    println!();
    for test in tally.failures() {
        println!("failed: {test}");
    }
    for skip in tally.skips() {
        println!("skipped: {}: {}", skip.test, skip.reason);
    }
    let skips_fail = !tally.skips().is_empty() && env::var("CI").is_ok_and(|ci| ci == "true");
    if skips_fail {
        println!("CI=true: a skipped test is a failure");
    }
    println!("{tally}");
    if tally.failed() > 0 || skips_fail { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
