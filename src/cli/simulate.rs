//! The simulated tenant alone.

use std::io::{self, Write};
use std::net::SocketAddr;

use tracing::info;

use super::args::SimulateArgs;
use super::serve::{ServeError, stop_signal};
use crate::simulator::{self, Simulator};

/// How many agents the printed configuration names; it is an example, and all of them would scroll it away.
const EXAMPLE_AGENTS: usize = 5;

/// Runs the simulated tenant until the process is told to stop.
pub(super) async fn run(args: &SimulateArgs) -> Result<(), ServeError> {
    let address: SocketAddr = args.listen_address.parse().map_err(|_| {
        let given = &args.listen_address;
        ServeError::Usage(format!("--listen-address {given}: write an address and a port, such as 127.0.0.1:10063"))
    })?;
    let stop = stop_signal()?;
    simulator::run(args.simulator.clone(), address, announce, stop).await.map_err(ServeError::Simulator)
}

fn announce(simulator: &Simulator) {
    info!(address = simulator.base_url(), agents = simulator.workforce().agents().len(), "the simulated tenant is up");
    let example = simulator.example_config(EXAMPLE_AGENTS);
    // Whoever reads the example may be gone; the tenant goes on.
    let _ =
        writeln!(io::stdout(), "# A configuration for this tenant; /-/control/agents lists all its agents.\n{example}");
}
