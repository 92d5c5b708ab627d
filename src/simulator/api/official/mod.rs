//! NICE's documented API, from the same timeline: a request in, an [`Answer`] out.
//!
//! | file | what it answers |
//! | --- | --- |
//! | `login` | tokens, and where everything is |
//! | `course` | what an agent does, as this API has it |
//! | `lists` | agents, states, history, codes: their rows |
//! | `page` | a part of a list, with what is around it |

pub(in crate::simulator) mod course;
mod lists;
pub(in crate::simulator) mod login;
mod page;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;
use url::form_urlencoded;

use self::page::Page;
use super::{Answer, Refusal};
use crate::presence::{Timestamp, Window};
use crate::simulator::faults::{Endpoint, Fault};
use crate::simulator::habits::Habit;
use crate::simulator::options::SimulatorOptions;
use crate::simulator::roster::{Agent, Roster};
use crate::simulator::timeline::Timeline;

/// Where the API's paths begin, in lower case; real ones are written in several ways.
const PREFIX: &str = "/incontactapi/services/v";
/// Where an error says why.
const STATUS_DESCRIPTION: HeaderName = HeaderName::from_static("icstatusdescription");

/// What a request to the API asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) enum Call {
    Agents,
    States,
    History,
    HistoryOf(String),
    Codes,
}

/// What a list is made from.
pub(in crate::simulator) struct Office<'a> {
    pub(in crate::simulator) options: &'a SimulatorOptions,
    pub(in crate::simulator) roster: &'a Roster,
    pub(in crate::simulator) timeline: &'a Timeline,
    pub(in crate::simulator) now: Timestamp,
    /// Where clients reach the tenant, for links.
    pub(in crate::simulator) base_url: &'a str,
    pub(in crate::simulator) lists: &'a Lists,
}

/// The list that is being read, so that its pages are of one list however long the reading takes.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Lists(Mutex<Option<(String, Arc<Vec<Value>>)>>);

/// A list that is asked for.
pub(in crate::simulator) struct Query {
    call: Call,
    path: String,
    fields: HashMap<String, String>,
    /// The range of history that is asked for.
    pub(in crate::simulator) range: Option<Window>,
    pub(in crate::simulator) skip: usize,
    pub(in crate::simulator) top: usize,
}

// === impl Call ===

impl Call {
    /// What `path` leads to.
    pub(in crate::simulator) fn at(path: &str) -> Option<Self> {
        let lower = path.to_ascii_lowercase();
        let (_, rest) = lower.strip_prefix(PREFIX)?.split_once('/')?;
        let original = path.get(path.len() - rest.len()..)?;
        let segments: Vec<&str> = rest.split('/').collect();
        match segments.as_slice() {
            ["agents"] => Some(Self::Agents),
            ["agents", "states"] => Some(Self::States),
            ["agents", "state-history"] => Some(Self::History),
            ["agents", _, "state-history"] => Some(Self::HistoryOf(original.split('/').nth(1)?.to_owned())),
            ["teams", _, "unavailable-codes"] => Some(Self::Codes),
            _ => None,
        }
    }

    pub(in crate::simulator) const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Agents => Endpoint::Agents,
            Self::States => Endpoint::States,
            Self::History | Self::HistoryOf(_) => Endpoint::History,
            Self::Codes => Endpoint::Codes,
        }
    }
}

// === impl Query ===

impl Query {
    /// Reads a request for a list.
    pub(in crate::simulator) fn parse(
        call: Call,
        path: &str,
        query: &str,
        options: &SimulatorOptions,
    ) -> Result<Self, Refusal> {
        let fields: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let number = |name: &str, default: usize| match fields.get(name).map(|text| text.parse()) {
            None => Ok(default),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err(bad(options, &format!("{name} is not a number"))),
        };
        let cap = usize::try_from(options.page_size).unwrap_or(usize::MAX);
        let (skip, top) = (number("skip", 0)?, number("top", cap)?.min(cap));
        let range = match &call {
            Call::History | Call::HistoryOf(_) => Some(range(&fields, options)?),
            _ => None,
        };
        if call == Call::History && options.has(Habit::BulkRefused) {
            let refusal = Answer::refusal(StatusCode::NOT_FOUND, "not_found", "there is no history of all agents here");
            return Err(Box::new(described(refusal, options, "there is no history of all agents here")));
        }
        Ok(Self { call, path: path.to_owned(), fields, range, skip, top })
    }

    /// Whom the history is asked of, where it is one agent's.
    pub(in crate::simulator) fn agent<'a>(&self, roster: &'a Roster) -> Option<&'a Agent> {
        match &self.call {
            Call::HistoryOf(id) => roster.find(id),
            _ => None,
        }
    }

    /// The page that is asked for.
    pub(in crate::simulator) fn answer(&self, office: &Office<'_>, fault: Option<&Fault>) -> Answer {
        let list = match &self.call {
            Call::Agents => "agents",
            Call::States => "agentStates",
            Call::Codes => "unavailableCodes",
            Call::History | Call::HistoryOf(_) => "agentStateHistory",
        };
        let mut rows = self.rows(office);
        if fault == Some(&Fault::OddRows) {
            lists::add_odd_rows(Arc::make_mut(&mut rows));
        }
        let paged = self.call != Call::Codes;
        let (skip, top) = if paged { (self.skip, self.top) } else { (0, rows.len()) };
        Page { list, rows, skip, top, paged }.answer(office, self, fault)
    }

    /// The rows of the whole list: made anew for its first page.
    fn rows(&self, office: &Office<'_>) -> Arc<Vec<Value>> {
        let of = self.link(office, 0);
        let mut reading = office.lists.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, rows)) = &*reading
            && self.skip > 0
            && *known == of
        {
            return Arc::clone(rows);
        }
        let rows = Arc::new(match &self.call {
            Call::Agents => lists::agents(office),
            Call::States => lists::states(office),
            Call::Codes => lists::codes(office.options),
            Call::History | Call::HistoryOf(_) => {
                let agents = match &self.call {
                    Call::HistoryOf(_) => self.agent(office.roster).map(std::slice::from_ref).unwrap_or_default(),
                    _ => office.roster.agents(),
                };
                lists::history(office, agents, self.range.unwrap_or(Window { start: office.now, end: office.now }))
            }
        });
        *reading = Some((of, Arc::clone(&rows)));
        rows
    }

    /// The address of the page that begins after `skip` rows.
    fn link(&self, office: &Office<'_>, skip: usize) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let mut fields: Vec<_> = self.fields.iter().filter(|(name, _)| !matches!(&***name, "skip" | "top")).collect();
        fields.sort();
        fields.into_iter().for_each(|(name, value)| {
            pairs.append_pair(name, value);
        });
        pairs.append_pair("skip", &skip.to_string()).append_pair("top", &self.top.to_string());
        format!("{}{}?{}", office.base_url, self.path, pairs.finish())
    }
}

/// The range of history that is asked for, which this API wants in UTC with a literal `Z`.
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
    let longest = options.habits.iter().find_map(|habit| match habit {
        Habit::Longest(span) => Some(*span),
        _ => None,
    });
    if longest.is_some_and(|longest| range.length() > longest.into()) {
        return Err(bad(options, "the range between startDate and endDate is too long"));
    }
    Ok(range)
}

fn bad(options: &SimulatorOptions, message: &str) -> Refusal {
    Box::new(described(Answer::refusal(StatusCode::BAD_REQUEST, "invalid_request", message), options, message))
}

/// `refusal` as errors of this API come.
fn described(refusal: Answer, options: &SimulatorOptions, message: &str) -> Answer {
    if !options.has(Habit::DescribedErrors) {
        return refusal;
    }
    let message = HeaderValue::from_str(message).unwrap_or_else(|_| HeaderValue::from_static("refused"));
    Answer { body: Vec::new(), ..refusal }.with(STATUS_DESCRIPTION, message)
}
