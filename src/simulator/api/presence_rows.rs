//! JSON rows of the presence API, written directly into the body.

use crate::presence::{Micros, Window};
use crate::simulator::timeline::{State, StateTimes};

const MICROS_PER_SECOND: u64 = 1_000_000;

/// The requested states.
#[derive(Debug, Clone, Copy)]
pub(super) struct StateFilter([bool; 4]);

/// The part of a row that is the same for all agents: the times of the bucket.
#[derive(Debug)]
pub(super) struct BucketText {
    times: String,
    length: Micros,
    /// Whether each state appears twice, with a part of its time each.
    repeated: bool,
}

// === impl StateFilter ===

impl StateFilter {
    /// Parses comma-separated names; empty means all states.
    pub(super) fn parse(names: &str) -> Self {
        let named: Vec<_> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        Self(State::ALL.map(|state| named.is_empty() || named.contains(&state.name())))
    }
}

// === impl BucketText ===

impl BucketText {
    pub(super) fn new(bucket: Window, repeated: bool) -> Self {
        let times = format!("\",\"startTime\":\"{}\",\"endTime\":\"{}\",\"states\":[", bucket.start, bucket.end);
        Self { times, length: bucket.length(), repeated }
    }

    /// Appends the row of one agent.
    pub(super) fn push_row(&self, agent: &str, times: &StateTimes, filter: StateFilter, body: &mut Vec<u8>) {
        body.extend_from_slice(b"{\"agentId\":\"");
        body.extend_from_slice(agent.as_bytes());
        body.extend_from_slice(self.times.as_bytes());
        let mut separator: &[u8] = b"{\"state\":\"";
        let wanted = times.all().into_iter().zip(filter.0).filter(|(_, wanted)| *wanted);
        let halves = |(state, time): (State, Micros)| {
            let part = if self.repeated { Micros::new(time.get() / 3) } else { time };
            [(state, part), (state, Micros::new(time.get() - part.get()))]
        };
        let pieces = wanted.flat_map(|(of_state, _)| halves(of_state)).filter(|(_, time)| *time > Micros::ZERO);
        for (state, time) in pieces {
            body.extend_from_slice(separator);
            body.extend_from_slice(state.name().as_bytes());
            body.extend_from_slice(b"\",\"duration\":");
            push_seconds(time, body);
            body.extend_from_slice(b",\"percentage\":");
            push_percentage(time, self.length, body);
            separator = b"},{\"state\":\"";
        }
        body.extend_from_slice(if separator.starts_with(b"}") { b"}]}" } else { b"]}" });
    }
}

/// A duration in seconds with at most six decimals and no trailing zeros.
fn push_seconds(time: Micros, body: &mut Vec<u8>) {
    push_number(time.get() / MICROS_PER_SECOND, 1, body);
    let mut fraction = time.get() % MICROS_PER_SECOND;
    if fraction > 0 {
        let mut digits = 6;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        body.push(b'.');
        push_number(fraction, digits, body);
    }
}

/// The percentage of `whole`, with two decimals.
fn push_percentage(part: Micros, whole: Micros, body: &mut Vec<u8>) {
    let hundredths = part.get().saturating_mul(10_000) / whole.get().max(1);
    push_number(hundredths / 100, 1, body);
    body.push(b'.');
    push_number(hundredths % 100, 2, body);
}

/// A whole number in at least `width` digits, at most 20.
fn push_number(mut number: u64, width: usize, body: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        used += 1;
    }
    let start = digits.len() - used.max(width).min(digits.len());
    body.extend_from_slice(digits.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Timestamp;

    #[test]
    fn numbers_are_written_exactly() {
        let table = [(0, "0"), (1, "0.000001"), (3_600_000_000, "3600"), (1_500_000, "1.5"), (10_020_300, "10.0203")];
        for (micros, text) in table {
            let mut body = Vec::new();
            push_seconds(Micros::new(micros), &mut body);
            assert_eq!(String::from_utf8(body).unwrap(), text);
        }
        let mut body = Vec::new();
        push_number(u64::MAX, 1, &mut body);
        assert_eq!(body, u64::MAX.to_string().as_bytes());
    }

    #[test]
    fn a_row_is_the_documented_json() {
        let bucket =
            Window { start: Timestamp::from_seconds(1_698_400_800), end: Timestamp::from_seconds(1_698_404_400) };
        let mut times = StateTimes::default();
        times.add(State::Available, Micros::from_seconds(900));
        times.add(State::Busy, Micros::from_seconds(2_700));
        let row_of = |repeated, filter| {
            let mut body = Vec::new();
            BucketText::new(bucket, repeated).push_row("1234567890", &times, StateFilter::parse(filter), &mut body);
            String::from_utf8(body).unwrap()
        };
        let row = |filter| row_of(false, filter);
        let head =
            r#"{"agentId":"1234567890","startTime":"2023-10-27T10:00:00Z","endTime":"2023-10-27T11:00:00Z","states":["#;
        let available = r#"{"state":"Available","duration":900,"percentage":25.00}"#;
        let busy = r#"{"state":"Busy","duration":2700,"percentage":75.00}"#;
        assert_eq!(row(""), format!("{head}{available},{busy}]}}"));
        assert_eq!(row("Busy, Offline"), format!("{head}{busy}]}}"));
        assert_eq!(row("Training"), format!("{head}]}}"));
        let third = r#"{"state":"Busy","duration":900,"percentage":25.00}"#;
        let rest = r#"{"state":"Busy","duration":1800,"percentage":50.00}"#;
        assert_eq!(row_of(true, "Busy"), format!("{head}{third},{rest}]}}"));
    }
}
