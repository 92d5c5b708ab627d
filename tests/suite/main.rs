//! The suite.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for; the switches in clippy.toml miss its helpers"
)]

mod simulator;
