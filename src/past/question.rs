//! What a run asks. A state file goes on only with an equal question.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::periods::By;
use crate::config::{QueryKey, Tenant};
use crate::presence::{TimeZone, Timestamp, Window};

/// The first key of the first line.
const FORMAT: &str = "cxone-exporter past presence 1";

/// What was asked. Only an equal question can go on with a file.
#[derive(Debug, Clone)]
pub struct Question {
    /// The time to read.
    pub range: Window,
    /// What it is summed by.
    pub by: By,
    /// The zone of days and hours.
    pub zone: TimeZone,
    /// The grid of reading.
    pub slot: Duration,
    /// The tenants by name.
    pub tenants: BTreeMap<String, QueryKey>,
}

/// A question as the first line of a state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    format: String,
    from: i64,
    pub(super) to: i64,
    by: String,
    timezone: String,
    slot_micros: u64,
    tenants: BTreeMap<String, QueryKey>,
}

// === impl Question ===

impl Question {
    /// A question about these tenants.
    pub fn new<'a>(
        range: Window,
        by: By,
        zone: TimeZone,
        slot: Duration,
        tenants: impl IntoIterator<Item = &'a Tenant>,
    ) -> Self {
        let tenants = tenants.into_iter().map(|tenant| (tenant.name.clone(), QueryKey::of(tenant))).collect();
        Self { range, by, zone, slot, tenants }
    }

    pub(super) fn header(&self) -> Header {
        Header {
            format: FORMAT.to_owned(),
            from: self.range.start.micros(),
            to: self.range.end.micros(),
            by: self.by.to_string(),
            timezone: self.zone.name().to_owned(),
            slot_micros: u64::try_from(self.slot.as_micros()).unwrap_or(u64::MAX),
            tenants: self.tenants.clone(),
        }
    }
}

// === impl Header ===

impl Header {
    /// Whether it is one of this program.
    pub(super) fn is_ours(&self) -> bool {
        self.format == FORMAT
    }

    /// The first difference to what is `asked`.
    pub(super) fn difference(&self, asked: &Self) -> Option<String> {
        let time = |micros: i64| Timestamp::from_micros(micros).to_string();
        let names =
            |header: &Self| header.tenants.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let texts = [
            ("its range begins at", time(self.from), time(asked.from)),
            ("its range ends at", time(self.to), time(asked.to)),
            ("it sums by", self.by.clone(), asked.by.clone()),
            ("its time zone is", self.timezone.clone(), asked.timezone.clone()),
            ("its tenants are", names(self), names(asked)),
        ];
        if let Some((what, here, asked)) = texts.into_iter().find(|(_, here, asked)| here != asked) {
            return Some(format!("{what} {here}, and not {asked}"));
        }
        let tenant = self.tenants.iter().find(|(name, key)| asked.tenants.get(*name) != Some(key));
        let of_tenant = tenant.map(|(name, _)| format!("the configuration of tenant `{name}` has changed since"));
        of_tenant.or_else(|| (self != asked).then(|| "it reads on another grid".to_owned()))
    }
}
