//! Undocumented behaviour of both APIs. A real server may behave in any of these ways.
//!
//! Sources of the variants: public clients of the API, which guard against them, and NICE's documented examples.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::duration::parse_duration;

/// A deviation from the simulator's default behaviour. By default, history lists the unclipped rows that overlap the range
/// and the current state with its duration so far, pages have links and totals, and both rows and codes mark after-call
/// work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVariant {
    /// `clipped`: rows are clipped to the requested range.
    Clipped,
    /// `kept-by-start`: a row is listed only if it starts in the range.
    KeptByStart,
    /// `kept-by-end`: a row is listed only if it ends in the range, or has not ended yet.
    KeptByEnd,
    /// `open-without-length`: the current state has no duration.
    OpenWithoutLength,
    /// `open-with-zero`: the current state has duration zero.
    OpenWithZero,
    /// `open-unlisted`: the current state is not in the history.
    OpenUnlisted,
    /// `late=DURATION`: a row is listed with a delay of up to DURATION after its end.
    Late(Duration),
    /// `overlapping`: some rows end five seconds after the next one starts.
    Overlapping,
    /// `numeric-durations`: durations are seconds with a fraction instead of ISO 8601.
    NumericDurations,
    /// `same-index`: the index of every row in its session is 0.
    SameIndex,
    /// `bulk-refused`: only the history of single agents is available.
    BulkRefused,
    /// `unknown-agent-refused`: the history of an unknown agent is refused with 404 and `Invalid Agent Id`.
    UnknownAgentRefused,
    /// `longest=DURATION`: longer ranges of history are refused.
    Longest(Duration),
    /// `start-as-update`: current states have no start; the time of their last update is their start.
    StartAsUpdate,
    /// `no-start`: current states have neither a start nor a time of their last update.
    NoStart,
    /// `states-after=DURATION`: current states are those DURATION after the request.
    StatesAfter(Duration),
    /// `updated-since=DURATION`: the list of current states needs `updatedSince`, at most DURATION ago.
    UpdatedSince(Duration),
    /// `max-top=NUMBER`: a larger `top` is refused.
    MaxTop(usize),
    /// `strings`: numbers and booleans are strings.
    Strings,
    /// `nulls`: optional fields are null.
    Nulls,
    /// `pascal-case`: keys are in `PascalCase`.
    PascalCase,
    /// `doubled-keys`: rows have each key twice, in `camelCase` and in `PascalCase`.
    DoubledKeys,
    /// `half-emoji`: names of agents contain half of a surrogate pair.
    HalfEmoji,
    /// `invalid-utf8`: names of agents contain a byte that is not UTF-8.
    InvalidUtf8,
    /// `wrapped`: answers are wrapped in a `resultSet`.
    Wrapped,
    /// `no-links`: pages have no link to the next page.
    NoLinks,
    /// `foreign-links`: links to the next page name another host.
    ForeignLinks,
    /// `no-totals`: pages do not contain the number of rows.
    NoTotals,
    /// `empty-as-204`: the answer for an empty list is 204 without a body.
    EmptyAs204,
    /// `empty-as-nothing`: the answer for an empty list is 200 with an empty body.
    EmptyAsNothing,
    /// `described-errors`: the reason of an error is in a header; there is no body.
    DescribedErrors,
    /// `acw-by-codes`: only the list of codes marks after-call work.
    AcwByCodes,
    /// `acw-by-flag`: only rows mark after-call work.
    AcwByFlag,
    /// `acw-until=DURATION`: the code of after-call work is an ordinary code from DURATION after the start of the simulator.
    AcwUntil(Duration),
    /// `unit-codes-refused`: the codes of the business unit are refused with 403.
    UnitCodesRefused,
    /// `team-codes-refused`: the codes of teams are refused with 403.
    TeamCodesRefused,
    /// `discovery-refused=STATUS`: the tenant's document is refused with STATUS without an access token.
    DiscoveryRefused(u16),
    /// `discovery-without-tenant`: the tenant's document is refused with 404 if the query names a tenant.
    DiscoveryWithoutTenant,
    /// `repeated-states`: a state appears twice in a bucket of the presence API.
    RepeatedStates,
    /// `x-gzip`: compressed answers are labelled `X-Gzip`.
    XGzip,
    /// `gzip-members`: compressed answers consist of two gzip members.
    GzipMembers,
    /// `bom`: bodies start with a byte order mark.
    Bom,
}

/// How long rows overlap the next row, in microseconds.
pub(super) const OVERLAP_MICROS: i64 = 5_000_000;

/// The variants without a value, by name.
const PLAIN: [(&str, ApiVariant); 35] = [
    ("clipped", ApiVariant::Clipped),
    ("kept-by-start", ApiVariant::KeptByStart),
    ("kept-by-end", ApiVariant::KeptByEnd),
    ("open-without-length", ApiVariant::OpenWithoutLength),
    ("open-with-zero", ApiVariant::OpenWithZero),
    ("open-unlisted", ApiVariant::OpenUnlisted),
    ("overlapping", ApiVariant::Overlapping),
    ("numeric-durations", ApiVariant::NumericDurations),
    ("same-index", ApiVariant::SameIndex),
    ("bulk-refused", ApiVariant::BulkRefused),
    ("unknown-agent-refused", ApiVariant::UnknownAgentRefused),
    ("start-as-update", ApiVariant::StartAsUpdate),
    ("no-start", ApiVariant::NoStart),
    ("strings", ApiVariant::Strings),
    ("nulls", ApiVariant::Nulls),
    ("pascal-case", ApiVariant::PascalCase),
    ("doubled-keys", ApiVariant::DoubledKeys),
    ("half-emoji", ApiVariant::HalfEmoji),
    ("invalid-utf8", ApiVariant::InvalidUtf8),
    ("wrapped", ApiVariant::Wrapped),
    ("no-links", ApiVariant::NoLinks),
    ("foreign-links", ApiVariant::ForeignLinks),
    ("no-totals", ApiVariant::NoTotals),
    ("empty-as-204", ApiVariant::EmptyAs204),
    ("empty-as-nothing", ApiVariant::EmptyAsNothing),
    ("described-errors", ApiVariant::DescribedErrors),
    ("acw-by-codes", ApiVariant::AcwByCodes),
    ("acw-by-flag", ApiVariant::AcwByFlag),
    ("unit-codes-refused", ApiVariant::UnitCodesRefused),
    ("team-codes-refused", ApiVariant::TeamCodesRefused),
    ("discovery-without-tenant", ApiVariant::DiscoveryWithoutTenant),
    ("repeated-states", ApiVariant::RepeatedStates),
    ("x-gzip", ApiVariant::XGzip),
    ("gzip-members", ApiVariant::GzipMembers),
    ("bom", ApiVariant::Bom),
];

/// The variants with a value, for error messages.
const WITH_VALUE: [&str; 7] = [
    "late=DURATION",
    "longest=DURATION",
    "states-after=DURATION",
    "updated-since=DURATION",
    "acw-until=DURATION",
    "max-top=NUMBER",
    "discovery-refused=STATUS",
];

// === impl ApiVariant ===

impl FromStr for ApiVariant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            let kinds: Vec<_> = PLAIN.iter().map(|(name, _)| *name).chain(WITH_VALUE).collect();
            format!("`{text}` is not a habit; there are: {}", kinds.join(", "))
        };
        let Some((kind, value)) = text.split_once('=') else {
            return PLAIN.iter().find(|(name, _)| *name == text).map(|(_, variant)| *variant).ok_or_else(unknown);
        };
        let number = || value.parse::<u16>().map_err(|_| format!("`{value}` in `{text}` is not a whole number"));
        match kind {
            "late" => Ok(Self::Late(parse_duration(value)?)),
            "longest" => Ok(Self::Longest(parse_duration(value)?)),
            "states-after" => Ok(Self::StatesAfter(parse_duration(value)?)),
            "updated-since" => Ok(Self::UpdatedSince(parse_duration(value)?)),
            "acw-until" => Ok(Self::AcwUntil(parse_duration(value)?)),
            "max-top" => Ok(Self::MaxTop(number()?.into())),
            "discovery-refused" => match number()? {
                status @ 400..=599 => Ok(Self::DiscoveryRefused(status)),
                status => Err(format!("`{status}` in `{text}` is not a status from 400 to 599")),
            },
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for ApiVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, span) = match self {
            Self::MaxTop(top) => return write!(f, "max-top={top}"),
            Self::DiscoveryRefused(status) => return write!(f, "discovery-refused={status}"),
            Self::Late(span) => ("late", span),
            Self::Longest(span) => ("longest", span),
            Self::StatesAfter(span) => ("states-after", span),
            Self::UpdatedSince(span) => ("updated-since", span),
            Self::AcwUntil(span) => ("acw-until", span),
            plain => {
                let name = PLAIN.iter().find(|(_, variant)| variant == plain).map_or("", |(name, _)| name);
                return f.write_str(name);
            }
        };
        write!(f, "{kind}={}ms", span.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_and_display_round_trip() {
        let with_value =
            WITH_VALUE.map(|kind| kind.replace("DURATION", "90s").replace("NUMBER", "500").replace("STATUS", "403"));
        for text in PLAIN.iter().map(|(name, _)| (*name).to_owned()).chain(with_value) {
            let variant: ApiVariant = text.parse().unwrap();
            assert_eq!(variant.to_string().parse(), Ok(variant), "{text}");
        }
        for text in ["", "clip", "late", "late=soon", "clipped=1", "max-top=x", "discovery-refused=200"] {
            assert!(text.parse::<ApiVariant>().is_err(), "{text}");
        }
    }
}
