//! Axes and shifts of the larger charts.

use maud::{Markup, html};

use super::chart::Frame;
use super::format::{epoch, time_of_day};
use crate::presence::{Micros, Timestamp, Window};

/// Height of the axis in pixels.
pub(super) const AXIS_HEIGHT: u32 = 22;

/// Possible distances between marks in hours; the first that gives at most [`MAX_MARKS`] marks is used.
const STEPS_HOURS: [i64; 6] = [1, 3, 6, 12, 24, 168];

/// Maximum number of marks. More would overlap at the minimum width.
const MAX_MARKS: u64 = 9;

/// Minimum distance of a label from the edges in pixels.
const EDGE: i64 = 20;

/// Lines and labels at half and at the whole height. The labels stand inside the chart, so that they need no margin.
pub(super) fn percentages(frame: Frame) -> Markup {
    html! {
        g.axis.percentages aria-hidden="true" {
            @for percent in [100_u32, 50] {
                @let top = frame.height.saturating_sub(frame.height.saturating_mul(percent) / 100);
                path d={ "M0 " (top) "h" (frame.width) } {}
                text x="3" y=(top + 2) { (percent) " %" }
            }
        }
    }
}

/// Marks at whole hours of UTC; the script converts the labels to local time.
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

/// The shifts of a schedule as a line below the columns.
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
    let fits = |step: &&i64| hours / step.unsigned_abs() <= MAX_MARKS;
    let step = STEPS_HOURS.iter().find(fits).copied().unwrap_or(168) * 3_600_000_000;
    let first = window.start.micros().div_euclid(step) + 1;
    let at = |nth: i64| Timestamp::from_micros((first + nth).saturating_mul(step));
    (0..).map(at).take_while(|mark| *mark < window.end).take(64).collect()
}

/// Whether a label centred at `mark` fits.
fn is_inside(frame: Frame, mark: Timestamp) -> bool {
    let whole = i128::from(frame.window.length().get()).max(1);
    let left = i128::from(mark.saturating_since(frame.window.start).get()) * i128::from(frame.width) / whole;
    (i128::from(EDGE)..=i128::from(frame.width) - i128::from(EDGE)).contains(&left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_at_whole_hours_and_bounded() {
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
