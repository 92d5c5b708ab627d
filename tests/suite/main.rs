//! The suite.

mod config;
