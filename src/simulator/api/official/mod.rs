//! The official API, from the same timeline as the presence API.
//!
//! | file | content |
//! | --- | --- |
//! | `authentication` | tokens and discovery documents |
//! | `state_periods` | states of an agent in terms of this API |
//! | `list_rows` | rows of agents, states, history and codes |

pub(crate) mod authentication;
pub(crate) mod list_rows;
pub(crate) mod state_periods;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use self::list_rows::ListContext;
use super::{Answer, Refusal};
use crate::presence::{Timestamp, Window};
use crate::simulator::api_variants::ApiVariant;
use crate::simulator::faults::{Endpoint, Fault};
use crate::simulator::options::SimulatorOptions;
use crate::simulator::workforce::{Agent, Workforce};

/// Prefix of all paths, in lower case; clients use different cases.
const PREFIX: &str = "/incontactapi/services/v";
/// Header with the reason of an error.
const STATUS_DESCRIPTION: HeaderName = HeaderName::from_static("icstatusdescription");

/// Host of links with the variant `foreign-links`. The domain is reserved for documentation.
const FOREIGN_HOST: &str = "https://api.example.com";

/// The requested list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListKind {
    Agents,
    States,
    History,
    HistoryOf(String),
    /// The unavailable codes of a team.
    TeamCodes,
    /// The unavailable codes of the business unit.
    UnitCodes,
}

/// A request for a page of a list.
pub(crate) struct ListQuery {
    kind: ListKind,
    path: String,
    fields: HashMap<String, String>,
    /// Requested range of history.
    pub(crate) range: Option<Window>,
    pub(crate) skip: usize,
    pub(crate) top: usize,
}

// === impl ListKind ===

impl ListKind {
    /// The list at `path`.
    pub(crate) fn at(path: &str) -> Option<Self> {
        let lower = path.to_ascii_lowercase();
        let (_, rest) = lower.strip_prefix(PREFIX)?.split_once('/')?;
        let original = path.get(path.len() - rest.len()..)?;
        let segments: Vec<&str> = rest.split('/').collect();
        match segments.as_slice() {
            ["agents"] => Some(Self::Agents),
            ["agents", "states"] => Some(Self::States),
            ["agents", "state-history"] => Some(Self::History),
            ["agents", _, "state-history"] => Some(Self::HistoryOf(original.split('/').nth(1)?.to_owned())),
            ["teams", _, "unavailable-codes"] => Some(Self::TeamCodes),
            ["unavailable-codes"] => Some(Self::UnitCodes),
            _ => None,
        }
    }

    pub(crate) const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Agents => Endpoint::Agents,
            Self::States => Endpoint::States,
            Self::History | Self::HistoryOf(_) => Endpoint::History,
            Self::TeamCodes | Self::UnitCodes => Endpoint::Codes,
        }
    }
}

// === impl ListQuery ===

impl ListQuery {
    /// Parses a request.
    pub(crate) fn parse(kind: ListKind, path: &str, query: &str, context: &ListContext<'_>) -> Result<Self, Refusal> {
        let options = context.options;
        let fields: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let number = |name: &str, default: usize| match fields.get(name).map(|text| text.parse()) {
            None => Ok(default),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err(bad(options, &format!("{name} is not a number"))),
        };
        let cap = usize::try_from(options.page_size).unwrap_or(usize::MAX);
        let (skip, top) = (number("skip", 0)?, number("top", cap)?);
        let max_top = options.value(|variant| if let ApiVariant::MaxTop(top) = variant { Some(*top) } else { None });
        if max_top.is_some_and(|most| top > most && fields.contains_key("top")) {
            return Err(bad(options, "Invalid top"));
        }
        let range = match &kind {
            ListKind::History | ListKind::HistoryOf(_) => Some(range(&fields, options)?),
            _ => None,
        };
        if let Some((status, message)) = refused(&kind, context) {
            return Err(Box::new(described(Answer::refusal(status, "refused", message), options, message)));
        }
        if kind == ListKind::States {
            check_updated_since(&fields, context)?;
        }
        Ok(Self { kind, path: path.to_owned(), fields, range, skip, top: top.min(max_top.unwrap_or(cap)).min(cap) })
    }

    /// The agent, if the history of one agent is requested.
    pub(crate) fn agent<'a>(&self, workforce: &'a Workforce) -> Option<&'a Agent> {
        match &self.kind {
            ListKind::HistoryOf(id) => workforce.find(id),
            _ => None,
        }
    }

    /// The requested page with `fault` applied.
    pub(crate) fn answer(&self, context: &ListContext<'_>, fault: Option<&Fault>) -> Answer {
        let list = match &self.kind {
            ListKind::Agents => "agents",
            ListKind::States => "agentStates",
            ListKind::TeamCodes | ListKind::UnitCodes => "unavailableCodes",
            ListKind::History | ListKind::HistoryOf(_) => "agentStateHistory",
        };
        let mut rows = self.rows(context);
        if fault == Some(&Fault::OddRows) {
            list_rows::add_odd_rows(Arc::make_mut(&mut rows));
        }
        if fault == Some(&Fault::WrongTypes) {
            list_rows::add_wrong_types(Arc::make_mut(&mut rows));
        }
        if let Some(Fault::Shrunk(percent)) = fault {
            let rows = Arc::make_mut(&mut rows);
            rows.truncate(rows.len() * usize::try_from(*percent).unwrap_or(100) / 100);
        }
        let paged = self.kind != ListKind::TeamCodes;
        let (skip, top) = if paged { (self.skip, self.top) } else { (0, rows.len()) };
        let options = context.options;
        let total = rows.len();
        let mut part: Vec<Value> = rows.iter().skip(skip).take(top).cloned().collect();
        if fault == Some(&Fault::Empty) {
            part.clear();
        }
        let found = part.len();
        let more = skip + found < total && found > 0;
        let next = match fault {
            Some(Fault::ForeignLink(address)) => Some(address.clone()),
            Some(Fault::RepeatedToken) => Some(self.link(context, skip)),
            Some(Fault::EndlessPages) => Some(self.link(context, skip + found.max(1))),
            _ if more => Some(self.link(context, skip + found)),
            _ => None,
        };
        if found == 0 && next.is_none() && options.has(ApiVariant::EmptyAs204) {
            return Answer { status: StatusCode::NO_CONTENT, ..Answer::json(Vec::new()) };
        }
        if found == 0 && next.is_none() && options.has(ApiVariant::EmptyAsNothing) {
            return Answer::json(Vec::new());
        }
        let mut body = Map::new();
        body.insert("businessUnitId".to_owned(), 4_711.into());
        if paged && !options.has(ApiVariant::NoTotals) {
            body.insert(
                "totalRecords".to_owned(),
                if options.has(ApiVariant::Strings) { total.to_string().into() } else { total.into() },
            );
        }
        if paged
            && (!options.has(ApiVariant::NoLinks) || fault.is_some_and(|fault| matches!(fault, Fault::ForeignLink(_))))
        {
            body.insert(
                "_links".to_owned(),
                json!({ "self": self.link(context, skip), "next": next, "previous": null }),
            );
        }
        let data = if fault == Some(&Fault::NullData) { Value::Null } else { Value::Array(part) };
        body.insert(list.to_owned(), data);
        let body = list_rows::encode_keys(Value::Object(body), options);
        let body = if options.has(ApiVariant::Wrapped) { json!({ "resultSet": body }) } else { body };
        Answer { rows: found, ..Answer::json(list_rows::with_broken_text(&body.to_string(), options)) }
    }

    /// All rows of the list; computed again for the first page.
    fn rows(&self, context: &ListContext<'_>) -> Arc<Vec<Value>> {
        let of = self.link(context, 0);
        let mut reading = context.cache.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, rows)) = &*reading
            && self.skip > 0
            && *known == of
        {
            return Arc::clone(rows);
        }
        let rows = Arc::new(match &self.kind {
            ListKind::Agents => list_rows::agents(context),
            ListKind::States => list_rows::states(context, self.updated_since()),
            ListKind::TeamCodes => list_rows::team_codes(context),
            ListKind::UnitCodes => list_rows::unit_codes(context),
            ListKind::History | ListKind::HistoryOf(_) => {
                let agents = match &self.kind {
                    ListKind::HistoryOf(_) => {
                        self.agent(context.workforce).map(std::slice::from_ref).unwrap_or_default()
                    }
                    _ => context.workforce.agents(),
                };
                list_rows::history(
                    context,
                    agents,
                    self.range.unwrap_or(Window { start: context.now, end: context.now }),
                )
            }
        });
        *reading = Some((of, Arc::clone(&rows)));
        rows
    }

    /// Earliest start of the listed current states.
    fn updated_since(&self) -> Option<Timestamp> {
        Timestamp::parse(self.fields.get("updatedSince")?.as_bytes())
    }

    /// URL of the page after `skip` rows.
    fn link(&self, context: &ListContext<'_>, skip: usize) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let mut fields: Vec<_> = self.fields.iter().filter(|(name, _)| !matches!(&***name, "skip" | "top")).collect();
        fields.sort();
        fields.into_iter().for_each(|(name, value)| {
            pairs.append_pair(name, value);
        });
        pairs.append_pair("skip", &skip.to_string()).append_pair("top", &self.top.to_string());
        let host = if context.options.has(ApiVariant::ForeignLinks) { FOREIGN_HOST } else { context.base_url };
        format!("{host}{}?{}", self.path, pairs.finish())
    }
}

/// Parses the range of history, in UTC with a literal `Z`.
fn range(fields: &HashMap<String, String>, options: &SimulatorOptions) -> Result<Window, Refusal> {
    let moment = |name: &str| {
        let text = fields.get(name).map(String::as_str).unwrap_or_default();
        let parsed = Timestamp::parse(text.as_bytes()).filter(|_| text.ends_with('Z'));
        parsed.ok_or_else(|| bad(options, &format!("{name} must be a date in UTC that ends in Z")))
    };
    let range = Window { start: moment("startDate")?, end: moment("endDate")? };
    if range.start >= range.end {
        return Err(bad(options, "startDate must be before endDate"));
    }
    let longest = options.value(|variant| if let ApiVariant::Longest(span) = variant { Some(*span) } else { None });
    if longest.is_some_and(|longest| range.length() > longest.into()) {
        return Err(bad(options, "the range between startDate and endDate is too long"));
    }
    Ok(range)
}

/// Status and reason if the list is refused as such.
fn refused(kind: &ListKind, context: &ListContext<'_>) -> Option<(StatusCode, &'static str)> {
    let refusal = match kind {
        ListKind::History => (ApiVariant::BulkRefused, StatusCode::NOT_FOUND, "there is no history of all agents here"),
        ListKind::HistoryOf(id) if context.workforce.find(id).is_none() => {
            (ApiVariant::UnknownAgentRefused, StatusCode::NOT_FOUND, "Invalid Agent Id")
        }
        ListKind::TeamCodes => {
            (ApiVariant::TeamCodesRefused, StatusCode::FORBIDDEN, "the codes of teams may not be listed")
        }
        ListKind::UnitCodes => {
            (ApiVariant::UnitCodesRefused, StatusCode::FORBIDDEN, "the codes of the unit may not be listed")
        }
        _ => return None,
    };
    let (variant, status, message) = refusal;
    context.options.has(variant).then_some((status, message))
}

/// Checks `updatedSince` of the list of current states.
///
/// Both errors were seen of a real tenant: `InvalidUpdatedSince` for 0, `InvalidDateRange` for a date years ago.
fn check_updated_since(fields: &HashMap<String, String>, context: &ListContext<'_>) -> Result<(), Refusal> {
    let options = context.options;
    let longest =
        options.value(|variant| if let ApiVariant::UpdatedSince(span) = variant { Some(*span) } else { None });
    let since = fields.get("updatedSince").map(|text| Timestamp::parse(text.as_bytes()));
    match (since, longest) {
        (Some(None), _) | (None, Some(_)) => Err(bad(options, "InvalidUpdatedSince")),
        (Some(Some(since)), Some(longest)) if since < context.now.saturating_sub(longest) => {
            Err(bad(options, "InvalidDateRange"))
        }
        _ => Ok(()),
    }
}

fn bad(options: &SimulatorOptions, message: &str) -> Refusal {
    Box::new(described(Answer::refusal(StatusCode::BAD_REQUEST, "invalid_request", message), options, message))
}

/// Moves the reason of an error to the header if the variant `described-errors` is set.
fn described(refusal: Answer, options: &SimulatorOptions, message: &str) -> Answer {
    if !options.has(ApiVariant::DescribedErrors) {
        return refusal;
    }
    let message = HeaderValue::from_str(message).unwrap_or_else(|_| HeaderValue::from_static("refused"));
    Answer { body: Vec::new(), ..refusal }.with(STATUS_DESCRIPTION, message)
}
