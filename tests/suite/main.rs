//! Integration tests over real sockets, files and processes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails is meant to panic"
)]

mod answers;
mod app;
mod commands;
mod config;
mod counters;
mod docs;
mod exactness;
mod exposition;
mod faults;
mod freshness;
mod help;
mod incremental;
mod lifecycle;
mod official;
mod past_pieces;
mod process;
mod properties;
mod scripted;
mod shards;
mod simulator;
mod upstream;
mod web;
mod week;
