//! Hints about valid but unfavourable settings.

use std::collections::BTreeMap;
use std::time::Duration;

use super::numbers::{counted, grouped};
use crate::cli::estimate::{ASSUMED_PAGE, Budgeted, Estimate, Spread};
use crate::clock::whole_seconds;
use crate::config::{Tenant, format_duration};

/// The most buckets of an agent without a hint: a day in quarters of an hour. A sum over the window needs no finer ones.
const FINE_BUCKETS: u64 = 24 * 4 + 1;

/// The intervals that a hint suggests: an hour, and a day.
const LONGER_INTERVALS: [(&str, Duration); 2] =
    [("PT1H", Duration::from_secs(3_600)), ("P1D", Duration::from_secs(86_400))];

/// The fewest agents of a team without a hint where only teams are shown: a usual threshold of statistics about employees.
const FEWEST_AGENTS: usize = 5;

/// All hints for a tenant. The documented API has no buckets and no batches of agents.
pub(super) fn hints(tenant: &Tenant, estimate: &Estimate) -> Vec<String> {
    let of_buckets = [fine_interval, single_agents, slow_refresh].into_iter().filter(|_| tenant.official.is_none());
    let of_all =
        [small_budget(tenant, estimate), short_staleness(tenant), long_request_timeout(tenant), small_teams(tenant)];
    of_buckets.filter_map(|hint| hint(tenant, estimate)).chain(of_all.into_iter().flatten()).collect()
}

fn fine_interval(tenant: &Tenant, estimate: &Estimate) -> Option<String> {
    // Few incremental refreshes read all buckets.
    (estimate.all.buckets_per_agent > FINE_BUCKETS && estimate.tails.is_none()).then(|| {
        let current = tenant.query.interval.length;
        let longer = LONGER_INTERVALS.into_iter().find(|(_, length)| *length > current && *length <= tenant.query.window);
        let longer = longer.map_or_else(String::new, |(text, _)| {
            format!(
                "a longer one, such as {text}, brings the same sums with fewer pages (a finer one only sharpens the \
                 current state, schedules and the window's edges), and "
            )
        });
        format!(
            "interval {} cuts {} into {} an agent; {longer}without `incremental: false` only the newest are asked for each time",
            tenant.query.interval.text,
            format_duration(tenant.query.window),
            counted(estimate.all.buckets_per_agent, "bucket"),
        )
    })
}

fn single_agents(tenant: &Tenant, estimate: &Estimate) -> Option<String> {
    (tenant.limits.agents_per_request == 1 && estimate.agents > 1).then(|| {
        format!(
            "agents_per_request: 1 takes {} a refresh; one request can ask for many agents, 50 by default",
            counted(estimate.batches, "request"),
        )
    })
}

fn slow_refresh(tenant: &Tenant, estimate: &Estimate) -> Option<String> {
    let (likely, usual) = (estimate.all.time, estimate.usual_refresh_time());
    let basis = |time| {
        let which = if usual < likely && time == likely { "a refresh that reads all" } else { "a refresh" };
        format!(
            "{which} is likely to take {} (a second a request, {} at once, pages of {} buckets)",
            format_duration(time),
            tenant.limits.max_concurrent_requests,
            grouped(ASSUMED_PAGE),
        )
    };
    if likely > tenant.limits.refresh_timeout {
        let basis = basis(likely);
        let limit = format_duration(tenant.limits.refresh_timeout);
        // An incremental refresh keeps the buckets that it has read.
        let goes_on = if estimate.tails.is_some() { ", so it goes on in the next ones" } else { "" };
        return Some(format!(
            "{basis}, longer than refresh_timeout, {limit}, allows{goes_on}: raise it, or ask for less with a longer interval"
        ));
    }
    (usual > tenant.limits.cooldown).then(|| {
        let basis = basis(usual);
        let cooldown = format_duration(tenant.limits.cooldown);
        format!("{basis}, longer than the cooldown of {cooldown}: refreshes would run most of the time")
    })
}

fn small_budget(tenant: &Tenant, estimate: &Estimate) -> Option<String> {
    let Budgeted { pace, all, usual } = estimate.budget?;
    let basis = |Spread { requests, time }, which| {
        format!(
            "at max_requests_per_minute: {} the {} of a refresh{which} take {}",
            pace.per_minute(),
            counted(requests, "request"),
            format_duration(whole_seconds(time)),
        )
    };
    let (limit, cooldown) = (format_duration(tenant.limits.refresh_timeout), format_duration(tenant.limits.cooldown));
    let fewer = if tenant.official.is_some() { "" } else { ", or ask for less with a larger agents_per_request" };
    if usual.time >= tenant.limits.refresh_timeout {
        return Some(format!(
            "{}, which does not fit into refresh_timeout, {limit}: refreshes would fail; raise one of the two{fewer}",
            basis(usual, "")
        ));
    }
    if all.time >= tenant.limits.refresh_timeout {
        return Some(format!(
            "{}, longer than refresh_timeout, {limit}, allows, so it goes on in the next ones: raise one of the two{fewer}",
            basis(all, " that reads all")
        ));
    }
    (usual.time > tenant.limits.cooldown).then(|| {
        format!(
            "{}, longer than the cooldown of {cooldown}: refreshes would run most of the time, and data is that much \
             older; raise the budget or the cooldown{fewer}",
            basis(usual, "")
        )
    })
}

fn short_staleness(tenant: &Tenant) -> Option<String> {
    (tenant.limits.max_staleness < tenant.limits.cooldown.saturating_mul(2)).then(|| {
        format!(
            "max_staleness, {}, is less than twice the cooldown, {}: one failed refresh takes the agents' series away",
            format_duration(tenant.limits.max_staleness),
            format_duration(tenant.limits.cooldown),
        )
    })
}

fn long_request_timeout(tenant: &Tenant) -> Option<String> {
    (tenant.limits.request_timeout >= tenant.limits.refresh_timeout).then(|| {
        format!(
            "request_timeout, {}, is not shorter than refresh_timeout, {}: a request that hangs is never sent again",
            format_duration(tenant.limits.request_timeout),
            format_duration(tenant.limits.refresh_timeout),
        )
    })
}

/// A team of few agents says nearly as much as its agents would. A configured team only: who is in CXone's list is not known.
fn small_teams(tenant: &Tenant) -> Option<String> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for agent in tenant.agents.iter().filter(|_| !tenant.privacy.per_agent) {
        *sizes.entry(agent.team.as_deref().unwrap_or_default()).or_default() += 1;
    }
    let small = u64::try_from(sizes.values().filter(|agents| **agents < FEWEST_AGENTS).count()).unwrap_or(u64::MAX);
    (small > 0).then(|| {
        let (have, its) = if small == 1 { ("has", "its") } else { ("have", "their") };
        format!(
            "{} {have} fewer than {FEWEST_AGENTS} agents, so that {its} series tell what single people do, against the purpose of \
             per_agent: false; merge small teams",
            counted(small, "team")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::cli::fixture;
    use crate::config::{Incremental, Interval, QuerySettings};

    const INCREMENTAL: Incremental = Incremental { settle: seconds(1800), full_refresh_interval: seconds(21_600) };

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_setting_has_one_hint_and_defaults_have_none() {
        type Change = fn(&mut Tenant);
        let table: [(&str, Change); 21] = [
            ("", |_| {}),
            ("", |tenant| tenant.query = QuerySettings::default()),
            ("", |tenant| tenant.query.interval = Interval { text: "PT15M".to_owned(), length: seconds(900) }),
            ("interval PT5M", |tenant| {
                tenant.query.interval = Interval { text: "PT5M".to_owned(), length: seconds(300) }
            }),
            ("", |tenant| {
                tenant.query.interval = Interval { text: "PT5M".to_owned(), length: seconds(300) };
                tenant.query.incremental = Some(INCREMENTAL);
            }),
            ("longer than refresh_timeout", |tenant| {
                tenant.query.interval = Interval { text: "PT1M".to_owned(), length: seconds(60) };
                tenant.limits.refresh_timeout = seconds(50);
                tenant.query.incremental = Some(INCREMENTAL);
            }),
            ("agents_per_request: 1", |tenant| tenant.limits.agents_per_request = 1),
            ("", |tenant| {
                tenant.limits.agents_per_request = 1;
                tenant.agents.truncate(1);
            }),
            ("longer than the cooldown of 1s", |tenant| tenant.limits.cooldown = seconds(1)),
            ("longer than refresh_timeout, 1s", |tenant| {
                tenant.limits.refresh_timeout = seconds(1);
                tenant.limits.request_timeout = Duration::from_millis(500);
            }),
            ("", |tenant| tenant.limits.max_requests_per_minute = NonZeroU32::new(60)),
            ("take 3m, which does not fit into refresh_timeout, 2m", |tenant| {
                tenant.limits.max_requests_per_minute = NonZeroU32::new(1);
            }),
            ("take 90s, longer than the cooldown of 50s", |tenant| {
                tenant.limits.max_requests_per_minute = NonZeroU32::new(2);
            }),
            ("", |tenant| {
                tenant.limits.max_requests_per_minute = NonZeroU32::new(2);
                tenant.limits.cooldown = seconds(90);
            }),
            ("", |tenant| {
                tenant.limits.max_requests_per_minute = NonZeroU32::new(5);
                tenant.query.incremental = Some(INCREMENTAL);
            }),
            ("of a refresh that reads all take 206s, longer than refresh_timeout, 2m, allows", |tenant| {
                tenant.limits.max_requests_per_minute = NonZeroU32::new(7);
                tenant.query.interval.length = seconds(300);
                tenant.query.incremental = Some(INCREMENTAL);
            }),
            ("max_staleness, 99s,", |tenant| tenant.limits.max_staleness = seconds(99)),
            ("", |tenant| tenant.limits.max_staleness = seconds(100)),
            ("", |tenant| tenant.privacy.per_agent = false),
            ("1 team has fewer than 5 agents", |tenant| {
                tenant.privacy.per_agent = false;
                tenant.agents[0].team = Some("Billing".to_owned());
            }),
            ("request_timeout, 2m,", |tenant| tenant.limits.request_timeout = seconds(120)),
        ];
        for (hint, change) in table {
            let mut tenant = fixture::tenant("acme", 80);
            change(&mut tenant);
            let hints = hints(&tenant, &Estimate::of(&tenant));
            match &hints[..] {
                [] => assert_eq!(hint, ""),
                [only] => assert!(!hint.is_empty() && only.contains(hint), "{only}"),
                more => panic!("{more:#?}"),
            }
        }
    }

    #[test]
    fn fine_interval_hint_names_a_longer_interval() {
        let hour = Duration::from_secs(3_600);
        let table = [(192, "PT1H", 3_600, Some("P1D")), (24, "PT1M", 60, Some("PT1H")), (2_400, "P1D", 86_400, None)];
        for (hours, text, seconds, suggested) in table {
            let mut tenant = fixture::tenant("acme", 1);
            tenant.query.window = hour * hours;
            tenant.query.interval = Interval { text: text.to_owned(), length: Duration::from_secs(seconds) };
            let hint = fine_interval(&tenant, &Estimate::of(&tenant)).unwrap();
            let found = hint.split_once("such as ").and_then(|(_, rest)| rest.split(',').next());
            assert_eq!(found, suggested, "{hint}");
        }
    }
}
