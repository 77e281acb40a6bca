use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::{Outcome, Target};

/// The smallest case of each kind that a target has shown: `tests/corpus`, a line for each.
///
/// Coverage on stable Rust is not at hand while a program runs, so that the outcome stands for it: what the endpoint counted, dropped, merged and cut.
#[derive(Debug, Default)]
pub struct Corpus {
    /// By kind: size and seed.
    cases: BTreeMap<String, (usize, u64)>,
}

impl Corpus {
    /// What is kept of a target; nothing if no file is there.
    ///
    /// # Panics
    ///
    /// If a line is not one of a corpus.
    #[must_use]
    pub fn load(target: Target) -> Self {
        let text = std::fs::read_to_string(path(target)).unwrap_or_default();
        Self { cases: text.lines().map(|line| parse(line).unwrap_or_else(|| panic!("not a case: {line}"))).collect() }
    }

    /// Keeps a case if it is the first of its kind, or smaller than that.
    pub fn add(&mut self, seed: u64, seen: Outcome) {
        let case = (seen.size, seed);
        self.cases.entry(seen.kind).and_modify(|kept| *kept = case.min(*kept)).or_insert(case);
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn save(&self, target: Target) -> io::Result<()> {
        let lines = self.cases.iter().map(|(kind, (size, seed))| format!("{seed}\t{size}\t{kind}\n"));
        std::fs::write(path(target), lines.collect::<String>())
    }

    /// Seeds, and what is seen of them.
    pub fn cases(&self) -> impl Iterator<Item = (u64, Outcome)> {
        self.cases.iter().map(|(kind, (size, seed))| (*seed, Outcome { kind: kind.clone(), size: *size }))
    }

    /// How many kinds there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

fn parse(line: &str) -> Option<(String, (usize, u64))> {
    let mut fields = line.splitn(3, '\t');
    let seed = fields.next()?.parse().ok()?;
    let size = fields.next()?.parse().ok()?;
    Some((fields.next()?.to_owned(), (size, seed)))
}

fn path(target: Target) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "corpus", target.name].iter().collect()
}
