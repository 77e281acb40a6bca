//! Spreading packets by flow, and handing them to another thread.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod flows;
mod handing;
mod packets;
mod steering;
