//! Renders snapshots as families, and the exporter's own instruments.
//!
//! Every family is in the [`catalogue`]. Its values come from exactly one source: a snapshot ([`agents`]), a tenant's status,
//! or counters ([`TenantInstruments`], [`ExporterInstruments`]).
//!
//! A scrape is made of blocks, each rendered again only when its content has changed:
//!
//! | block | rendered |
//! | --- | --- |
//! | [`TenantInstruments::agents`] | with each refresh, by the owner of the snapshot |
//! | [`TenantInstruments::block`] | after a request, a refresh or a change of the status |
//! | [`TenantInstruments::scrapes`] | with each scrape: four samples, not compressed |
//! | [`ExporterInstruments::block`] | after a reload or a rejected connection |
//! | [`ExporterInstruments::process`] | at most once a second |

mod agent_counters;
pub mod agents;
pub mod catalogue;

mod block_cache;
mod exporter;
mod instruments;
mod last_hour;
mod registry;
mod teams;
mod tenant;

pub use exporter::{BuildInfo, ExporterInstruments, HttpRejection};
pub use instruments::TenantInstruments;

#[cfg(test)]
mod tests;
