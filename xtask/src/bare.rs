//! Core and mock for targets without an operating system.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::cargo::{Steps, run as run_command};
use crate::toolchain::{CoreLibrary, Toolchain, all};
use crate::workspace::Workspace;

/// Makes every build for every target and prints a table of what came of it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let toolchains = all(&workspace.rust_version()?);
    let plans = TARGETS.iter().map(|target| plan(target, &toolchains)).collect::<Result<Vec<_>>>()?;
    let mut steps = Steps::new(plans.len() * BUILDS.len());
    let rows: Vec<_> = plans.iter().map(|plan| BUILDS.map(|build| plan.make(workspace, &build, &mut steps))).collect();
    print_table(&plans, &rows);
    let failed = rows.iter().flatten().filter(|done| !**done).count();
    ensure!(failed == 0, "{failed} of {} builds failed", plans.len() * BUILDS.len());
    Ok(())
}

/// How to build for a target.
struct Plan<'t> {
    target: &'static str,
    toolchain: &'t Toolchain,
    core: CoreLibrary,
}

/// A toolchain that has the target's `core` library is better than one that builds it.
fn plan<'t>(target: &'static str, toolchains: &'t [Toolchain]) -> Result<Plan<'t>> {
    let with = |core: CoreLibrary| {
        let toolchain = toolchains.iter().find(|toolchain| toolchain.has(core, target))?;
        Some(Plan { target, toolchain, core })
    };
    with(CoreLibrary::Installed).or_else(|| with(CoreLibrary::Source)).with_context(|| {
        format!(
            "no core library for {target}, and no source of one: install it with `rustup target add {target}`, \
             with `rustup component add rust-src`, or on Debian with `apt-get install rustc-web cargo-web rust-web-src`"
        )
    })
}

impl Plan<'_> {
    /// True if it builds; otherwise the compiler has said why.
    fn make(&self, workspace: &Workspace, build: &Build, steps: &mut Steps) -> bool {
        steps.begin(format_args!("{} for {}", build.name, self.target));
        run_command(&mut self.command(workspace.target("bare"), build))
            .inspect_err(|error| eprintln!("error: {error:#}"))
            .is_ok()
    }

    fn command(&self, target_folder: PathBuf, build: &Build) -> Command {
        let mut command = self.toolchain.cargo(self.core);
        command.args(["build", "--quiet", "--target", self.target, "--target-dir"]).arg(target_folder);
        command.args(build.options);
        command
    }

    fn core_library(&self) -> &'static str {
        match self.core {
            CoreLibrary::Installed => "installed",
            CoreLibrary::Source => "from source",
        }
    }
}

fn print_table(plans: &[Plan<'_>], rows: &[[bool; BUILDS.len()]]) {
    print!("\n{:<28}", "target");
    BUILDS.iter().for_each(|build| print!("{:<25}", build.name));
    println!("toolchain");
    for (plan, row) in plans.iter().zip(rows) {
        print!("{:<28}", plan.target);
        row.iter().for_each(|done| print!("{:<25}", if *done { "ok" } else { "FAILED" }));
        println!("{}, core library {}", plan.toolchain.version(), plan.core_library());
    }
}

struct Build {
    name: &'static str,
    options: &'static [&'static str],
}

const BUILDS: [Build; 3] = [
    Build { name: "fdlink-core", options: &["--package=fdlink-core"] },
    Build { name: "fdlink-core with smoltcp", options: &["--package=fdlink-core", "--features=smoltcp"] },
    Build { name: "fdlink-mock", options: &["--package=fdlink-mock"] },
];

const TARGETS: [&str; 4] =
    ["x86_64-unknown-none", "aarch64-unknown-none", "riscv64gc-unknown-none-elf", "thumbv7em-none-eabi"];
