//! Renders a tenant's status and counters, again only after a change.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{TenantInstruments, catalogue, registry};
use crate::exposition::{Block, BlockBuilder, Packing};
use crate::presence::Timestamp;
use crate::refresh::{Served, Status};

/// Capacity for the samples of [`TenantInstruments::scrapes`], in bytes. If it is too small, the buffer is copied.
const SCRAPES_BYTES: usize = 256;

impl TenantInstruments {
    /// The tenant's series that are not about agents. Events that have not happened have no timestamp.
    pub fn block(&self, status: &Status) -> Arc<Block> {
        // The epoch is read before the counters, so a change in between leads to another rendering, never to an outdated
        // block. The status is compared as well, because a scrape may hold a replaced one.
        let epoch = self.epoch.load(Ordering::Acquire);
        self.rendered
            .get(|(rendered, of)| *rendered == epoch && of == status, || ((epoch, status.clone()), self.render(status)))
    }

    /// The number of scrapes by the data served. It changes with each scrape, so it is a small block of its own.
    pub fn scrapes(&self) -> Arc<Block> {
        let mut builder = BlockBuilder::with_capacity(SCRAPES_BYTES);
        let mut samples = builder.family(&catalogue::EXPORTER_SCRAPES_TOTAL);
        for (served, count) in Served::ALL.into_iter().zip(&self.scrapes) {
            samples.sample(&[served.label()], as_f64(count.load(Ordering::Relaxed)));
        }
        Arc::new(builder.finish(Packing::Stored))
    }

    fn render(&self, status: &Status) -> Block {
        let mut builder = BlockBuilder::new();
        let mut gauge = |family, value: Option<f64>| {
            if let Some(value) = value {
                builder.family(family).sample(&[], value);
            }
        };
        gauge(&catalogue::UP, Some(f64::from(u8::from(status.up))));
        gauge(&catalogue::REFRESH_DURATION_SECONDS, status.last_duration.map(|took| took.as_secs_f64()));
        for (family, moment) in [
            (&catalogue::WINDOW_START_TIMESTAMP_SECONDS, status.window.map(|window| window.start)),
            (&catalogue::WINDOW_END_TIMESTAMP_SECONDS, status.window.map(|window| window.end)),
            (&catalogue::REFRESH_LAST_SUCCESS_TIMESTAMP_SECONDS, status.last_success),
            (&catalogue::REFRESH_LAST_ATTEMPT_TIMESTAMP_SECONDS, status.last_attempt),
            (&catalogue::REFRESH_NOT_BEFORE_TIMESTAMP_SECONDS, status.not_before),
            (&catalogue::TOKEN_EXPIRY_TIMESTAMP_SECONDS, status.token_expiry),
        ] {
            gauge(family, moment.map(Timestamp::seconds_f64));
        }
        gauge(&catalogue::AGENTS_DROPPED, status.agents_dropped.map(as_count));
        gauge(&catalogue::AGENTS_LISTED, status.agents_listed.map(as_count));
        gauge(&catalogue::AGENTS_SELECTED, status.agents_selected.map(as_count));
        gauge(&catalogue::AGENTS_UNCONFIRMED, status.agents_unconfirmed.map(as_count));
        let mut agents = builder.family(&catalogue::REFRESH_AGENTS);
        let counts = status.agents;
        for (result, count) in [("fresh", counts.fresh), ("stale", counts.stale), ("missing", counts.missing)] {
            agents.sample(&[result], as_count(count));
        }
        if let Some(error) = &status.last_error {
            let labels = [error.endpoint.label(), error.kind.label()];
            builder.family(&catalogue::REFRESH_LAST_ERROR_INFO).sample(&labels, 1.0);
        }
        registry::gather(&mut builder, catalogue::TENANT, &self.registry);
        builder.finish(Packing::Deflated)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a sample is an f64, which holds counts exactly up to 2⁵³")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}

pub(super) fn as_count(count: usize) -> f64 {
    as_f64(u64::try_from(count).unwrap_or(u64::MAX))
}
