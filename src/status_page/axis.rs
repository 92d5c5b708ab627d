//! Axes and shifts of the larger charts.

use maud::{Markup, html};

use super::chart::Frame;
use super::format::{epoch, time_of_day};
use crate::presence::{Timestamp, Window};

/// Height of the axis of times in pixels.
const AXIS_HEIGHT: u32 = 22;

/// Width of the axis of percentages in pixels. Labels are larger on a phone.
pub(super) const MARGIN: u32 = 56;

/// Room above the chart for half of the topmost label.
const TOP: u32 = 10;

/// Maximum number of marks. More would overlap at the minimum width.
const MAX_MARKS: u64 = 9;

/// Minimum distance of a label from the edges in pixels.
const EDGE: i64 = 20;

/// The view box of a chart with an axis of times, and `margin` to its left for another.
pub(super) fn view_box(frame: Frame, margin: u32) -> String {
    format!("-{margin} -{TOP} {} {}", frame.width + margin, frame.height.saturating_add(TOP + AXIS_HEIGHT))
}

/// The axis of percentages: lines and labels at nothing, half and the whole.
pub(super) fn percentages(frame: Frame) -> Markup {
    html! {
        g.axis.percentages aria-hidden="true" {
            @for percent in [100_u32, 50, 0] {
                @let top = frame.height.saturating_sub(frame.height.saturating_mul(percent) / 100);
                path d={ "M-4 " (top) "h" (frame.width + 4) } {}
                text x="-8" y=(top) { (percent) tspan { " %" } }
            }
        }
    }
}

/// Marks at whole hours; the script converts the labels to the zone that is shown.
pub(super) fn axis(frame: Frame) -> Markup {
    let base = frame.height;
    html! {
        g.axis aria-hidden="true" {
            @for mark in frame.hours.marks(frame.window, MAX_MARKS) {
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

/// Whether a label centred at `mark` fits.
fn is_inside(frame: Frame, mark: Timestamp) -> bool {
    let whole = i128::from(frame.window.length().get()).max(1);
    let left = i128::from(mark.saturating_since(frame.window.start).get()) * i128::from(frame.width) / whole;
    (i128::from(EDGE)..=i128::from(frame.width) - i128::from(EDGE)).contains(&left)
}
