//! A list of byte chunks in which small neighbours are joined.

use bytes::Bytes;

/// Chunks of at least this many bytes are shared by reference; smaller ones are copied into one chunk, because a copy
/// costs less than one more chunk in every response.
pub(super) const MIN_SHARED_BYTES: usize = 16 * 1024;

/// Chunks with small neighbours joined.
#[derive(Debug, Default)]
pub(super) struct ChunkList {
    chunks: Vec<Bytes>,
    /// The small chunks since the last large one.
    small: Vec<u8>,
}

// === impl ChunkList ===

impl ChunkList {
    /// An empty list with room for `small_bytes` of copied chunks.
    pub(super) fn with_capacity(small_bytes: usize) -> Self {
        Self { chunks: Vec::new(), small: Vec::with_capacity(small_bytes) }
    }

    /// Appends a chunk.
    pub(super) fn push(&mut self, chunk: &Bytes) {
        if chunk.len() < MIN_SHARED_BYTES {
            self.small.extend_from_slice(chunk);
        } else {
            self.end_small();
            self.chunks.push(chunk.clone());
        }
    }

    /// The buffer that small chunks are copied to.
    pub(super) fn small(&mut self) -> &mut Vec<u8> {
        &mut self.small
    }

    /// The chunks in order.
    pub(super) fn into_chunks(mut self) -> Vec<Bytes> {
        self.end_small();
        self.chunks
    }

    fn end_small(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(Bytes::from(std::mem::take(&mut self.small)));
        }
    }
}
