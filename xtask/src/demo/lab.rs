use super::carrier::LinkKind;
use fdlink_tests::lab::{self, LabError, Namespace, Privilege};

/// The network namespace that the whole process moved to, or why there is none.
pub(super) enum Lab {
    /// Not asked for.
    Unneeded,
    /// The main thread is in a fresh network namespace, threads it starts will be too.
    Entered(Privilege),
    /// The system refused, and why.
    Refused(LabError),
}

impl Lab {
    /// Enters a namespace unless a link without a kernel was asked for.
    pub(super) fn enter_for(kind: Option<LinkKind>) -> Self {
        if kind.is_some_and(|kind| !kind.needs_namespace()) {
            return Self::Unneeded;
        }
        match enter() {
            Ok(privilege) => Self::Entered(privilege),
            Err(error) => Self::Refused(error),
        }
    }

    /// What was made, in words.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Entered(Privilege::Root) => "a network namespace of its own",
            Self::Entered(Privilege::UserNamespace) => "a user and network namespace of its own",
            Self::Unneeded | Self::Refused(_) => "no namespace",
        }
    }

    /// What `nsenter` needs to get where this process is.
    pub(super) fn nsenter(&self) -> &'static str {
        match self {
            Self::Entered(Privilege::UserNamespace) => "nsenter --preserve-credentials -U -n",
            _ => "nsenter -n",
        }
    }
}

/// A second namespace behind the first, since a `Namespace` is without IPv6: no router solicitations among the frames.
fn enter() -> Result<Privilege, LabError> {
    let privilege = lab::enter()?;
    Namespace::new()?.enter_thread()?;
    Ok(privilege)
}
