use core::fmt;

use fdlink_core::io::{ErrorKind, IoError};

/// What a mock descriptor reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MockError(ErrorKind);

impl MockError {
    /// An error of this kind.
    #[must_use]
    pub const fn new(kind: ErrorKind) -> Self {
        Self(kind)
    }
}

impl fmt::Display for MockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mock descriptor: {}", self.0)
    }
}

impl core::error::Error for MockError {}

impl IoError for MockError {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}
