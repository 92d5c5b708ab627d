//! A Prometheus exporter for how long each NICE CXone agent spent in each presence state.
//!
//! One scrape walks through the house like this: [`web`] accepts and routes it, [`refresh`] answers
//! from the last snapshot or lets exactly one fetch start, [`upstream`] asks CXone page by page and
//! streams the answers into a [`presence`] tally, [`metrics`] turns the snapshot into families, and
//! [`exposition`] holds their bytes, rendered once and sent many times.
//!
//! | module | what lives there | what it must not know |
//! | --- | --- | --- |
//! | [`presence`] | windows, buckets, tallies, schedules: pure | I/O, serde, the time of day |
//! | [`clock`] | the only place that reads the time of day | anything else |
//! | [`config`] | files and environment → one frozen [`config::Config`] | HTTP |
//! | [`upstream`] | HTTP client, token, retry, rate gate, budget; one folder per API | scrapes, Prometheus |
//! | [`refresh`] | cooldown gate, single flight, back-off, snapshot, storage | reqwest, hyper |
//! | [`exposition`] | families, samples, escaping, encodings | agents, CXone, I/O |
//! | [`metrics`] | snapshot → families; the exporter's own instruments | HTTP |
//! | [`web`] | listener, limits, routes, page | reqwest, CXone's API |
//! | [`simulator`] | the pretend tenant, over real HTTP | the exporter's inside |
//! | `fnv` | a hash that never changes: pure | anything else |
//! | [`cli`] | arguments, logging, dispatch, exit codes | |
//!
//! Arrows point one way: web → refresh → upstream → presence, and metrics → exposition.
//! ARCHITECTURE.md has the invariants and why they hold.

pub mod cli;
pub mod clock;
pub mod config;
pub mod exposition;
mod fnv;
pub mod metrics;
pub mod presence;
pub mod refresh;
pub mod simulator;
pub mod upstream;
pub mod web;
