//! What the larger charts have besides their columns: an axis of time, and shifts.

use maud::{Markup, html};

use super::chart::Frame;
use super::format::{epoch, time_of_day};
use crate::presence::{Micros, Timestamp, Window};

/// The room below a chart for its axis.
pub(super) const AXIS_HEIGHT: u32 = 22;

/// The steps that an axis may have, in hours; the first that makes at most [`MOST_MARKS`] is taken.
const STEPS_HOURS: [i64; 6] = [1, 3, 6, 12, 24, 168];

/// More marks than this would run into each other at the least width.
const MOST_MARKS: u64 = 9;

/// How far a mark's text stays from the edges, in pixels.
const EDGE: i64 = 20;

/// Marks at whole hours of UTC, which the script renames to local time.
pub(super) fn axis(frame: Frame) -> Markup {
    let base = frame.height;
    html! {
        g.axis aria-hidden="true" {
            @for mark in marks(frame.window) {
                @let left = frame.left_of(mark).to_string();
                path d={ "M" (left) " 0v" (base) } {}
                @if is_inside(frame, mark) {
                    text x=(left) y=(base + 16) data-at=(epoch(mark)) {
                        (time_of_day(mark, false).get(..5).unwrap_or_default())
                    }
                }
            }
        }
    }
}

/// The times of a schedule, as a line below the columns.
pub(super) fn shifts(frame: Frame, shifts: &[Window]) -> Markup {
    html! {
        g.shifts {
            @for shift in shifts {
                @let (left, right) = (frame.left_of(shift.start).to_string(), frame.left_of(shift.end).to_string());
                path d={ "M" (left) " " (frame.height.saturating_sub(2)) "H" (right) } {}
            }
        }
    }
}

fn marks(window: Window) -> Vec<Timestamp> {
    let hours = window.length().get() / Micros::from_seconds(3_600).get();
    let fits = |step: &&i64| hours / step.unsigned_abs() <= MOST_MARKS;
    let step = STEPS_HOURS.iter().find(fits).copied().unwrap_or(168) * 3_600_000_000;
    let first = window.start.micros().div_euclid(step) + 1;
    let at = |nth: i64| Timestamp::from_micros((first + nth).saturating_mul(step));
    (0..).map(at).take_while(|mark| *mark < window.end).take(64).collect()
}

/// Whether there is room for a text in the middle of which `mark` is.
fn is_inside(frame: Frame, mark: Timestamp) -> bool {
    let whole = i128::from(frame.window.length().get()).max(1);
    let left = i128::from(mark.saturating_since(frame.window.start).get()) * i128::from(frame.width) / whole;
    (i128::from(EDGE)..=i128::from(frame.width) - i128::from(EDGE)).contains(&left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_at_whole_hours_and_never_too_many() {
        let start = Timestamp::from_seconds(1_772_323_200 + 1_234);
        let of = |hours: u64| {
            let window = Window::ending_at(
                start + std::time::Duration::from_secs(hours * 3_600),
                std::time::Duration::from_secs(hours * 3_600),
            );
            marks(window).into_iter().map(|mark| mark.micros() / 3_600_000_000 % 24).collect::<Vec<_>>()
        };
        assert_eq!(of(1), [1]);
        assert_eq!(of(8), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(of(24), [3, 6, 9, 12, 15, 18, 21, 0]);
        assert_eq!(of(48), [6, 12, 18, 0, 6, 12, 18, 0]);
        assert!(of(31 * 24).len() <= 9);
    }
}
