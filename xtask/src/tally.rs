//! What the tests said: passed, failed, skipped and why.

use std::fmt;

/// Counts of a test run, read from its output line by line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    /// Names of failed tests, as far as they are known.
    failures: Vec<String>,
    skips: Vec<Skip>,
    program: Program,
}

/// A test that did not run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// What the test program that is running has said so far.
#[derive(Debug, Default)]
struct Program {
    /// From lines `SKIP name: reason`, where the name may be that of a whole module of tests.
    said: Vec<Skip>,
    /// From lines `test name ... ignored`.
    ignored: Vec<Skip>,
    /// What is indented below the last line `failures:`.
    failures: Option<Vec<String>>,
}

impl Tally {
    /// Takes one line of output: a skip, an ignored or failed test, the result of a test program, or nothing of interest.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = Counts::parse(line) {
            self.settle(&counts);
        } else if let Some(skip) = Skip::parse(line) {
            self.program.said.push(skip);
        } else if let Some(skip) = Skip::parse_ignored(line) {
            self.program.ignored.push(skip);
        } else if line == "failures:" {
            self.program.failures = Some(Vec::new());
        } else if let (Some(failures), Some(test)) = (&mut self.program.failures, line.strip_prefix("    ")) {
            failures.push(test.to_owned());
        }
    }

    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    pub(crate) fn fail(&mut self, test: &str) {
        self.failed += 1;
        self.failures.push(test.to_owned());
    }

    pub(crate) fn skip(&mut self, test: &str, reason: &str) {
        self.skips.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
    }

    /// The tests as a whole failed: at least one did, even if none was counted, as when they do not compile.
    pub(crate) fn command_failed(&mut self) {
        self.failed = self.failed.max(1);
    }

    /// True if any test came to a verdict.
    pub(crate) const fn has_run(&self) -> bool {
        self.passed + self.failed > 0
    }

    pub(crate) const fn failed(&self) -> usize {
        self.failed
    }

    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(crate) fn skips(&self) -> &[Skip] {
        &self.skips
    }

    /// A test that said it was skipped and counts as passed is not passed; an ignored one that did not say so is skipped.
    fn settle(&mut self, counts: &Counts) {
        let mut program = std::mem::take(&mut self.program);
        self.failures.extend(program.failures.take().unwrap_or_default());
        let mut skips = program.into_skips();
        self.passed += counts.passed.saturating_sub(skips.len().saturating_sub(counts.ignored));
        self.failed += counts.failed;
        while skips.len() < counts.ignored {
            skips.push(Skip { test: "(unnamed)".to_owned(), reason: NO_REASON.to_owned() });
        }
        self.skips.extend(skips);
    }
}

impl Program {
    /// Every test once, with the reason that was said.
    fn into_skips(self) -> Vec<Skip> {
        let Self { mut said, mut ignored, .. } = self;
        for test in &mut ignored {
            if let Some(skip) = said.iter().find(|skip| skip.covers(&test.test)) {
                test.reason.clone_from(&skip.reason);
            }
        }
        said.retain(|skip| !ignored.iter().any(|test| skip.covers(&test.test)));
        ignored.extend(said);
        ignored
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skips.len())
    }
}

impl Skip {
    /// `SKIP name: reason`, alone or behind `test name ... `, where one thread runs the tests.
    fn parse(line: &str) -> Option<Self> {
        let said = line.strip_prefix("SKIP ").or_else(|| Some(line.split_once(" ... SKIP ")?.1))?;
        let (test, reason) = said.split_once(": ")?;
        Some(Self { test: test.trim().to_owned(), reason: reason.trim().to_owned() })
    }

    /// True for the test itself and for the tests of a module of this name.
    fn covers(&self, test: &str) -> bool {
        test.strip_prefix(self.test.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// `test name ... ignored` and `test name ... ignored, reason`.
    fn parse_ignored(line: &str) -> Option<Self> {
        let (test, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        let rest = outcome.strip_prefix("ignored")?;
        let reason = rest.strip_prefix(", ").unwrap_or(NO_REASON);
        Some(Self { test: test.trim().to_owned(), reason: reason.trim().to_owned() })
    }
}

/// The numbers of a line `test result: ok. 5 passed; 0 failed; 1 ignored; ...`.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Counts {
    fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |what: &str| {
            let words = counts.split("; ").filter_map(|part| part.split_once(' '));
            words.into_iter().find(|(_, word)| *word == what)?.0.parse().ok()
        };
        Some(Self { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
    }
}

const NO_REASON: &str = "ignored, no reason given";

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        tally
    }

    fn skip(test: &str, reason: &str) -> Skip {
        Skip { test: test.to_owned(), reason: reason.to_owned() }
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let tally = tally(
            "test a ... ok\n\
             test result: ok. 30 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n\
             test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n",
        );
        assert_eq!(tally.to_string(), "32 passed, 3 failed, 0 skipped");
    }

    #[test]
    fn failures_are_those_of_the_list_at_the_end() {
        let tally = tally(
            "    indented by a build\n\
             test a ... a line of its own\nFAILED\n\
             failures:\n\n---- a stdout ----\n    indented by the test\n\n\
             failures:\n    a\n    b\n\n\
             test result: FAILED. 2 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n",
        );
        assert_eq!(tally.failures(), ["a", "b"]);
    }

    #[test]
    fn a_skip_that_is_shown_as_ignored_counts_once_and_keeps_its_reason() {
        for output in [
            "SKIP tap::echo: no /dev/net/tun\ntest tap::echo ... ignored\n",
            "test tap::echo ... ignored\nSKIP tap::echo: no /dev/net/tun\n",
            "test tap::echo ... SKIP tap::echo: no /dev/net/tun\nignored\n",
        ] {
            let tally = tally(&format!("{output}test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured\n"));
            assert_eq!(tally.to_string(), "4 passed, 0 failed, 1 skipped");
            assert_eq!(tally.skips(), [skip("tap::echo", "no /dev/net/tun")]);
        }
    }

    #[test]
    fn one_reason_serves_a_whole_module() {
        let tally = tally(
            "SKIP tap: no /dev/net/tun\n\
             test tap::r1     ... ignored\n\
             test tap::r2     ... ignored\n\
             test tapestry::r ... ok\n\
             test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured\n",
        );
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 2 skipped");
        assert_eq!(tally.skips(), [skip("tap::r1", "no /dev/net/tun"), skip("tap::r2", "no /dev/net/tun")]);
    }

    #[test]
    fn a_skip_that_is_shown_as_passed_is_not_passed() {
        let tally = tally("SKIP tap: no root\ntest tap ... ok\ntest result: ok. 4 passed; 0 failed; 0 ignored\n");
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn ignored_tests_are_skips_with_the_reason_of_their_attribute() {
        let tally = tally(
            "test slow ... ignored, takes an hour\n\
             test src/lib.rs - (line 7) ... ignored\n\
             test result: ok. 0 passed; 0 failed; 2 ignored; 0 measured\n",
        );
        assert_eq!(tally.skips(), [skip("slow", "takes an hour"), skip("src/lib.rs - (line 7)", NO_REASON)]);
    }

    #[test]
    fn the_same_test_name_in_another_program_is_another_skip() {
        let program = "SKIP tap: no root\ntest tap ... ignored\ntest result: ok. 0 passed; 0 failed; 1 ignored\n";
        assert_eq!(tally(&program.repeat(2)).to_string(), "0 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_quiet_program_still_has_its_ignored_tests_counted() {
        assert_eq!(
            tally("test result: ok. 1 passed; 0 failed; 2 ignored\n").to_string(),
            "1 passed, 0 failed, 2 skipped"
        );
    }

    #[test]
    fn a_run_that_fails_without_a_count_counts_as_one() {
        let mut tally = tally("error: could not compile\n");
        tally.command_failed();
        assert_eq!(tally.to_string(), "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn colours_do_not_hide_a_result() {
        let counts = Counts::parse("test result: \u{1b}[32mok\u{1b}[0m. 5 passed; 1 failed; 2 ignored; 0 measured");
        assert_eq!(counts, Some(Counts { passed: 5, failed: 1, ignored: 2 }));
    }
}
