//! Every wait of a connection, to the second, by tokio's own clock.
#![allow(clippy::disallowed_methods, reason = "the clock is tokio's, and paused, as the waits go by it")]

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// What the way between both sides holds.
const ROOM: usize = 100;

/// A connection and its client.
fn connection(multiplexed: bool) -> (Guarded<DuplexStream>, DuplexStream, Arc<Activity>) {
    let (mine, theirs) = duplex(ROOM);
    let activity = Arc::new(Activity::default());
    (Guarded::new(mine, Arc::clone(&activity), multiplexed), theirs, activity)
}

/// The whole seconds from `from` until now.
fn since(from: Instant) -> u64 {
    from.elapsed().as_secs()
}

/// The seconds after which a client that sends `bytes`, one a second, is given up.
async fn until_given_up(connection: &mut Guarded<DuplexStream>, client: &mut DuplexStream, bytes: usize) -> u64 {
    let started = Instant::now();
    let sending = async {
        for _ in 0..bytes {
            sleep(SECOND).await;
            client.write_all(b"x").await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let mut buffer = [0; 16];
    let reading = async {
        loop {
            if let Err(error) = connection.read(&mut buffer).await {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                break;
            }
        }
    };
    tokio::select! {
        () = reading => since(started),
        () = sending => unreachable!("it never ends"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_and_bytes_do_not_extend_it() {
    for (bytes, multiplexed) in [(0, false), (1, false), (1_000, false), (0, true), (1_000, true)] {
        let (mut connection, mut client, activity) = connection(multiplexed);
        let given_up = until_given_up(&mut connection, &mut client, bytes).await;
        assert_eq!(given_up, FIRST_HEAD_TIMEOUT.as_secs(), "{bytes} bytes");
        assert_eq!((activity.cut(), activity.worth()), (Some(HttpRejection::Timeout), Worth::Mute));
    }
}

#[tokio::test(start_paused = true)]
async fn between_requests_there_is_more_time_and_nobody_is_to_blame() {
    // Silence after a request; a head that begins and goes on for ever; and bytes that are no head, as in HTTP/2.
    let table = [
        (false, 0, IDLE_TIMEOUT, None),
        (false, 1_000, FIRST_HEAD_TIMEOUT + SECOND, Some(HttpRejection::Timeout)),
        (true, 1_000, IDLE_TIMEOUT, None),
    ];
    for (multiplexed, bytes, expected, cut) in table {
        let (mut connection, mut client, activity) = connection(multiplexed);
        drop(activity.begin());
        assert_eq!(activity.worth(), Worth::Idle);
        let given_up = until_given_up(&mut connection, &mut client, bytes).await;
        assert_eq!((given_up, activity.cut()), (expected.as_secs(), cut), "{multiplexed} {bytes}");
        assert!(!activity.is_abandoned(), "there is nothing in its way");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_between_requests_begins_anew_with_each_of_them() {
    let (mut connection, _client, activity) = connection(false);
    let mut buffer = [0; 16];
    for pause in [SECOND, IDLE_TIMEOUT - SECOND, IDLE_TIMEOUT / 2, IDLE_TIMEOUT - SECOND] {
        drop(activity.begin());
        assert!(timeout(pause, connection.read(&mut buffer)).await.is_err(), "it is not given up within {pause:?}");
    }
    drop(activity.begin());
    let started = Instant::now();
    assert!(connection.read(&mut buffer).await.is_err());
    assert_eq!(since(started), IDLE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn who_is_answered_is_waited_for() {
    let (mut connection, _client, activity) = connection(false);
    let flight = activity.begin();
    assert_eq!(activity.worth(), Worth::Busy);
    let mut buffer = [0; 16];
    let early = timeout(10 * IDLE_TIMEOUT, connection.read(&mut buffer)).await;
    assert!(early.is_err(), "a refresh may take longer than any patience with a client");
    // From the end of its answer on, it is idle.
    drop(flight);
    let started = Instant::now();
    assert!(connection.read(&mut buffer).await.is_err());
    assert_eq!(since(started), IDLE_TIMEOUT.as_secs());
}

/// The seconds after which an answer of `bytes` to a client that takes `at_once` every `pause` is out, or is given up.
async fn written(bytes: usize, at_once: usize, pause: Duration) -> (u64, Option<HttpRejection>, bool) {
    let (mut connection, mut client, activity) = connection(false);
    let _flight = activity.begin();
    let started = Instant::now();
    let reading = async {
        let mut buffer = vec![0; at_once];
        loop {
            sleep(pause).await;
            client.read_exact(&mut buffer).await.unwrap();
        }
    };
    let answer = vec![0; bytes];
    let writing = async {
        connection.write_all(&answer).await?;
        connection.flush().await
    };
    let outcome = tokio::select! {
        outcome = writing => outcome,
        () = reading => unreachable!("it never ends"),
    };
    assert_eq!(outcome.is_err(), activity.cut().is_some());
    assert_eq!(activity.worth(), if outcome.is_err() { Worth::Blocked } else { Worth::Busy });
    (since(started), activity.cut(), activity.is_abandoned())
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_an_answer_is_given_up() {
    let slow = Some(HttpRejection::SlowReader);
    let (stall, answer) = (WRITE_STALL_TIMEOUT, ANSWER_TIMEOUT);
    let table = [
        // Nothing is taken, ever.
        (10 * ROOM, 1, 1_000 * SECOND, (stall.as_secs(), slow, true)),
        // A little is taken, always in time, and it would go on for hours.
        (100 * ROOM, 1, SECOND, (answer.as_secs(), slow, true)),
        (100 * ROOM, 1, stall - SECOND, (answer.as_secs(), slow, true)),
        // Slow, but done in time.
        (10 * ROOM, ROOM, 5 * SECOND, (45, None, false)),
        // What fits is out at once, whether or not anybody takes it.
        (ROOM, 1, 1_000 * SECOND, (0, None, false)),
    ];
    for (bytes, at_once, pause, expected) in table {
        assert_eq!(written(bytes, at_once, pause).await, expected, "{bytes} bytes, {at_once} every {pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_answer_has_its_own_time() {
    let (mut connection, mut client, activity) = connection(false);
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; ROOM];
        loop {
            sleep(5 * SECOND).await;
            client.read_exact(&mut buffer).await.unwrap();
        }
    });
    let started = Instant::now();
    for _ in 0..4 {
        let _flight = activity.begin();
        connection.write_all(&vec![0; 8 * ROOM]).await.unwrap();
        connection.flush().await.unwrap();
    }
    assert!(started.elapsed() > 2 * ANSWER_TIMEOUT, "together they took longer than one may");
    assert_eq!(activity.cut(), None);
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn what_makes_room_with_an_answer_in_its_way_drops_it() {
    let (mut connection, _client, activity) = connection(false);
    activity.give_up();
    timeout(SECOND, activity.given_up()).await.expect("it is told, even if it listens only now");
    assert!(!activity.is_abandoned(), "nothing was in its way");
    let writing = connection.write_all(&[0; 10 * ROOM]);
    assert!(timeout(SECOND, writing).await.is_err());
    activity.give_up();
    assert!(activity.is_abandoned());
}
