//! Do the gates notice? One thing too much for each frame, received or sent, in a copy of the tree, and what finds it: gates that held and no
//! longer do, cases that take more instructions than their budget allows, and the test that nothing is allocated (G11).
//!
//! | one more | found by |
//! |---|---|
//! | copy, into 2 KiB | instructions of `receive` (+325 %), `linux-recvmmsg` (+126 %), `linux-sendmmsg` (+307 %); G1, G4 at 64 bytes |
//! | allocation | G11; instructions of `linux-recvmmsg` (+190 %), `linux-sendmmsg` (+74 %); G1, G4 at 64 bytes |
//! | system call | G1, G4 at 64 bytes; instructions of `linux-recvmmsg` (+6 %), `linux-readv` (+4 %), barely of `linux-sendmmsg` (+2 %) |
//!
//! The copy is built without optimisation across crates, which takes a third of the time: what is compared is a build with itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cargo::{Steps, cargo, output, stdout};
use crate::instructions::TOLERANCE;
use crate::workspace::Workspace;

/// A change that makes every frame dearer.
struct Slowdown {
    name: &'static str,
    received: Change,
    sent: Change,
}

/// A line of code too much.
struct Change {
    place: Place,
    added: &'static str,
}

/// A file, and the line behind which it goes.
struct Place {
    file: &'static str,
    behind: &'static str,
}

const SLOWDOWNS: [Slowdown; 3] = [
    Slowdown {
        name: "one copy",
        received: Change {
            place: DELIVERED,
            added: "let mut copy = [0_u8; 2048];\
                    copy.iter_mut().zip(frame.iter()).for_each(|(to, from)| *to = *from);\
                    core::hint::black_box(&mut copy);\n",
        },
        sent: Change {
            place: GATHERED,
            added: "let mut copy = [0_u8; 2048];\
                    copy.iter_mut().zip(frame.slices().flatten()).for_each(|(to, from)| *to = *from);\
                    core::hint::black_box(&mut copy);\n",
        },
    },
    Slowdown {
        name: "one allocation",
        received: Change { place: FILLED, added: ALLOCATION },
        sent: Change { place: GATHERED, added: ALLOCATION },
    },
    Slowdown {
        name: "one system call",
        received: Change { place: FILLED, added: SYSTEM_CALL },
        sent: Change { place: GATHERED, added: SYSTEM_CALL },
    },
];

/// Every packet that is delivered.
const DELIVERED: Place = Place {
    file: "core/src/packet/rx.rs",
    behind: "    pub fn new(frame: &'b mut [u8], header_len: usize, meta: RxMeta) -> Self {\n",
};
/// Every frame that was received by `read` or `recvmmsg`.
const FILLED: Place = Place { file: "backend-linux/src/slots.rs", behind: "            **taken += 1;\n" };
/// Every frame that is sent by `sendmmsg`.
const GATHERED: Place =
    Place { file: "backend-linux/src/send.rs", behind: "        for frame in frames.iter().take(FRAMES) {\n" };

const ALLOCATION: &str = "drop(core::hint::black_box(vec![0_u8; 64]));\n";
const SYSTEM_CALL: &str = "let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };\
                           let _ = rustix::event::poll(&mut [], Some(&now));\n";

/// What the checks found.
struct Findings {
    /// Gates that do not hold.
    missed: BTreeSet<String>,
    /// What each case takes.
    instructions: BTreeMap<String, f64>,
}

/// Fails if a slowdown passes unnoticed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target("slowed");
    let mut steps = Steps::new(1 + SLOWDOWNS.len());
    steps.begin("as it is");
    copy_tree(workspace, &folder)?;
    let usual = check(&folder)?;
    println!("misses: {}", names(&usual.missed));
    let mut unnoticed = Vec::new();
    for Slowdown { name, received, sent } in &SLOWDOWNS {
        steps.begin(format!("{name} more for each frame"));
        copy_tree(workspace, &folder)?;
        [received, sent].into_iter().try_for_each(|change| apply(change, &folder))?;
        let caught = check(&folder)?.beyond(&usual);
        println!("caught by: {}", names(&caught));
        if caught.is_empty() {
            unnoticed.push(*name);
        }
    }
    ensure!(unnoticed.is_empty(), "not caught: {}", unnoticed.join(", "));
    Ok(())
}

impl Findings {
    /// What was found here and not there.
    fn beyond(&self, usual: &Self) -> BTreeSet<String> {
        let gates = self.missed.difference(&usual.missed).cloned();
        let budgets = self.instructions.iter().filter_map(|(case, count)| {
            let growth = count / usual.instructions.get(case)? - 1.0;
            (growth > TOLERANCE).then(|| format!("instructions of {case} ({:+.0} %)", growth * 100.0))
        });
        gates.chain(budgets).collect()
    }
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

fn apply(Change { place: Place { file, behind }, added }: &Change, folder: &Path) -> Result<()> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(behind), "the place for a slowdown in {file} is gone, look for another");
    Ok(fs::write(&path, text.replacen(behind, &format!("{behind}{added}"), 1))?)
}

fn check(folder: &Path) -> Result<Findings> {
    let instructions = instructions(folder)?;
    let mut missed = missed_gates(folder)?;
    let mut allocations = cargo("test --quiet --release --package fdlink-tests --test allocations");
    if !output(in_copy(&mut allocations, folder))?.status.success() {
        missed.insert("G11 allocations".to_owned());
    }
    Ok(Findings { missed, instructions })
}

/// By the lines of `cargo xtask instructions`: `linux-readv 206.5 instructions a frame …`. Whether they keep their budgets is no matter here.
fn instructions(folder: &Path) -> Result<BTreeMap<String, f64>> {
    let mut command = Command::new(env::current_exe()?);
    let output = output(in_copy(command.args(["instructions", "--only", "receive,linux-re,linux-se"]), folder))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let cases: BTreeMap<_, _> =
        words.filter_map(|words| Some((words.first()?.to_string(), words.get(1)?.parse().ok()?))).collect();
    ensure!(!cases.is_empty(), "no instructions counted: {}", String::from_utf8_lossy(&output.stderr));
    Ok(cases)
}

fn missed_gates(folder: &Path) -> Result<BTreeSet<String>> {
    let figures = folder.join("bench.json");
    let mut bench =
        cargo("run --quiet --release --package fdlink-tests --bin bench -- --only G1,G2,G4 --rounds 5 --json");
    let bench = output(in_copy(bench.arg(&figures), folder))?;
    ensure!(bench.status.success(), "{}", String::from_utf8_lossy(&bench.stderr));
    let figures: Value = serde_json::from_str(&fs::read_to_string(&figures)?)?;
    let gates = figures["gates"].as_array().context("no gates")?.iter().filter(|gate| gate["holds"] == false);
    Ok(gates.map(|gate| format!("{} {}", text(&gate["id"]), text(&gate["scenario"]))).collect())
}

fn in_copy<'c>(command: &'c mut Command, folder: &Path) -> &'c mut Command {
    let build = folder.join("target");
    command.current_dir(folder).env("CARGO_TARGET_DIR", build).envs(PROFILE)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn names(found: &BTreeSet<String>) -> String {
    if found.is_empty() { "none".to_owned() } else { found.iter().cloned().collect::<Vec<_>>().join(", ") }
}

const PROFILE: [(&str, &str); 2] =
    [("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")];
