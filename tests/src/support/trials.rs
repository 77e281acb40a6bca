use std::any::type_name;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::lab;

/// The tests of one file, run one at a time, so that what the process holds can be counted and times can be told.
///
/// A test that needs what this machine does not have is ignored, and says why.
pub struct Trials {
    arguments: Arguments,
    no_namespace: Option<String>,
    no_tap: Option<String>,
    trials: Vec<Trial>,
}

impl Trials {
    /// Reads the command line and enters the laboratory; to be called first in `main`.
    #[must_use]
    pub fn enter() -> Self {
        let no_namespace = lab::enter().err().map(|error| error.to_string());
        let no_tap = no_namespace.clone().or_else(|| lab::tun_available().err());
        Self { arguments: Arguments::from_args(), no_namespace, no_tap, trials: Vec::new() }
    }

    /// A test that runs everywhere, by the name of the function.
    pub fn anywhere<F: FnOnce() + Send + 'static>(&mut self, test: F) {
        self.add(None, test);
    }

    /// A test that makes network namespaces.
    pub fn in_namespaces<F: FnOnce() + Send + 'static>(&mut self, test: F) {
        self.add(self.no_namespace.clone(), test);
    }

    /// A test that makes TUN or TAP interfaces.
    pub fn with_tap<F: FnOnce() + Send + 'static>(&mut self, test: F) {
        self.add(self.no_tap.clone(), test);
    }

    /// Runs them.
    #[must_use]
    pub fn conclude(mut self) -> ExitCode {
        self.arguments.test_threads = Some(1);
        libtest_mimic::run(&self.arguments, self.trials).exit_code()
    }

    fn add<F: FnOnce() + Send + 'static>(&mut self, lacking: Option<String>, test: F) {
        let path = type_name::<F>();
        let name = path.rsplit("::").next().unwrap_or(path);
        let trial = Trial::test(name, || {
            test();
            Ok(())
        });
        self.trials.push(trial.with_ignored_flag(lacking.is_some()));
        match lacking {
            // A list is read by programs.
            Some(reason) if !self.arguments.list => println!("SKIP {name}: {reason}"),
            _ => {}
        }
    }
}
