//! The exporter as a process: start, reload, service manager and stop.

mod demo;
mod front;
mod reload;
mod service;
mod storage;

use std::fs;
use std::net::SocketAddr;

use cxone_exporter::simulator::SimulatorOptions;

use crate::process::exporter::{Exporter, http, https, until};
use crate::process::{ProcessHarness, run, scrape, value};

/// Whether the last reload succeeded.
fn is_reload_successful(address: SocketAddr) -> bool {
    value(&scrape(address), "cxone_exporter_config_last_reload_successful") == Some(1.0)
}
