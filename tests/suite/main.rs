//! The suite.

mod config;
mod simulator;
