//! What the official API means by its refusals, and what to do about them.

use crate::upstream::Endpoint;
use crate::upstream::auth::Resource;
use crate::upstream::http::ErrorHints;

/// The most that a page may have after decompression. A page of 10,000 rows has some 7 MB; several times that is room
/// for any honest page, and bounds what a bomb can take.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

const UNAUTHORIZED: &str = "A newly issued token was refused as well: check that `issuer` or `area` is the one that the \
    access key belongs to.";

/// Of the documents that tell addresses.
pub(super) const DISCOVERY: ErrorHints = ErrorHints {
    bad_request: "Check `issuer` or `area`.",
    unauthorized: "Check `issuer` or `area`; set `api_endpoint` by hand if this address needs to be spared.",
    forbidden: "Check `issuer` or `area`; set `api_endpoint` by hand if this address needs to be spared.",
    too_large: "No such document is that long: check `issuer` or `area`.",
};

/// Of the issuer's password grant. An issuer answers 400 (`invalid_grant`) as well as 401 to a key that it does not know.
pub(super) const PASSWORD_GRANT: ErrorHints = ErrorHints {
    bad_request: "Most often the access key is wrong or has been deactivated, or the OAuth client is not the registered \
        one: compare `access_key_id` and its secret with CXone, Employees > the user > Access Keys, and `client_id` with \
        NICE's registration mail; `client_auth: body` is for clients that were registered so.",
    unauthorized: "The access key or the OAuth client is wrong: compare `access_key_id` and its secret with CXone, \
        Employees > the user > Access Keys, and `client_id` and its secret with NICE's registration mail.",
    forbidden: "The access key's user or the OAuth client lacks permission: look at both in CXone.",
    too_large: "No token is that long: check `issuer`.",
};

/// Of tokens for an access key alone.
pub(super) const ACCESS_KEY: ErrorHints = ErrorHints {
    bad_request: "Check that `access_key_id` and its secret are those of an access key: CXone, Employees > the user > \
        Access Keys.",
    unauthorized: "The access key is wrong or has been deactivated: compare `access_key_id` and its secret with CXone, \
        Employees > the user > Access Keys, and check `area`.",
    forbidden: "The access key's user lacks permission, or is not active: look at the user in CXone.",
    too_large: "No token is that long: check `area` or `auth_url`.",
};

/// `/agents`.
pub(super) const AGENTS: Resource = Resource {
    endpoint: Endpoint::Agents,
    body_limit: MAX_PAGE_BYTES,
    hints: &ErrorHints {
        bad_request: "Check `api_version`.",
        unauthorized: UNAUTHORIZED,
        forbidden: "The access key's user may not list agents: give its role Employees > View in CXone, or configure names \
            and agents by hand.",
        too_large: "Configure agents by hand.",
    },
};

/// `/agents/states`.
pub(super) const STATES: Resource = Resource {
    endpoint: Endpoint::States,
    body_limit: MAX_PAGE_BYTES,
    hints: &ErrorHints {
        bad_request: "Check `api_version`.",
        unauthorized: UNAUTHORIZED,
        forbidden: "The access key's user may not read real-time data: give its role the Real-Time Data API permission in \
            CXone.",
        too_large: "Ask NICE for a smaller page size.",
    },
};

/// `/agents/state-history`, and that of one agent.
pub(super) const HISTORY: Resource = Resource {
    endpoint: Endpoint::History,
    body_limit: MAX_PAGE_BYTES,
    hints: &ErrorHints {
        bad_request: "Most often the range is longer than the tenant allows: lower `window` or `history_lookback`; else check \
            `api_version`.",
        unauthorized: UNAUTHORIZED,
        forbidden: "The access key's user may not read reports: give its role the Reporting API permission in CXone.",
        too_large: "Lower `window` or `history_lookback`.",
    },
};

/// `/teams/{teamId}/unavailable-codes`.
pub(super) const CODES: Resource = Resource {
    endpoint: Endpoint::Codes,
    body_limit: MAX_PAGE_BYTES,
    hints: &ErrorHints {
        bad_request: "Check `api_version`.",
        unauthorized: UNAUTHORIZED,
        forbidden: "The access key's user may not read unavailable codes, so time in after-contact work is told from other \
            time only where a row says so: give its role the permission to view unavailable codes in CXone.",
        too_large: "Tell NICE, as no team has that many codes.",
    },
};
