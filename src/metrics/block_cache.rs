//! Caches a rendered block while it is current.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use crate::exposition::Block;

/// The last rendered block, with the key that identifies its content.
#[derive(Debug)]
pub(super) struct Cached<K> {
    last: ArcSwapOption<(K, Arc<Block>)>,
    /// Held while rendering, so that many scrapes at once render once. It guards no data.
    rendering: Mutex<()>,
}

// === impl Cached ===

impl<K> Default for Cached<K> {
    fn default() -> Self {
        Self { last: ArcSwapOption::empty(), rendering: Mutex::new(()) }
    }
}

impl<K> Cached<K> {
    /// The last block if its key `is_current`, else a new one. A current block is found without taking a lock.
    pub(super) fn get(&self, is_current: impl Fn(&K) -> bool, render: impl FnOnce() -> (K, Block)) -> Arc<Block> {
        if let Some(block) = self.current(&is_current) {
            return block;
        }
        let _rendering = self.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        // Another scrape may have rendered it while this one waited.
        if let Some(block) = self.current(&is_current) {
            return block;
        }
        let (key, block) = render();
        let block = Arc::new(block);
        self.last.store(Some(Arc::new((key, Arc::clone(&block)))));
        block
    }

    fn current(&self, is_current: impl Fn(&K) -> bool) -> Option<Arc<Block>> {
        let last = self.last.load();
        last.as_deref().filter(|(key, _)| is_current(key)).map(|(_, block)| Arc::clone(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{BlockBuilder, Packing};

    #[test]
    fn cached_block_is_rendered_again_only_when_outdated() {
        let cached = Cached::default();
        let mut renders = 0;
        let mut get = |key: u32| {
            cached.get(
                |known| *known == key,
                || {
                    renders += 1;
                    (key, BlockBuilder::new().finish(Packing::Stored))
                },
            )
        };
        let first = get(1);
        assert!(Arc::ptr_eq(&first, &get(1)));
        let second = get(2);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &get(2)));
        assert_eq!(renders, 2);
    }
}
