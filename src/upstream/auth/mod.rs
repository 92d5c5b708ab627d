//! Access tokens, and requests that carry one.

mod session;
pub(crate) mod token;

pub(crate) use session::{Resource, Session};
pub(crate) use token::{IssueFuture, IssuedToken, Token, TokenCache, TokenIssuer};
