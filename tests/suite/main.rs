//! The suite.

mod simulator;
