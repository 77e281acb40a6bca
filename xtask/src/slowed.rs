//! Do the gates notice? One thing too much for each received frame, in a copy of the tree, and which gates that held no longer do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cargo::{Steps, cargo, output, stdout};
use crate::workspace::Workspace;

/// A change that makes every received frame dearer.
struct Slowdown {
    name: &'static str,
    file: &'static str,
    /// The line behind which it goes.
    behind: &'static str,
    added: &'static str,
}

const SLOWDOWNS: [Slowdown; 3] = [
    Slowdown {
        name: "one copy",
        file: "core/src/rx/receiver.rs",
        behind: "            Ok(parsed) => {\n                tally.delivered(frame.bytes.len());\n",
        added: "let mut copy = [0_u8; 2048];\
                copy.iter_mut().zip(frame.bytes.iter()).for_each(|(to, from)| *to = *from);\
                core::hint::black_box(&mut copy);\n",
    },
    Slowdown {
        name: "one allocation",
        file: "backend-linux/src/slots.rs",
        behind: "            **taken += 1;\n",
        added: "drop(core::hint::black_box(vec![0_u8; 64]));\n",
    },
    Slowdown {
        name: "one system call",
        file: "backend-linux/src/slots.rs",
        behind: "            **taken += 1;\n",
        added: "let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };\
                let _ = rustix::event::poll(&mut [], Some(&now));\n",
    },
];

/// Fails if a slowdown passes unnoticed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target("slowed");
    let mut steps = Steps::new(1 + SLOWDOWNS.len());
    steps.begin("as it is");
    copy_tree(workspace, &folder)?;
    let usual = missed(&folder)?;
    println!("misses: {}", names(&usual));
    let mut unnoticed = Vec::new();
    for slowdown in &SLOWDOWNS {
        steps.begin(format!("{} more for each received frame", slowdown.name));
        copy_tree(workspace, &folder)?;
        apply(slowdown, &folder)?;
        let caught: BTreeSet<_> = missed(&folder)?.difference(&usual).cloned().collect();
        println!("caught by: {}", names(&caught));
        if caught.is_empty() {
            unnoticed.push(slowdown.name);
        }
    }
    ensure!(unnoticed.is_empty(), "not caught: {}", unnoticed.join(", "));
    Ok(())
}

/// The files of the last commit and what is changed in them; files that are as they were keep their time, for the sake of the compiler.
fn copy_tree(workspace: &Workspace, folder: &Path) -> Result<()> {
    let root = workspace.root();
    let mut git = Command::new("git");
    let files = stdout(git.arg("-C").arg(&root).args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    for file in files.lines() {
        let (from, to) = (root.join(file), folder.join(file));
        let Ok(content) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|old| old == content) {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        fs::write(to, content)?;
    }
    Ok(())
}

fn apply(slowdown: &Slowdown, folder: &Path) -> Result<()> {
    let Slowdown { name, file, behind, added } = slowdown;
    let file = folder.join(file);
    let text = fs::read_to_string(&file)?;
    ensure!(text.contains(behind), "{name}: its place in {} is gone, look for another", slowdown.file);
    Ok(fs::write(&file, text.replacen(behind, &format!("{behind}{added}"), 1))?)
}

/// What does not hold: gates of the bench, the budgets of instructions, the test that nothing is allocated (G11).
fn missed(folder: &Path) -> Result<BTreeSet<String>> {
    let figures = folder.join("bench.json");
    let bench = cargo("run --quiet --release --package fdlink-tests --bin bench --")
        .args(["--only", "G1,G2", "--rounds", "5", "--json"])
        .arg(&figures)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", build(folder))
        .output()?;
    ensure!(bench.status.success(), "{}", String::from_utf8_lossy(&bench.stderr));
    let figures: Value = serde_json::from_str(&fs::read_to_string(&figures)?)?;
    let gates = figures["gates"].as_array().context("no gates")?.iter().filter(|gate| gate["holds"] == false);
    let mut missed: BTreeSet<_> =
        gates.map(|gate| format!("{} {}", text(&gate["id"]), text(&gate["scenario"]))).collect();
    let mut instructions = Command::new(env::current_exe()?);
    instructions.args(["instructions", "--only", "receive,linux-re,linux-ri"]);
    let allocations = cargo("test --quiet --release --package fdlink-tests --test allocations");
    for (name, mut check) in [("instructions", instructions), ("G11 allocations", allocations)] {
        if !output(check.current_dir(folder).env("CARGO_TARGET_DIR", build(folder)))?.status.success() {
            missed.insert(name.to_owned());
        }
    }
    Ok(missed)
}

fn build(folder: &Path) -> PathBuf {
    folder.join("target")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn names(gates: &BTreeSet<String>) -> String {
    if gates.is_empty() { "none".to_owned() } else { gates.iter().cloned().collect::<Vec<_>>().join(", ") }
}
