use fdlink_tests::lab;

use crate::machine;

/// What this process may do.
pub(crate) struct Workplace {
    /// Why there can be no network namespace, if so.
    no_namespace: Option<String>,
}

/// What a scenario needs besides sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Namespace,
    Tun,
    /// A namespace, and a core for each of two threads.
    Cores,
}

impl Workplace {
    /// Moves this process to a network and a core of its own, as far as the system allows; to be called before there is a second thread.
    pub(crate) fn enter() -> Self {
        let entered = lab::enter();
        if let Err(error) = machine::pin() {
            eprintln!("bench: cannot stay on one core: {error}");
        }
        Self { no_namespace: entered.err().map(|error| error.to_string()) }
    }

    /// Why a scenario that needs this cannot run, if so.
    pub(crate) fn lacks(&self, needs: Needs) -> Option<String> {
        match needs {
            Needs::Nothing => None,
            Needs::Namespace => self.no_namespace.clone(),
            Needs::Cores => self.no_namespace.clone().or_else(one_core),
            Needs::Tun => self.no_namespace.clone().or_else(|| lab::tun_available().err()),
        }
    }
}

fn one_core() -> Option<String> {
    (machine::cores().len() < 2).then(|| "needs two cores".to_owned())
}
