//! A Prometheus exporter for how long each NICE CXone agent spent in each presence state.
//!
//! A scrape passes through the modules like this: [`web`] accepts and routes it, [`refresh`] answers from the last snapshot or
//! starts exactly one refresh, [`upstream`] requests pages from CXone and streams them into a [`presence`] tally,
//! [`metrics`] turns the snapshot into families, and [`exposition`] holds their bytes, rendered once and sent many times.
//!
//! | module | contains | does not know |
//! | --- | --- | --- |
//! | [`presence`] | windows, buckets, tallies, state timelines, schedules: pure | I/O, wire formats, the time of day |
//! | [`clock`] | the only place that reads the time of day | anything else |
//! | [`config`] | files and environment → one immutable [`config::Config`] | HTTP |
//! | [`upstream`] | HTTP client, token, retry, rate gate, budget; one folder per API | scrapes, Prometheus |
//! | [`past`] | any range in the past: pieces, periods, the state file | scrapes, the command line |
//! | [`refresh`] | cooldown gate, single flight, back-off, snapshot | files, reqwest, hyper |
//! | [`storage`] | one file per tenant: what survives a restart | HTTP, serving |
//! | [`exposition`] | families, samples, escaping, encodings, CSV | agents, CXone, I/O |
//! | [`metrics`] | snapshot → families; the exporter's own instruments | HTTP |
//! | [`status_page`] | published snapshots → HTML pages | HTTP, I/O |
//! | [`web`] | listener, TLS, authentication, limits, routes | reqwest, CXone's API |
//! | [`simulator`] | the simulated tenant, served over HTTP | the exporter's modules, except types of `presence` and `clock` |
//! | [`cli`] | arguments, logging, dispatch, exit codes; one file per command | |
//!
//! Arrows point one way: web → refresh → upstream → presence, cli → past → upstream, and metrics → exposition.
//! ARCHITECTURE.md has the invariants and why they hold.

pub mod cli;
pub mod clock;
pub mod config;
pub mod exposition;
pub mod metrics;
pub mod past;
pub mod presence;
pub mod refresh;
pub mod simulator;
pub mod status_page;
pub mod storage;
pub mod upstream;
pub mod web;
