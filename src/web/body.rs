//! Response bodies: a list of chunks, which may be empty.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// A body of complete chunks. Its length is known, so responses need no chunked transfer encoding.
#[derive(Debug, Default)]
pub struct Chunks {
    chunks: std::vec::IntoIter<Bytes>,
    /// The rest of a chunk that was cut.
    rest: Bytes,
    remaining: u64,
}

// === impl Chunks ===

impl Chunks {
    /// A body of these chunks in this order.
    pub fn new(chunks: Vec<Bytes>) -> Self {
        let remaining = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks: chunks.into_iter(), rest: Bytes::new(), remaining }
    }

    /// The next bytes of the body, at most `limit`; `None` at its end.
    pub(super) fn next_piece(&mut self, limit: usize) -> Option<Bytes> {
        if self.rest.is_empty() {
            self.rest = self.chunks.find(|chunk| !chunk.is_empty())?;
        }
        let piece = self.rest.split_to(limit.min(self.rest.len()));
        self.remaining -= piece.len() as u64;
        Some(piece)
    }
}

impl<T: Into<Bytes>> From<T> for Chunks {
    fn from(whole: T) -> Self {
        Self::new(vec![whole.into()])
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next_piece(usize::MAX).map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn chunks_keep_their_order_and_length() {
        let parts = ["one ", "", "two"].map(|part| Bytes::from_static(part.as_bytes()));
        let body = Chunks::new(parts.to_vec());
        assert_eq!(body.size_hint().exact(), Some(7));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "one two");
        assert!(Chunks::default().is_end_stream());
    }

    #[test]
    fn chunks_are_cut_into_pieces() {
        let mut body = Chunks::new(["abcde", "", "f"].map(Bytes::from).to_vec());
        let pieces: Vec<_> = std::iter::from_fn(|| Some((body.next_piece(2)?, body.remaining))).collect();
        let expected = [("ab", 4), ("cd", 2), ("e", 1), ("f", 0)];
        assert_eq!(pieces, expected.map(|(piece, remaining)| (Bytes::from(piece), remaining)));
    }
}
