//! `simulate`: the simulated tenant without an exporter.

use std::io::{self, Write};
use std::net::SocketAddr;

use tracing::info;

use super::args::SimulateArgs;
use super::serve::{ServeError, stop_signal};
use crate::simulator::{self, Simulator};

/// The number of agents in the printed example configuration, which stays short.
const EXAMPLE_AGENTS: usize = 5;

/// Runs the simulated tenant until the process receives a signal to stop.
pub(super) async fn run(args: &SimulateArgs) -> Result<(), ServeError> {
    let address: SocketAddr = args.listen_address.parse().map_err(|_| {
        let given = &args.listen_address;
        ServeError::Usage(format!("--listen-address {given}: write an address and a port, such as 127.0.0.1:10063"))
    })?;
    let stop = stop_signal()?;
    simulator::run(args.simulator.clone(), address, print_example, stop).await.map_err(ServeError::Simulator)
}

fn print_example(simulator: &Simulator) {
    info!(address = simulator.base_url(), agents = simulator.workforce().agents().len(), "simulated tenant started");
    let example = simulator.example_config(EXAMPLE_AGENTS);
    // A closed stdout does not stop the tenant.
    let _ =
        writeln!(io::stdout(), "# A configuration for this tenant; /-/control/agents lists all its agents.\n{example}");
}
