//! Does the simulation notice? Plants faults in a copy of the tree, one by one, and plays seeds until one fails.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::cargo::{Steps, cargo, output, run as run_command};
use crate::workspace::Workspace;

/// Which, and how hard to try.
#[derive(Debug, Args)]
pub(crate) struct MutantsArgs {
    /// Seeds that are played before a mutant counts as missed.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    seeds: u64,

    /// Only the mutants whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// A way to break the endpoint.
struct Mutant {
    name: String,
    file: PathBuf,
    search: String,
    replace: String,
}

/// What the simulation made of it.
enum Verdict {
    /// The first seed that fails, and what it said.
    Found {
        seed: u64,
        words: String,
    },
    Missed,
}

/// A mutant that is missed is the error, after all were tried.
pub(crate) fn run(args: &MutantsArgs, workspace: &Workspace) -> Result<()> {
    let mut mutants = read(&workspace.root().join("xtask/mutants.toml"))?;
    mutants.retain(|mutant| mutant.name.contains(&args.only));
    let tree = copy_tree(workspace)?;
    let mut steps = Steps::new(mutants.len() + 1);
    steps.begin("the endpoint as it is");
    ensure!(matches!(play(&tree, args.seeds)?, Verdict::Missed), "the simulation fails without a mutant");
    let mut missed = Vec::new();
    for mutant in &mutants {
        steps.begin(&mutant.name);
        match mutant.plant(&tree, args.seeds)? {
            Verdict::Found { seed, words } => println!("      found with seed {seed}: {words}"),
            Verdict::Missed => {
                println!("      MISSED with {} seeds", args.seeds);
                missed.push(mutant.name.as_str());
            }
        }
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    println!("{} mutants, all found", mutants.len());
    Ok(())
}

fn read(file: &Path) -> Result<Vec<Mutant>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let table: toml::Table = text.parse()?;
    let list = table.get("mutant").and_then(toml::Value::as_array).context("no [[mutant]]")?;
    list.iter().map(Mutant::new).collect()
}

impl Mutant {
    fn new(entry: &toml::Value) -> Result<Self> {
        let field = |name: &str| {
            let value = entry.get(name).and_then(toml::Value::as_str);
            value.map(str::to_owned).with_context(|| format!("a mutant without {name}"))
        };
        Ok(Self {
            name: field("name")?,
            file: field("file")?.into(),
            search: field("search")?,
            replace: field("replace")?,
        })
    }

    fn plant(&self, tree: &Path, seeds: u64) -> Result<Verdict> {
        let file = tree.join(&self.file);
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        ensure!(text.contains(&self.search), "{}: {} does not contain {:?}", self.name, file.display(), self.search);
        fs::write(&file, text.replacen(&self.search, &self.replace, 1))?;
        let verdict = play(tree, seeds);
        fs::write(&file, text)?;
        verdict
    }
}

/// The members of the workspace, in a target folder of its own.
fn copy_tree(workspace: &Workspace) -> Result<PathBuf> {
    let (root, tree) = (workspace.root(), workspace.target("mutants").join("tree"));
    fs::create_dir_all(&tree)?;
    for name in ["Cargo.toml", "Cargo.lock", "README.md", "core", "backend-linux", "backend-mock", "tests", "xtask"] {
        copy(&root.join(name), &tree.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(tree)
}

/// Leaves alone what is the same, so that it is not built again.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            if name != "target" {
                copy(&from.join(&name), &to.join(&name))?;
            }
        }
        return Ok(());
    }
    let bytes = fs::read(from)?;
    if fs::read(to).ok().as_ref() != Some(&bytes) {
        fs::write(to, bytes)?;
    }
    Ok(())
}

fn play(tree: &Path, seeds: u64) -> Result<Verdict> {
    let target = tree.with_file_name("target");
    let command = |words: &str| {
        let mut command = cargo(words);
        command.current_dir(tree).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", "--cap-lints=allow");
        // Most of the time goes into building, and nobody debugs a mutant.
        command.env("CARGO_PROFILE_DEV_DEBUG", "false");
        command
    };
    run_command(&mut command("build --quiet --package fdlink-tests --bin sim"))?;
    let mut sim =
        command("run --quiet --package fdlink-tests --bin sim -- --first-failure --json --tries 0 --threads 1");
    let output = output(sim.args(["--seeds", &seeds.to_string()]))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(Verdict::Missed);
    }
    if let Some(hang) = text.lines().find_map(|line| line.strip_prefix("HANG ")) {
        return found_by_hang(hang).context("a run that hangs without a seed");
    }
    let summary: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).context("no summary")?;
    let failure = summary.pointer("/failures/0").context("it failed without a failure")?;
    let seed = failure.get("seed").and_then(Value::as_u64).context("a failure without a seed")?;
    let words = |name| failure.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(Verdict::Found { seed, words: format!("{}: {}", words("scenario"), words("message")) })
}

/// `transmit seed 7: no end after 60s`
fn found_by_hang(words: &str) -> Option<Verdict> {
    let (scenario, rest) = words.split_once(" seed ")?;
    let (seed, words) = rest.split_once(':')?;
    Some(Verdict::Found { seed: seed.parse().ok()?, words: format!("{scenario}:{words}") })
}
