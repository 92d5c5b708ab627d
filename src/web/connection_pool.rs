//! The places for connections: how many there are, and who has to go when all are taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::timeout_io::{Activity, Worth};

/// One in so many connections, the newest ones, goes only when nothing older can: of 512 these are 256, which at a
/// thousand newcomers a second leaves each of them a quarter of a second to shake hands and ask.
const RECENT_SHARE: usize = 2;

/// The places for connections.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By the order in which they came.
    open: BTreeMap<u64, Arc<Activity>>,
}

/// A connection's place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    pub(super) activity: Arc<Activity>,
}

// === impl Places ===

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// A place for a newcomer. Where all are taken, the connection that is of least worth, and of those the oldest, has
    /// to go; `None` where all are being answered. The other value says whether somebody had to go.
    pub(super) fn take(self: &Arc<Self>) -> Option<(Place, bool)> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = taken.open.len() >= self.most;
        if is_full {
            // Who has only just come has not had the time to ask. Without this, a scraper beside slow readers would
            // be the only one that has asked for nothing, and make room for the next of them.
            let recent = taken.open.keys().rev().nth(self.most / RECENT_SHARE).copied().unwrap_or(0);
            let worth = |(number, activity): (&u64, &Arc<Activity>)| {
                let worth = activity.worth();
                (worth == Worth::Busy, *number > recent, worth, *number)
            };
            let (_, _, worth, number) = taken.open.iter().map(worth).min()?;
            if worth == Worth::Busy {
                return None;
            }
            // It keeps its descriptor for the moment that it takes to end, for which there is room.
            if let Some(activity) = taken.open.remove(&number) {
                activity.give_up();
            }
        }
        let activity = Arc::new(Activity::default());
        taken.next += 1;
        let number = taken.next;
        taken.open.insert(number, Arc::clone(&activity));
        Some((Place { places: Arc::clone(self), number, activity }, is_full))
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_only_just_come_is_not_the_first_to_go() {
        let places = Arc::new(Places::new(RECENT_SHARE * 2));
        let mut idle: Vec<_> = (0..RECENT_SHARE * 2 - 1).map(|_| places.take().unwrap().0).collect();
        idle.iter().for_each(|place| drop(place.activity.begin()));
        let newcomer = places.take().unwrap().0;
        let is_open = |place: &Place| places.taken.lock().unwrap().open.contains_key(&place.number);
        idle.push(places.take().unwrap().0);
        assert!(is_open(&newcomer) && !idle.iter().take(1).any(is_open));
        idle.extend((0..3).map(|_| places.take().unwrap().0));
        assert!(!is_open(&newcomer), "after some more it is the oldest that never asked");
    }

    #[test]
    fn the_least_worth_goes_first_and_who_is_answered_stays() {
        let places = Arc::new(Places::new(3));
        let [mute, idle, busy] = [0; 3].map(|_| places.take().unwrap().0);
        let _under_way = busy.activity.begin();
        drop(idle.activity.begin());
        let is_open = |place: &Place| places.taken.lock().unwrap().open.contains_key(&place.number);
        let (first, shed) = places.take().unwrap();
        assert!(shed && !is_open(&mute) && is_open(&idle) && is_open(&busy));
        let _answered = first.activity.begin();
        let (second, _) = places.take().unwrap();
        assert!(!is_open(&idle) && is_open(&busy) && is_open(&first));
        let _answered_too = second.activity.begin();
        assert!(places.take().is_none(), "all of them are being answered");
        drop(busy);
        assert!(matches!(places.take(), Some((_, false))));
    }
}
