//! The suite.
//! The suite: whole parts of the exporter against real sockets, files and processes.

mod commands;
mod config;
mod exposition;
mod scripted;
mod simulator;
mod upstream;
