//! Access tokens, and requests that carry one.

mod credential;
mod session;
pub(crate) mod token;

pub(crate) use credential::Credential;
pub(crate) use session::{Resource, Session};
pub(crate) use token::{IssueFuture, IssuedToken, Token, TokenCache, TokenIssuer};
