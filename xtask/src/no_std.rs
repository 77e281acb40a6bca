//! The no_std proof: core and mock in a static binary without std, allocator or libc (`tests/no-std`).

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo::{Steps, cargo, output, run as run_command};
use crate::elf;
use crate::workspace::Workspace;

/// Makes every check; the first that fails is the error.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    if let Some(reason) = unsupported() {
        bail!(reason);
    }
    let mut steps = Steps::new(CHECKS.len());
    for check in &CHECKS {
        steps.begin(check.what);
        println!("      {}", (check.make)(workspace).context(check.name)?);
    }
    Ok(())
}

/// One check of the proof. It tells what it saw, or why it failed.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) make: fn(&Workspace) -> Result<String>,
}

pub(crate) const CHECKS: [Check; 4] = [
    Check {
        name: "no_std::debug",
        what: "freestanding binary, debug build: link, read its symbols, run",
        make: |workspace| freestanding(workspace, "debug", &[]),
    },
    Check {
        name: "no_std::release",
        what: "freestanding binary, release build: link, read its symbols, run",
        make: |workspace| freestanding(workspace, "release", &["--release"]),
    },
    Check {
        name: "no_std::control_alloc",
        what: "negative control: the same with an allocation must not build",
        make: |workspace| control(workspace, "with-alloc", "no global memory allocator found"),
    },
    Check {
        name: "no_std::control_std",
        what: "negative control: the same with std must not build",
        make: |workspace| control(workspace, "with-std", "duplicate lang item"),
    },
];

/// Why the proof cannot be made here.
pub(crate) fn unsupported() -> Option<&'static str> {
    const SUPPORTED: bool = cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")));
    (!SUPPORTED).then_some(
        "the freestanding binary is for Linux on x86_64 and aarch64; `cargo xtask no-std --bare` works anywhere",
    )
}

fn freestanding(workspace: &Workspace, profile: &str, options: &[&str]) -> Result<String> {
    run_command(build(workspace).args(options))?;
    let program = workspace.target(TARGET).join(profile).join(PROGRAM);
    let symbols = check_symbols(&program)?;
    check_run(&program)?;
    Ok(format!("{symbols} symbols, none undefined; it ran and all its checks passed"))
}

fn build(workspace: &Workspace) -> Command {
    let mut command = cargo_in(workspace, "build --quiet");
    command.arg("--target-dir").arg(workspace.target(TARGET));
    command
}

/// A cargo command for the freestanding program, which is a workspace of its own.
pub(crate) fn cargo_in(workspace: &Workspace, words: &str) -> Command {
    let mut command = cargo(words);
    command.arg("--manifest-path").arg(workspace.root().join("tests/no-std/Cargo.toml"));
    command
}

/// How many symbols there are, if none comes from outside.
fn check_symbols(program: &Path) -> Result<usize> {
    let symbols = elf::symbols(program)?;
    ensure!(symbols.undefined.is_empty(), "undefined symbols: {}", symbols.undefined.join(", "));
    ensure!(!symbols.dynamic, "the binary needs a dynamic linker");
    ensure!(symbols.defined.iter().any(|name| name == "_start"), "no symbol _start: the symbol table proves nothing");
    Ok(symbols.defined.len())
}

fn check_run(program: &Path) -> Result<()> {
    let Some(status) = run_within(program, TIME_LIMIT)? else {
        bail!("killed after {} s: it loops, as its panic handler does", TIME_LIMIT.as_secs());
    };
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => bail!("check {code} failed: see `Failed` in tests/no-std/src/proof.rs"),
        None => bail!("it died: {status}"),
    }
}

/// How a program ended; nothing if it had to be killed.
fn run_within(program: &Path, limit: Duration) -> Result<Option<ExitStatus>> {
    let mut child = Command::new(program).spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// Builds with a feature that must break the build, and for the reason expected.
fn control(workspace: &Workspace, feature: &str, expected: &str) -> Result<String> {
    let output = output(build(workspace).args(["--features", feature]))?;
    ensure!(!output.status.success(), "it builds with {feature}: the proof proves nothing");
    let errors = String::from_utf8_lossy(&output.stderr);
    let Some(line) = errors.lines().find(|line| line.contains(expected)) else {
        bail!("with {feature} the build fails, but not with \"{expected}\":\n{errors}");
    };
    Ok(format!("as it should be: {}", line.trim()))
}

const PROGRAM: &str = "fdlink-no-std";
/// The target folder of the freestanding program.
pub(crate) const TARGET: &str = "no-std";
const TIME_LIMIT: Duration = Duration::from_secs(10);
