//! Running cargo, and saying what is being run.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};

/// The cargo that runs this program, so that all steps use one toolchain.
pub(crate) fn path() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A cargo command out of words, to which more can be added.
pub(crate) fn cargo(words: &str) -> Command {
    let mut command = Command::new(path());
    command.args(words.split_whitespace());
    command
}

/// Runs a command to its end; the error is one line that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    ensure!(status.success(), "`{}` ended with {status}", line(command));
    Ok(())
}

/// Runs a command to its end and keeps what it printed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("cannot start `{}`", line(command)))
}

/// What a command printed on its standard output, without the line end.
pub(crate) fn stdout(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    ensure!(output.status.success(), "`{}` ended with {}", line(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// The command as one would type it, its program without folders.
fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Progress lines: `[2/6] what comes now`.
pub(crate) struct Steps {
    begun: usize,
    total: usize,
}

impl Steps {
    pub(crate) const fn new(total: usize) -> Self {
        Self { begun: 0, total }
    }

    pub(crate) fn begin(&mut self, what: impl Display) {
        self.begun += 1;
        println!("[{}/{}] {what}", self.begun, self.total);
    }
}
