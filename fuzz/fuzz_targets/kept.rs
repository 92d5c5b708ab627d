//! The bucket cache of an earlier process: any bytes are accepted or refused; accepted ones count within the window and are
//! written again unchanged.
//!
//! The input follows the version and the query key, which are added here.
#![no_main]

use std::sync::{Arc, LazyLock};

use cxone_exporter::clock::DrivenClock;
use cxone_exporter::config::Config;
use cxone_exporter::presence::{AgentPresence, Micros, Timestamp, Window};
use cxone_exporter::upstream::presence_api::PresenceSource;
use cxone_exporter::upstream::presence_api::fuzzing::counted_from_cache;
use cxone_exporter::upstream::{NoopObserver, Source as _};
use cxone_exporter_fuzz::in_folder;
use libfuzzer_sys::fuzz_target;

/// One agent, as several are kept in any order. The input may have others, which are not of this tenant.
const CONFIG: &[u8] = b"
tenants:
  - name: acme
    base_url: http://127.0.0.1:9
    client_id: my-client
    client_secret: hunter2
    incremental: true
    agents: [{ id: \"1\" }]
";
const WINDOW: Window =
    Window { start: Timestamp::from_seconds(1_699_913_600), end: Timestamp::from_seconds(1_700_000_000) };
/// A history without agents, after version and query: a boundary, flags, a time and the lengths of two lists.
const NOTHING: usize = 5;

struct House {
    /// The version and the question.
    head: Vec<u8>,
    source: PresenceSource,
    /// As a later process would.
    later: PresenceSource,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let config = in_folder(|folder| Config::from_file(&folder.write("config.yml", CONFIG)).unwrap());
    let clock = Arc::new(DrivenClock::new(WINDOW.end));
    let source =
        || PresenceSource::new(Arc::clone(&config.tenants[0]), clock.clone(), Arc::new(NoopObserver)).unwrap();
    let mut head = source().export_history().unwrap();
    head.truncate(head.len() - NOTHING);
    House { head, source: source(), later: source() }
});

fn check(counted: &[Option<AgentPresence>]) {
    for presence in counted.iter().flatten() {
        assert!(presence.observed <= WINDOW.length());
        assert_eq!(presence.states.iter().map(|(_, time)| *time).sum::<Micros>(), presence.observed);
        assert!(presence.states.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(WINDOW.start < presence.last_data && presence.last_data <= WINDOW.end);
    }
}

fuzz_target!(|input: &[u8]| {
    let House { head, source, later } = &*HOUSE;
    let before = source.export_history();
    let Some(agents) = source.restore_history(&[head, input].concat()) else {
        assert_eq!(source.export_history(), before, "what is refused changes nothing");
        return;
    };
    assert!(agents <= input.len());
    let counted = counted_from_cache(source, WINDOW);
    check(&counted);
    let again = source.export_history().unwrap();
    assert!(later.restore_history(&again).is_some_and(|agents| agents <= 1));
    assert_eq!(later.export_history(), Some(again));
    assert_eq!(counted_from_cache(later, WINDOW), counted);
});
