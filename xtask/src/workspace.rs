//! What cargo knows about the workspace, and where its things lie.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cargo_metadata::semver::Version;
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package};

use crate::cargo;

/// The workspace with its whole dependency graph, every feature on.
pub(crate) struct Workspace {
    pub(crate) metadata: Metadata,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .cargo_path(cargo::path())
            .features(CargoOpt::AllFeatures)
            .exec()
            .context("cannot read the workspace")?;
        Ok(Self { metadata })
    }

    /// The crates that are published.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        let is_published =
            |package: &&Package| package.publish.as_ref().is_none_or(|registries| !registries.is_empty());
        self.metadata.workspace_packages().into_iter().filter(is_published)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.metadata.workspace_root.clone().into()
    }

    /// A target folder for builds that must not mix with those of the workspace.
    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.metadata.target_directory.join(name).into()
    }

    /// The oldest Rust that the workspace supports.
    pub(crate) fn rust_version(&self) -> Result<Version> {
        let declared = |package: &Package| package.rust_version.clone();
        self.libraries().find_map(declared).context("no rust-version in the workspace")
    }
}
