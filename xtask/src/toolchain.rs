//! Toolchains that can build for bare targets.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::semver::Version;

use crate::cargo::{self, stdout};

/// A cargo and a rustc in one folder.
pub(crate) struct Toolchain {
    folder: PathBuf,
    version: Version,
}

/// Where the `core` library for a target comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoreLibrary {
    /// The toolchain has it for the target.
    Installed,
    /// The toolchain has its source, and builds it.
    Source,
}

/// The toolchain that runs this program and the system's, as far as they are there and new enough.
pub(crate) fn all(oldest: &Version) -> Vec<Toolchain> {
    let own = PathBuf::from(cargo::path());
    let own = own.parent().unwrap_or(Path::new(""));
    let found = [own, Path::new(SYSTEM)].into_iter().filter_map(Toolchain::find);
    found.filter(|toolchain| toolchain.version >= *oldest).collect()
}

impl Toolchain {
    fn find(folder: &Path) -> Option<Self> {
        let says = stdout(Command::new(folder.join("rustc")).arg("--version")).ok()?;
        let version = Version::parse(says.split_whitespace().nth(1)?).ok()?;
        Some(Self { folder: folder.to_owned(), version })
    }

    pub(crate) fn version(&self) -> String {
        format!("rustc {}", self.version)
    }

    pub(crate) fn has(&self, core: CoreLibrary, target: &str) -> bool {
        match core {
            CoreLibrary::Installed => {
                self.rustc(&["--print=target-libdir", "--target", target]).is_some_and(|dir| dir.is_dir())
            }
            CoreLibrary::Source => self.rustc(&["--print=sysroot"]).is_some_and(|dir| dir.join(CORE_SOURCE).is_file()),
        }
    }

    /// The path that rustc prints.
    fn rustc(&self, options: &[&str]) -> Option<PathBuf> {
        stdout(Command::new(self.folder.join("rustc")).args(options)).ok().map(PathBuf::from)
    }

    /// This cargo with the rustc beside it, whatever other toolchain runs this program.
    pub(crate) fn cargo(&self, core: CoreLibrary) -> Command {
        let mut command = Command::new(self.folder.join("cargo"));
        command.env("RUSTC", self.folder.join("rustc"));
        command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("LD_LIBRARY_PATH");
        if core == CoreLibrary::Source {
            // Building core is an unstable option of cargo.
            command.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
        }
        command
    }
}

const SYSTEM: &str = "/usr/bin";
const CORE_SOURCE: &str = "lib/rustlib/src/rust/library/core/Cargo.toml";
