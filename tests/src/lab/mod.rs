//! The laboratory: network namespaces, veth pairs and interface settings for
//! tests and demonstrations.
//!
//! Everything here is a system call or a netlink message; no other program is
//! started. A process calls [`enter`] first, before it has a second thread, and
//! from then on can make as many [`Namespace`]s as it likes, as root or not:
//!
//! ```no_run
//! # fn main() -> Result<(), fdlink_tests::lab::LabError> {
//! use fdlink_tests::lab::{self, Namespace, Veth, link};
//!
//! lab::enter()?;
//! let (left, right) = (Namespace::new()?, Namespace::new()?);
//! Veth::pair((&left, "veth0"), (&right, "veth0"))?;
//! left.run(|| link::add_ipv4("veth0", [10, 0, 0, 1].into(), 24))?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing has to be cleaned up: the kernel removes a namespace and the
//! interfaces in it when its last handle, thread and process are gone
//! (`network_namespaces(7)`).

mod enter;
mod error;
mod ethtool;
pub mod link;
mod namespace;
mod netlink;
mod refusal;
mod route;
mod statistics;
mod tun;
mod veth;

pub use enter::{Privilege, enter};
pub use error::LabError;
pub use namespace::Namespace;
pub use tun::tun_available;
pub use veth::{Veth, VethEnd};
