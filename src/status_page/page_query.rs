//! The query strings of the status page: parsed from and written to its addresses.

use std::borrow::Cow;

use url::form_urlencoded;

use super::attention::Attention;
use super::hour_grid::HourGrid;

/// Maximum length of a search in bytes: longer than any name. The page repeats the search, so it has to be bounded.
const MAX_SEARCH_BYTES: usize = 256;

/// What the table of agents shows. The default is all agents, those that need attention first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PageQuery {
    /// Name of the tenant; `None` is the first of the configuration.
    pub(super) tenant: Option<String>,
    /// Text that the label, name or team of an agent contains.
    pub(super) search: String,
    /// Team of the agents.
    pub(super) team: Option<String>,
    /// Current state of the agents.
    pub(super) state: Option<String>,
    /// Reason for attention of the agents.
    pub(super) attention: Option<Attention>,
    pub(super) sort: Option<Column>,
    pub(super) descending: bool,
    /// Page number, from 0.
    pub(super) page: usize,
    /// Whether all selected agents are wanted as CSV instead of a page.
    pub(super) csv: bool,
    /// Where columns begin. The script sends it, so links do not keep it.
    pub(super) hours: HourGrid,
}

/// Query string of an agent's page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct AgentQuery {
    /// Name of the tenant; `None` is the first of the configuration.
    pub(super) tenant: Option<String>,
    /// Label of the agent.
    pub(super) agent: String,
    /// Where columns begin.
    pub(super) hours: HourGrid,
}

/// A sortable column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Agent,
    Name,
    Team,
    State,
    Since,
    Observed,
    Offline,
    Limit,
    Absent,
    OnShift,
}

// === impl Column ===

impl Column {
    pub(super) const ALL: [Self; 10] = [
        Self::Agent,
        Self::Name,
        Self::Team,
        Self::State,
        Self::Since,
        Self::Observed,
        Self::Offline,
        Self::Limit,
        Self::Absent,
        Self::OnShift,
    ];

    /// Value of the parameter `sort`.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Name => "name",
            Self::Team => "team",
            Self::State => "state",
            Self::Since => "since",
            Self::Observed => "observed",
            Self::Offline => "offline",
            Self::Limit => "limit",
            Self::Absent => "absent",
            Self::OnShift => "shift",
        }
    }

    /// Whether the first click sorts descending: of durations, the longest matter most.
    const fn starts_descending(self) -> bool {
        matches!(self, Self::Observed | Self::Offline | Self::Limit | Self::Absent | Self::OnShift)
    }
}

// === impl PageQuery ===

impl PageQuery {
    /// Parses a query string. Unknown parameters and invalid values are ignored.
    pub(super) fn parse(query: Option<&str>) -> Self {
        let mut parsed = Self::default();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let non_empty = |value: Cow<'_, str>| Some(value.into_owned()).filter(|value| !value.is_empty());
            match &*key {
                "tenant" => parsed.tenant = non_empty(value),
                "q" => parsed.search = truncate(value.trim()).to_owned(),
                "team" => parsed.team = non_empty(value),
                "state" => parsed.state = non_empty(value),
                "attention" => parsed.attention = Attention::named(&value),
                "sort" => parsed.sort = Column::ALL.into_iter().find(|column| column.key() == value),
                "order" => parsed.descending = value == "desc",
                "format" => parsed.csv = value == "csv",
                "columns" => parsed.hours = HourGrid::parse(&value),
                "page" => parsed.page = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
                _ => (),
            }
        }
        parsed
    }

    /// The same agents sorted by `column`. If they are sorted by it already, the order is reversed.
    pub(super) fn sorted_by(&self, column: Column) -> Self {
        let descending = if self.sort == Some(column) { !self.descending } else { column.starts_descending() };
        Self { sort: Some(column), descending, page: 0, ..self.clone() }
    }

    /// Another page of the same agents, from 0.
    pub(super) fn on_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// The same order without filters.
    pub(super) fn unfiltered(&self) -> Self {
        Self { search: String::new(), team: None, state: None, attention: None, page: 0, ..self.clone() }
    }

    /// The same agents, as far as they are in `state` now.
    pub(super) fn in_state(&self, state: &str) -> Self {
        Self { state: Some(state.to_owned()), page: 0, ..self.clone() }
    }

    /// All agents of `tenant` that need attention for this reason.
    pub(super) fn needing(tenant: &str, attention: Attention) -> Self {
        Self { attention: Some(attention), ..Self::of_tenant(tenant) }
    }

    /// All agents of `tenant`.
    pub(super) fn of_tenant(tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..Self::default() }
    }

    /// Whether a filter is set.
    pub(super) fn is_filtered(&self) -> bool {
        !self.search.is_empty() || self.team.is_some() || self.state.is_some() || self.attention.is_some()
    }

    /// Address relative to the page.
    pub(super) fn href(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs());
        format!("./?{}", query.finish())
    }

    /// As [`PageQuery::href`], with the results in sight.
    pub(super) fn results_href(&self) -> String {
        format!("{}#agents-section", self.href())
    }

    /// The same agents, on all pages, as CSV.
    pub(super) fn csv_href(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.on_page(0).pairs()).append_pair("format", "csv");
        format!("./?{}", query.finish())
    }

    /// Parameters of the selection that differ from the default.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let sort = self.sort.map(|column| column.key().to_owned());
        let order = self.sort.filter(|_| self.descending).map(|_| "desc".to_owned());
        let page = (self.page > 0).then(|| self.page.saturating_add(1).to_string());
        let search = Some(self.search.clone()).filter(|search| !search.is_empty());
        [
            ("tenant", self.tenant.clone()),
            ("q", search),
            ("team", self.team.clone()),
            ("state", self.state.clone()),
            ("attention", self.attention.map(|attention| attention.key().to_owned())),
            ("sort", sort),
            ("order", order),
            ("page", page),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

// === impl AgentQuery ===

impl AgentQuery {
    /// Parses a query string; the first value of a parameter counts.
    pub(super) fn parse(query: Option<&str>) -> Self {
        let parameter = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        Self {
            tenant: parameter("tenant"),
            agent: parameter("agent").unwrap_or_default(),
            hours: HourGrid::parse(&parameter("columns").unwrap_or_default()),
        }
    }

    /// Address relative to the page.
    pub(super) fn href(tenant: &str, agent: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("tenant", tenant).append_pair("agent", agent);
        format!("agent?{}", query.finish())
    }
}

/// The text cut to [`MAX_SEARCH_BYTES`] at a character boundary.
fn truncate(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_SEARCH_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unknown_parameters_and_invalid_values_are_ignored() {
        let table = [
            (None, PageQuery::default()),
            (Some("from=1&sort=age&page=-1&order=up&q=+"), PageQuery::default()),
            (Some("page=0"), PageQuery::default()),
            (Some("team=&state="), PageQuery::default()),
            (Some("q=a&q=b&page=3"), PageQuery { search: "b".to_owned(), page: 2, ..PageQuery::default() }),
            (
                Some("sort=offline&order=desc&team=R%26D"),
                PageQuery {
                    sort: Some(Column::Offline),
                    descending: true,
                    team: Some("R&D".to_owned()),
                    ..PageQuery::default()
                },
            ),
        ];
        for (query, expected) in table {
            assert_eq!(PageQuery::parse(query), expected, "{query:?}");
        }
        let long = PageQuery::parse(Some(&format!("q={}", "é".repeat(1_000))));
        assert!(long.search.len() <= MAX_SEARCH_BYTES && long.search.chars().all(|c| c == 'é'));
    }

    #[test]
    fn a_second_click_reverses_the_order() {
        let by_name = PageQuery { page: 4, ..PageQuery::default() }.sorted_by(Column::Name);
        assert_eq!((by_name.sort, by_name.descending, by_name.page), (Some(Column::Name), false, 0));
        assert!(by_name.sorted_by(Column::Name).descending);
        assert!(by_name.sorted_by(Column::Offline).descending, "the longest first");
    }

    proptest! {
        #[test]
        fn href_and_parse_round_trip(
            search in "[ -~]{0,20}",
            team in prop::option::of(".{1,20}"),
            column in 0..Column::ALL.len(),
            descending: bool,
            page in 0_usize..1_000_000,
        ) {
            let sort = Some(Column::ALL[column]);
            let expected = PageQuery { search: search.trim().to_owned(), team, sort, descending, page, ..PageQuery::default() };
            let href = expected.href();
            let query = href.split_once('?').map(|(_, query)| query);
            prop_assert_eq!(PageQuery::parse(query), expected);
        }

        #[test]
        fn any_query_round_trips(query in "\\PC{0,200}") {
            let parsed = PageQuery { csv: false, hours: HourGrid::default(), ..PageQuery::parse(Some(&query)) };
            prop_assert_eq!(PageQuery::parse(parsed.href().split_once('?').map(|(_, query)| query)), parsed);
        }
    }
}
