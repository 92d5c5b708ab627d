//! Pages of test snapshots.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{at, many, presence, snapshot};
use super::hour_grid::HourGrid;
use super::page_query::PageQuery;
use super::selection::Agents;
use super::summary::Summary;
use super::{agent_page, agent_table, agents_csv, all_agents, attention, selection, teams};
use crate::config::{AgentLabel, Privacy, Pseudonyms, Tenant};
use crate::presence::Micros;
use crate::presence::{PresenceTimeline, ScheduledTime, Segment, Window};
use crate::refresh::Snapshot;

/// The sections about agents on the overview.
fn overview(snapshot: &Snapshot, query: &str) -> String {
    let summary = Summary::new(snapshot);
    let query = PageQuery::parse(Some(query));
    let agents = Agents { snapshot, summary: &summary, any_fresh: true };
    let page = selection::select(&agents, &query);
    let sections = [
        attention::section(&agents, &page.due, false),
        all_agents::section(&agents, &query, &page.chosen),
        agent_table::section(&agents, &query, &page),
    ];
    sections.map(maud::PreEscaped::into_string).concat()
}

fn page_of(snapshot: &Snapshot, index: usize) -> String {
    let summary = Summary::new(snapshot);
    let line = Agents { snapshot, summary: &summary, any_fresh: true }.get(index).unwrap();
    agent_page::content(&snapshot.tenant, &summary, &line, HourGrid::default(), false).into_string()
}

fn with_tenant(snapshot: &Snapshot, change: impl FnOnce(&mut Tenant)) -> Snapshot {
    let mut tenant = Tenant::clone(&snapshot.tenant);
    change(&mut tenant);
    Snapshot { tenant: Arc::new(tenant), rows: snapshot.rows.clone(), counters: Arc::default() }
}

#[test]
fn agent_row_shows_state_times_and_limit() {
    let snapshot = snapshot(&[Some(presence(&[("Available", 0, 2), ("Offline", 2, 24)])), None]);
    let html = overview(&snapshot, "");
    for expected in [
        "<tr data-agent=\"9\">",
        "<a href=\"agent?tenant=acme&amp;agent=9\"><bdi>9</bdi></a>",
        "Agent 9, whole window: Offline 22:00:00, Available 2:00:00",
        "<title>01:00:00 to 02:00:00 UTC: Available 1:00:00</title>",
        "<td class=\"number\" data-label=\"Observed\">24:00:00</td>",
        "<td class=\"number\" data-label=\"Offline\">22:00:00</td>",
        "275 %</span><span class=\"sr\">, over its limit</span> of 8:00:00",
        "<time class=\"short\" datetime=\"2026-03-01T02:00:00Z\">03-01 02:00</time>",
        "no data",
        "1 to 2 of 2",
    ] {
        assert!(html.contains(expected), "{expected} is not in {html}");
    }
    assert!(!html.contains("Offline on shift"), "no agent has a schedule");
}

#[test]
fn attention_list_links_to_filters_and_is_first() {
    let snapshot = snapshot(&[
        Some(presence(&[("Available", 0, 24)])),
        Some(presence(&[("Available", 0, 2), ("Offline", 2, 24)])),
        None,
    ]);
    let html = overview(&snapshot, "");
    let link =
        "<a href=\"./?tenant=acme&amp;attention=over-limit#agents-section\">Over the limit: <strong>1</strong></a>";
    assert!(html.contains(link) && html.contains("Unknown: <strong>1</strong>"), "{html}");
    assert!(html.contains("data-attention=\"stale\" data-count=\"0\""), "{html}");
    assert!(
        html.contains("><bdi>Agent 10</bdi></a>, <bdi>Support</bdi>: 22:00:00</li>"),
        "those over the limit are named: {html}"
    );
    let order: Vec<_> = html.match_indices("<tr data-agent=").map(|(at, _)| &html[at + 16..at + 18]).collect();
    assert_eq!(order, ["10", "11", "9\""], "over the limit, unknown, then the rest");
    let filtered = overview(&snapshot, "attention=unknown");
    assert!(filtered.contains("1 to 1 of 1") && filtered.contains("<option value=\"unknown\" selected>"), "{filtered}");
    let well = overview(&super::fixture::snapshot(&[Some(presence(&[("Available", 0, 24)]))]), "");
    assert!(well.contains("No agent is absent, over its limit, unknown or stale."), "{well}");
}

#[test]
fn right_to_left_names_do_not_reorder_the_text_beside_them() {
    let name = "\u{5e9}\u{5e8}\u{5d4} \u{202e}gnp.exe";
    let (state, team) = ("\u{645}\u{634}\u{63a}\u{648}\u{644}", "\u{641}\u{631}\u{64a}\u{642}");
    let snapshot = snapshot(&[Some(presence(&[(state, 0, 2), ("Offline", 2, 24)]))]);
    let snapshot = with_tenant(&snapshot, |tenant| {
        tenant.agents[0].name = Some(name.to_owned());
        tenant.agents[0].team = Some(team.to_owned());
        tenant.states.offline = vec!["Offline".into(), "\u{2067}x".into()];
    });
    let (list, page) = (overview(&snapshot, ""), page_of(&snapshot, 0));
    let shown = "<bdi>\u{5e9}\u{5e8}\u{5d4} \\u{202e}gnp.exe</bdi>";
    assert!(list.contains(&format!("{shown}</a>, <bdi>{team}</bdi>: 22:00:00")), "{list}");
    assert!(page.contains(&format!("<h1>{shown}</h1>")), "{page}");
    for html in [&list, &page] {
        assert!(
            html.contains(&format!("<bdi>{state}</bdi>")) && html.contains(&format!("\u{2068}{state}\u{2069} ")),
            "{html}"
        );
        assert!(!html.contains(['\u{202e}', '\u{2067}']), "{html}");
        // Outside of `bdi` and isolating marks, the name is in cells, options and parameters of its own only.
        for (at, _) in html.match_indices(state) {
            let before = html.get(..at).unwrap();
            let begins = ["<bdi>", "\u{2068}", "=\"", "\">"].iter().any(|begin| before.ends_with(begin));
            assert!(begins, "{}", html.get(at - 40..).unwrap_or(html));
        }
    }
}

#[test]
fn agent_page_says_what_the_limit_is_compared_with() {
    let mut agent = presence(&[("Available", 0, 2), ("Offline", 2, 24)]);
    let snapshot_of = |agent: &crate::presence::AgentPresence| snapshot(&[Some(agent.clone())]);
    let all = page_of(&snapshot_of(&agent), 0);
    assert!(all.contains("<dt>Offline</dt><dd>22:00:00</dd>"), "{all}");
    assert!(all.contains("<dt>Offline limit</dt><dd>22:00:00 is <span"), "{all}");
    agent.scheduled =
        Some(ScheduledTime { total: Micros::from_seconds(28_800), offline: Micros::from_seconds(6 * 3_600) });
    let scheduled =
        with_tenant(&snapshot_of(&agent), |tenant| tenant.agents[0].schedule = Some(crate::cli::fixture::schedule()));
    let page = page_of(&scheduled, 0);
    assert!(page.contains("<dd>6:00:00 on shift is <span class=\"\">75 %</span> of 8:00:00</dd>"), "{page}");
    assert!(page.contains("max(cxone_agent_limited_offline_seconds{agent="), "{page}");
}

#[test]
fn shift_or_leave_without_an_end_says_so() {
    let one = snapshot(&[Some(presence(&[("Available", 0, 24)]))]);
    let page = |leave: Vec<Window>| {
        let schedule = crate::presence::Schedule {
            days: [true; 7],
            hours: vec![crate::presence::Shift { start: chrono::NaiveTime::MIN, end: chrono::NaiveTime::MIN }],
            leave,
            ..crate::presence::Schedule::clone(&crate::cli::fixture::schedule())
        };
        page_of(&with_tenant(&one, |tenant| tenant.agents[0].schedule = Some(Arc::new(schedule))), 0)
    };
    assert!(page(Vec::new()).contains("on shift, without an end within 31 days"), "{}", page(Vec::new()));
    let leave = Window { start: at(20), end: crate::presence::Timestamp::from_micros(i64::MAX) };
    assert!(page(vec![leave]).contains("on leave without an end"), "{}", page(vec![leave]));
}

#[test]
fn filters_apply_to_the_chart_of_all_agents() {
    let snapshot = snapshot(&[
        Some(presence(&[("Available", 0, 24)])),
        Some(presence(&[("Offline", 0, 24)])),
        Some(presence(&[("Available", 0, 24)])),
        None,
    ]);
    let all = overview(&snapshot, "");
    assert!(
        all.contains("<h2 id=\"all-agents-title\">All agents</h2>") && all.contains("Available 66.6 %, Offline 33.3 %"),
        "{all}"
    );
    let billing = overview(&snapshot, "team=Billing");
    assert!(billing.contains("Selected agents: 2 of 4") && billing.contains("UTC: Available 100 %"), "{billing}");
    assert!(!billing.contains("no data</th>"), "{billing}");
    assert!(billing.contains("href=\"./?team=Billing&amp;state=Available#agents-section\""), "{billing}");
}

#[test]
fn csv_has_the_selected_agents_of_all_pages() {
    let snapshot = with_tenant(&many(120), |tenant| tenant.agents[1].name = Some("=1+1,\u{202e}".to_owned()));
    let summary = Summary::new(&snapshot);
    let agents = Agents { snapshot: &snapshot, summary: &summary, any_fresh: true };
    let csv = |query: &str| {
        let query = PageQuery::parse(Some(query));
        String::from_utf8(agents_csv::csv(&agents, &selection::select(&agents, &query)).unwrap()).unwrap()
    };
    let all = csv("format=csv&sort=agent&page=2");
    let mut lines = all.lines();
    let header = "tenant,agent,name,team,attention,state,since,from,to,observed_seconds,offline_seconds,\
        offline_limit_seconds,scheduled_seconds,scheduled_offline_seconds,shift,absent_seconds,absent_limit_seconds,Available,Busy,WrapUp,Offline";
    assert_eq!(lines.next(), Some(header));
    assert_eq!(lines.clone().count(), 120, "all pages");
    let times = "2026-03-01T08:00:00Z,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,86400,0,28800,,,,,";
    assert_eq!(
        lines.nth(1),
        Some(&*format!("acme,10,\"'=1+1,\\u{{202e}}\",Support,,Available,{times},57600,28800,0,0"))
    );
    assert_eq!(lines.nth(1), Some("acme,12,Agent 12,Support,unknown,,,,,,,28800,,,,,,,,,"));
    let billing = csv("format=csv&team=Billing&attention=over-limit");
    assert!(billing.lines().skip(1).all(|line| line.contains(",Billing,over-limit,")), "{billing}");
    let link = "<a id=\"csv\" href=\"./?team=Billing&amp;attention=over-limit&amp;format=csv\"";
    let html = overview(&snapshot, "team=Billing&attention=over-limit&page=2");
    assert!(html.contains(link), "{html}");
}

#[test]
fn exact_times_are_drawn_as_lines_and_listed() {
    let mut one = presence(&[("Available", 0, 2), ("Offline", 2, 24)]);
    let moment = |second: i64| at(1) + Duration::from_secs(second.unsigned_abs());
    let segment = |place, from, to| Segment { place, time: Window { start: moment(from), end: moment(to) } };
    one.timeline = Some(PresenceTimeline::new([segment(0, 0, 61), segment(1, 61, 70), segment(0, 70, 7_270)]));
    let snapshot = snapshot(&[Some(one)]);
    let html = page_of(&snapshot, 0);
    for expected in [
        "<title>01:00:00 to 01:01:01 UTC: Available 0:01:01</title>",
        "<rect class=\"cell\" fill=\"url(#p5)\" x=\"40.6\" y=\"47\" width=\"1\" height=\"14\"",
        "<h2 id=\"day-title\">The window, state by state</h2>",
        "<text x=\"2\" y=\"44\">Offline</text>",
    ] {
        assert!(html.contains(expected), "{expected} is not in {html}");
    }
    let table = html.split("id=\"segments\"").nth(1).unwrap().split("</table>").next().unwrap();
    let durations: Vec<_> = table.split("<td class=\"number\">").skip(1).map(|cell| &cell[..7]).collect();
    assert_eq!(durations, ["2:00:00", "0:00:09", "0:01:01"], "the newest first");
    let row = overview(&snapshot, "");
    let sparkline = row.split("<svg class=\"sparkline\"").nth(1).unwrap();
    assert!(sparkline.contains("<path fill=\"url(#p0)\" d=\"M7 0h0.1v28h-0.1zM7.1 0h14"), "{sparkline}");
    assert_eq!(sparkline.matches("<rect class=\"cell\"").count(), 24, "an hour each");
}

#[test]
fn state_since_before_the_window_is_a_lower_bound() {
    let snapshot =
        snapshot(&[Some(presence(&[("Offline", 0, 24)])), Some(presence(&[("Busy", 0, 1), ("Offline", 1, 24)]))]);
    let html = overview(&snapshot, "sort=agent");
    assert!(html.contains("data-label=\"Since\">\u{2265} 24:00:00</td>") && html.contains(">03-01 01:00<"), "{html}");
    assert!(page_of(&snapshot, 0).contains("<bdi>Offline</bdi>, for \u{2265} 24:00:00"));
}

#[test]
fn names_are_escaped() {
    let hostile = "<script>alert(1)</script>\" onload='x'&";
    let mut state = presence(&[("Available", 0, 2)]);
    state.states[0].0 = hostile.into();
    state.current = Some((hostile.into(), Micros::from_seconds(7_200)));
    let snapshot = with_tenant(&snapshot(&[Some(state)]), |tenant| {
        let agent = &mut tenant.agents[0];
        (agent.name, agent.team, agent.id) = (Some(hostile.to_owned()), Some(hostile.to_owned()), hostile.into());
    });
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", hostile).finish();
    for html in [overview(&snapshot, ""), overview(&snapshot, &query), page_of(&snapshot, 0)] {
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
        assert!(!html.contains("<script") && !html.contains("\" onload"), "{html}");
    }
}

#[test]
fn pseudonyms_and_hidden_names_apply_to_all_pages() {
    let pseudonyms = Pseudonyms::new("a key of sixteen bytes or more".into());
    let snapshot = with_tenant(&many(60), |tenant| {
        tenant.privacy =
            Privacy { agent_label: AgentLabel::Hmac(Box::new(pseudonyms)), show_names: false, ..Privacy::default() };
        for agent in &mut tenant.agents {
            (agent.id, agent.name) = (format!("471100{}", agent.id).into(), None);
        }
    });
    for html in [overview(&snapshot, ""), overview(&snapshot, "sort=agent&page=2"), page_of(&snapshot, 0)] {
        assert!(!html.contains("471100"), "an id came out: {html}");
        assert!(!html.contains("Name"), "{html}");
    }
    assert!(overview(&snapshot, "q=471100").contains("No agents match"), "search must not find hidden ids");
}

#[test]
fn teams_section_counts_agents_by_state() {
    let snapshot = snapshot(&[
        Some(presence(&[("Available", 0, 24)])),
        Some(presence(&[("Available", 0, 6), ("Offline", 6, 24)])),
        Some(presence(&[("Offline", 0, 12), ("Busy", 12, 24)])),
        None,
    ]);
    let html = teams::section(&snapshot, &Summary::new(&snapshot)).into_string();
    let rows: Vec<Vec<&str>> = html
        .split("<tr>")
        .skip(2)
        .map(|row| {
            row.split('<').filter_map(|cell| Some(cell.split_once('>')?.1)).filter(|text| !text.is_empty()).collect()
        })
        .collect();
    // Agents, Available, Busy, Offline, unknown, and the offline share. No agent is in wrap-up.
    assert_eq!(rows[0], ["Billing", "2", "1", "1", "0", "0", "25.0 %"]);
    assert_eq!(rows[1][..7], ["Support", "2", "0", "0", "1", "1", "75.0 %"]);
}

#[test]
fn page_links_keep_filters_and_order() {
    let html = overview(&many(120), "team=Billing&sort=offline&order=desc&page=2");
    assert!(html.contains("51 to 60 of 60"), "{html}");
    let previous = "rel=\"prev\" href=\"./?team=Billing&amp;sort=offline&amp;order=desc#agents-section\"";
    assert!(html.contains(previous) && !html.contains("rel=\"next\""), "{html}");
    assert!(
        html.contains("aria-sort=\"descending\"><a href=\"./?team=Billing&amp;sort=offline#agents-section\""),
        "{html}"
    );
    assert!(html.contains("<option value=\"Billing\" selected>"), "{html}");
    assert!(html.contains("type=\"hidden\" name=\"order\" value=\"desc\""), "{html}");
}

#[test]
fn agent_page_shows_exact_seconds() {
    let mut one = presence(&[("Available", 0, 2), ("Busy", 2, 3), ("Offline", 3, 24)]);
    one.scheduled = Some(ScheduledTime { total: Micros::from_seconds(8 * 3_600), offline: Micros::from_seconds(90) });
    let snapshot = with_tenant(&snapshot(&[Some(one)]), |tenant| {
        tenant.agents[0].schedule = Some(crate::cli::fixture::schedule());
    });
    let html = page_of(&snapshot, 0);
    for expected in [
        "<h1><bdi>Agent 9</bdi></h1>",
        "0:01:30 of 8:00:00",
        "mon, tue, wed, thu, fri: 09:00-17:00 (UTC)",
        "<td class=\"number\">21:00:00</td><td class=\"number\">75600.00</td>",
        "<tfoot><tr><th scope=\"row\">Total</th><td class=\"number\">24:00:00</td><td class=\"number\">86400.00</td>",
        "cxone_agent_state_seconds{agent=&quot;9&quot;}",
    ] {
        assert!(html.contains(expected), "{expected} is not in {html}");
    }
    let hours = html.split("id=\"hours\"").nth(1).unwrap();
    assert_eq!(hours.matches("<tr>").count(), 25, "a head and 24 hours");
}

#[test]
fn pages_without_data() {
    let snapshot = snapshot(&[None, None]);
    let html = overview(&snapshot, "");
    assert!(html.contains("no data") && !html.contains("<svg class=\"all-agents"), "{html}");
    assert!(page_of(&snapshot, 1).contains("There is no data for this agent"));
    let no_agents = overview(&with_tenant(&many(0), |_| ()), "");
    assert!(no_agents.contains("There are no agents yet") && no_agents.contains("0 to 0 of 0"), "{no_agents}");
}

#[test]
fn pages_without_buckets_after_a_restart() {
    let mut one = presence(&[("Available", 0, 24)]);
    one.chart = crate::presence::PresenceChart::default();
    let snapshot = snapshot(&[Some(one)]);
    assert!(overview(&snapshot, "").contains("after the next refresh"));
    assert!(page_of(&snapshot, 0).contains("The chart is available after the next refresh."));
}

#[test]
fn a_month_is_merged_in_charts_and_exact_in_tables() {
    let long = Duration::from_secs(31 * 86_400);
    let window = Window::ending_at(at(24), long);
    let mut strip = crate::presence::PresenceChartBuilder::default();
    for hour in 24 - 31 * 24..24 {
        let span = Window { start: at(hour), end: at(hour + 1) };
        strip.add(span, std::iter::once((0, span.length())));
    }
    let mut one = presence(&[("Available", 0, 24)]);
    one.chart = strip.finish();
    let mut snapshot = snapshot(&[Some(one)]);
    let row = snapshot.rows[0].data.take().unwrap();
    snapshot.rows[0].data = Some(Arc::new(crate::refresh::AgentData { window, ..(*row).clone() }));
    let cells = |html: &str| html.split("<table id=\"agents\"").nth(1).unwrap().matches("<rect class=\"cell\"").count();
    assert_eq!(cells(&overview(&snapshot, "")), 31, "days");
    assert_eq!(page_of(&snapshot, 0).split("id=\"hours\"").nth(1).unwrap().matches("<tr>").count(), 31 * 24 + 1);
}

#[test]
fn names_sort_case_insensitively() {
    let names = ["Zoë", "anna", "Émile", "Bob"];
    let snapshot = with_tenant(&snapshot(&[None, None, None, None]), |tenant| {
        for (agent, name) in tenant.agents.iter_mut().zip(names) {
            agent.name = Some(name.to_owned());
        }
        tenant.agents[3].name = None;
    });
    let summary = Summary::new(&snapshot);
    let agents = Agents { snapshot: &snapshot, summary: &summary, any_fresh: true };
    let page = selection::select(&agents, &PageQuery::parse(Some("sort=name")));
    let shown: Vec<_> = page.lines.iter().map(|line| line.agent.name.as_deref()).collect();
    assert_eq!(shown, [Some("anna"), Some("Zoë"), Some("Émile"), None]);
}
