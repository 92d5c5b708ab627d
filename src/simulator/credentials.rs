//! The credentials that the simulated tenant accepts. They protect nothing: all data is invented.

/// Id of the only OAuth client.
pub const CLIENT_ID: &str = "simulated-client";
/// Secret of the client.
pub const CLIENT_SECRET: &str = "not-a-secret";

/// Id of the only access key.
pub const ACCESS_KEY_ID: &str = "simulated/key=";
/// Secret of the access key.
pub const ACCESS_KEY_SECRET: &str = "not-a-secret/either+=";

/// Credentials of an OAuth client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Id of the OAuth client.
    pub client_id: &'static str,
    /// Secret of the OAuth client.
    pub client_secret: &'static str,
}
