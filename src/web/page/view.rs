//! What a visitor wants to see, as it stands in the address of the page.

use std::borrow::Cow;

use url::form_urlencoded;

/// The most bytes that are taken of a search: longer than any name, and what the page repeats of it stays small.
const MAX_SEARCH_BYTES: usize = 256;

/// What the table of agents shows. The default is everybody, in the order of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct View {
    /// Whose agents; `None` is the first tenant of the configuration.
    pub(super) tenant: Option<String>,
    /// What a label, a name or a team has to contain.
    pub(super) search: String,
    /// The team that agents have to be in.
    pub(super) team: Option<String>,
    /// The state that agents have to be in now.
    pub(super) state: Option<String>,
    pub(super) sort: Option<Column>,
    pub(super) descending: bool,
    /// Which page, from 0.
    pub(super) page: usize,
}

/// What agents can be sorted by.
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
    OnShift,
}

// === impl Column ===

impl Column {
    pub(super) const ALL: [Self; 9] = [
        Self::Agent,
        Self::Name,
        Self::Team,
        Self::State,
        Self::Since,
        Self::Observed,
        Self::Offline,
        Self::Limit,
        Self::OnShift,
    ];

    /// As it stands in addresses.
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
            Self::OnShift => "shift",
        }
    }

    /// Whether the first click is to bring the largest to the top: whoever sorts by time looks for the longest.
    const fn starts_descending(self) -> bool {
        matches!(self, Self::Observed | Self::Offline | Self::Limit | Self::OnShift)
    }
}

// === impl View ===

impl View {
    /// Reads a query. What is not understood is left out, as a page is more use to people than a refusal.
    pub(super) fn parse(query: Option<&str>) -> Self {
        let mut view = Self::default();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let filled = |value: Cow<'_, str>| Some(value.into_owned()).filter(|value| !value.is_empty());
            match &*key {
                "tenant" => view.tenant = filled(value),
                "q" => view.search = cut(value.trim()).to_owned(),
                "team" => view.team = filled(value),
                "state" => view.state = filled(value),
                "sort" => view.sort = Column::ALL.into_iter().find(|column| column.key() == value),
                "order" => view.descending = value == "desc",
                "page" => view.page = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
                _ => (),
            }
        }
        view
    }

    /// The same, sorted by `column`; the other way round if it is already.
    pub(super) fn sorted_by(&self, column: Column) -> Self {
        let descending = if self.sort == Some(column) { !self.descending } else { column.starts_descending() };
        Self { sort: Some(column), descending, page: 0, ..self.clone() }
    }

    /// Page `page` of the same, from 0.
    pub(super) fn on_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// The same agents as here, without anybody being left out.
    pub(super) fn unfiltered(&self) -> Self {
        Self { search: String::new(), team: None, state: None, page: 0, ..self.clone() }
    }

    /// Everybody of `tenant` who is in `state` now.
    pub(super) fn in_state(tenant: &str, state: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), state: Some(state.to_owned()), ..Self::default() }
    }

    /// Everybody of `tenant`.
    pub(super) fn of_tenant(tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..Self::default() }
    }

    /// Whether anybody is left out.
    pub(super) fn is_filtered(&self) -> bool {
        !self.search.is_empty() || self.team.is_some() || self.state.is_some()
    }

    /// The address, relative to the page's own.
    pub(super) fn href(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs());
        format!("./?{}", query.finish())
    }

    /// What stands in the address.
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
            ("sort", sort),
            ("order", order),
            ("page", page),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

/// As much of the text as is taken, in whole characters.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_SEARCH_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_understood_is_left_out() {
        let table = [
            (None, View::default()),
            (Some("from=1&sort=age&page=-1&order=up&q=+"), View::default()),
            (Some("page=0"), View::default()),
            (Some("team=&state="), View::default()),
            (Some("q=a&q=b&page=3"), View { search: "b".to_owned(), page: 2, ..View::default() }),
            (
                Some("sort=offline&order=desc&team=R%26D"),
                View { sort: Some(Column::Offline), descending: true, team: Some("R&D".to_owned()), ..View::default() },
            ),
        ];
        for (query, expected) in table {
            assert_eq!(View::parse(query), expected, "{query:?}");
        }
        let long = View::parse(Some(&format!("q={}", "é".repeat(1_000))));
        assert!(long.search.len() <= MAX_SEARCH_BYTES && long.search.chars().all(|c| c == 'é'));
    }

    #[test]
    fn a_second_click_turns_the_order_round() {
        let by_name = View { page: 4, ..View::default() }.sorted_by(Column::Name);
        assert_eq!((by_name.sort, by_name.descending, by_name.page), (Some(Column::Name), false, 0));
        assert!(by_name.sorted_by(Column::Name).descending);
        assert!(by_name.sorted_by(Column::Offline).descending, "the longest first");
    }

    proptest! {
        #[test]
        fn an_address_leads_back_to_what_it_was_made_of(
            search in "[ -~]{0,20}",
            team in prop::option::of(".{1,20}"),
            column in 0..Column::ALL.len(),
            descending: bool,
            page in 0_usize..1_000_000,
        ) {
            let sort = Some(Column::ALL[column]);
            let view = View { search: search.trim().to_owned(), team, sort, descending, page, ..View::default() };
            let href = view.href();
            let query = href.split_once('?').map(|(_, query)| query);
            prop_assert_eq!(View::parse(query), view);
        }

        #[test]
        fn no_query_is_too_odd(query in "\\PC{0,200}") {
            let view = View::parse(Some(&query));
            prop_assert_eq!(View::parse(view.href().split_once('?').map(|(_, query)| query)), view);
        }
    }
}
