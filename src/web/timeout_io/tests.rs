//! Each time limit, to the second, with tokio's paused clock.
#![allow(clippy::disallowed_methods, reason = "the time limits use tokio's clock, which is paused")]

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// Capacity of the stream, in bytes.
const CAPACITY: usize = 100;

/// A connection and its client.
fn connection(multiplexed: bool) -> (TimeoutIo<DuplexStream>, DuplexStream, Arc<ConnectionState>) {
    let (mine, theirs) = duplex(CAPACITY);
    let state = Arc::new(ConnectionState::default());
    (TimeoutIo::new(mine, Arc::clone(&state), multiplexed), theirs, state)
}

/// The whole seconds from `from` until now.
fn since(from: Instant) -> u64 {
    from.elapsed().as_secs()
}

/// Seconds until the connection of a client that sends `bytes`, one a second, is closed.
async fn seconds_to_close(connection: &mut TimeoutIo<DuplexStream>, client: &mut DuplexStream, bytes: usize) -> u64 {
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
        () = sending => unreachable!("endless"),
    }
}

#[tokio::test(start_paused = true)]
async fn head_timeout_is_not_extended_by_bytes() {
    for (bytes, multiplexed) in [(0, false), (1, false), (1_000, false), (0, true), (1_000, true)] {
        let (mut connection, mut client, state) = connection(multiplexed);
        let closed = seconds_to_close(&mut connection, &mut client, bytes).await;
        assert_eq!(closed, FIRST_HEAD_TIMEOUT.as_secs(), "{bytes} bytes");
        assert_eq!((state.rejection(), state.eviction_rank().is_some()), (Some(HttpRejection::Timeout), true));
    }
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_is_longer_and_no_rejection() {
    // Silence after a request; an endless head; bytes outside of a head, as in HTTP/2.
    let table = [
        (false, 0, IDLE_TIMEOUT, None),
        (false, 1_000, FIRST_HEAD_TIMEOUT + SECOND, Some(HttpRejection::Timeout)),
        (true, 1_000, IDLE_TIMEOUT, None),
    ];
    for (multiplexed, bytes, expected, cut) in table {
        let (mut connection, mut client, state) = connection(multiplexed);
        drop(state.begin_request());
        assert!(state.eviction_rank().is_some());
        let closed = seconds_to_close(&mut connection, &mut client, bytes).await;
        assert_eq!((closed, state.rejection()), (expected.as_secs(), cut), "{multiplexed} {bytes}");
        assert!(!state.discards_unsent(), "nothing is unsent");
    }
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_restarts_with_each_request() {
    let (mut connection, _client, state) = connection(false);
    let mut buffer = [0; 16];
    for pause in [SECOND, IDLE_TIMEOUT - SECOND, IDLE_TIMEOUT / 2, IDLE_TIMEOUT - SECOND] {
        drop(state.begin_request());
        assert!(timeout(pause, connection.read(&mut buffer)).await.is_err(), "closed within {pause:?}");
    }
    drop(state.begin_request());
    let started = Instant::now();
    assert!(connection.read(&mut buffer).await.is_err());
    assert_eq!(since(started), IDLE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn no_timeout_while_a_response_is_pending() {
    let (mut connection, _client, state) = connection(false);
    let request = state.begin_request();
    assert_eq!(state.eviction_rank(), None);
    let mut buffer = [0; 16];
    let early = timeout(10 * IDLE_TIMEOUT, connection.read(&mut buffer)).await;
    assert!(early.is_err(), "a refresh may take longer than every time limit for clients");
    // The connection is idle from the end of the response.
    drop(request);
    let started = Instant::now();
    assert!(connection.read(&mut buffer).await.is_err());
    assert_eq!(since(started), IDLE_TIMEOUT.as_secs());
}

/// Seconds until a response of `bytes` is sent to a client that reads `at_once` bytes every `pause`, or is aborted.
async fn written(bytes: usize, at_once: usize, pause: Duration) -> (u64, Option<HttpRejection>, bool) {
    let (mut connection, mut client, state) = connection(false);
    let _request = state.begin_request();
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
        () = reading => unreachable!("endless"),
    };
    assert_eq!(outcome.is_err(), state.rejection().is_some());
    assert_eq!(state.eviction_rank().is_some(), outcome.is_err(), "a blocked connection may be evicted");
    (since(started), state.rejection(), state.discards_unsent())
}

#[tokio::test(start_paused = true)]
async fn slow_reader_is_closed() {
    let slow = Some(HttpRejection::SlowReader);
    let (stall, answer) = (WRITE_STALL_TIMEOUT, RESPONSE_TIMEOUT);
    let table = [
        // The client reads nothing.
        (10 * CAPACITY, 1, 1_000 * SECOND, (stall.as_secs(), slow, true)),
        // The client reads a little, each time within the limit; the response would take hours.
        (100 * CAPACITY, 1, SECOND, (answer.as_secs(), slow, true)),
        (100 * CAPACITY, 1, stall - SECOND, (answer.as_secs(), slow, true)),
        // Slow, but within the limit.
        (10 * CAPACITY, CAPACITY, 5 * SECOND, (45, None, false)),
        // A response that fits the buffer is sent at once, read or not.
        (CAPACITY, 1, 1_000 * SECOND, (0, None, false)),
    ];
    for (bytes, at_once, pause, expected) in table {
        assert_eq!(written(bytes, at_once, pause).await, expected, "{bytes} bytes, {at_once} every {pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn response_timeout_is_per_response() {
    let (mut connection, mut client, state) = connection(false);
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; CAPACITY];
        loop {
            sleep(5 * SECOND).await;
            client.read_exact(&mut buffer).await.unwrap();
        }
    });
    let started = Instant::now();
    for _ in 0..4 {
        let _request = state.begin_request();
        connection.write_all(&vec![0; 8 * CAPACITY]).await.unwrap();
        connection.flush().await.unwrap();
    }
    assert!(started.elapsed() > 2 * RESPONSE_TIMEOUT, "together they take longer than the limit of one");
    assert_eq!(state.rejection(), None);
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn eviction_discards_unsent_bytes() {
    let (mut connection, _client, state) = connection(false);
    state.evict();
    timeout(SECOND, state.evicted()).await.expect("an eviction before the wait is not lost");
    assert!(!state.discards_unsent(), "nothing was unsent");
    let writing = connection.write_all(&[0; 10 * CAPACITY]);
    assert!(timeout(SECOND, writing).await.is_err());
    state.evict();
    assert!(state.discards_unsent());
}
