//! PromQL queries about one agent.

use maud::{Markup, html};

use crate::config::Tenant;
use crate::metrics::catalogue::{
    AGENT_CURRENT_STATE_SECONDS, AGENT_LIMITED_OFFLINE_SECONDS, AGENT_OBSERVED_SECONDS, AGENT_OFFLINE_LIMIT_SECONDS,
    AGENT_STATE_SECONDS,
};
use crate::presence::is_invisible;

/// The section of queries. With `several` tenants, series have the label `tenant`.
pub(super) fn section(tenant: &Tenant, label: &str, has_limit: bool, several: bool) -> Markup {
    html! {
        section aria-labelledby="queries-title" {
            h2 #queries-title { "PromQL" }
            @for (title, query) in of_agent(tenant, label, has_limit, several) {
                p { (title) }
                div.query { pre.promql tabindex="0" { code { (query) } } }
            }
        }
    }
}

/// Title and query.
pub(super) fn of_agent(tenant: &Tenant, label: &str, has_limit: bool, several: bool) -> Vec<(&'static str, String)> {
    let tenant_matcher = if several { format!("tenant={},", quoted(&tenant.name)) } else { String::new() };
    let agent = format!("{tenant_matcher}agent={}", quoted(label));
    let states: Vec<String> = tenant.states.offline.iter().map(|state| regex::escape(state)).collect();
    let offline = format!("sum({}{{{agent},state=~{}}})", AGENT_STATE_SECONDS.name, quoted(&states.join("|")));
    let mut queries = vec![
        ("Seconds in each state within the window", format!("{}{{{agent}}}", AGENT_STATE_SECONDS.name)),
        ("Seconds in any state within the window", format!("{}{{{agent}}}", AGENT_OBSERVED_SECONDS.name)),
        ("Current state and its duration in seconds", format!("{}{{{agent}}}", AGENT_CURRENT_STATE_SECONDS.name)),
        ("Seconds offline within the window", offline),
    ];
    if has_limit {
        let limit = format!("max({}{{{agent}}})", AGENT_OFFLINE_LIMIT_SECONDS.name);
        // With a schedule, the limit applies to the offline time on shift.
        let limited = format!("max({}{{{agent}}})", AGENT_LIMITED_OFFLINE_SECONDS.name);
        queries.push(("Used part of the offline limit", format!("{limited} / {limit}")));
    }
    queries
}

/// A PromQL string literal. Source: <https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals>.
fn quoted(text: &str) -> String {
    let mut literal = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            // Control characters and marks that hide or reorder text.
            c if c.is_control() || is_invisible(c) => literal.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn queries_name_the_agent_and_the_tenant_where_there_are_several() {
        let mut tenant = fixture::tenant("acme", 1);
        tenant.states.offline = vec!["Offline".into(), "Lunch (1.5 h)".into()];
        let one: Vec<_> = of_agent(&tenant, "4711", false, false).into_iter().map(|(_, query)| query).collect();
        assert_eq!(one[0], r#"cxone_agent_state_seconds{agent="4711"}"#);
        assert_eq!(one[3], r#"sum(cxone_agent_state_seconds{agent="4711",state=~"Offline|Lunch \\(1\\.5 h\\)"})"#);
        assert_eq!(one.len(), 4);
        let several = of_agent(&tenant, "a\"b", true, true);
        assert_eq!(several[1].1, r#"cxone_agent_observed_seconds{tenant="acme",agent="a\"b"}"#);
        let (_, of_limit) = several.last().unwrap();
        let expected = r#"max(cxone_agent_limited_offline_seconds{tenant="acme",agent="a\"b"}) / max(cxone_agent_offline_limit_seconds{tenant="acme",agent="a\"b"})"#;
        assert_eq!(of_limit, expected);
        assert_eq!(quoted("a\\\n\u{202e}"), r#""a\\\U0000000a\U0000202e""#);
    }
}
