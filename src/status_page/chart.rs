//! Charts as SVG: columns of stacked states, in the table and on their own.
//!
//! There is one path per state and one transparent cell per column, whose title describes the column. Sizes are attributes
//! and colours are classes because the content security policy forbids inline styles.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use maud::{Markup, html};

use super::format::{clock_time, epoch, time_of_day};
use super::hour_grid::HourGrid;
use super::state_styles::{StateStyles, fill};
use crate::presence::{Micros, Window, isolate_text};

/// A time span with the time in each state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) span: Window,
    /// The value of the full height; shares may add up to less.
    pub(super) whole: u64,
    /// Index of a state in [`StateStyles`] and its part of `whole`.
    pub(super) shares: Vec<(usize, u64)>,
}

/// Unit of the shares of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Microseconds of one agent.
    Time,
    /// Parts of the whole, shown in percent.
    Share,
}

/// Size of a chart in pixels before scaling, and its time range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) window: Window,
    pub(super) hours: HourGrid,
}

/// A length in tenths of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tenths(u64);

// === impl Frame ===

impl Frame {
    /// Left edge and width of `span`.
    pub(super) fn place(self, span: Window) -> Option<(Tenths, Tenths)> {
        let inside = span.intersection(self.window)?;
        let whole = self.window.length().get();
        let left = Tenths::of(inside.start.saturating_since(self.window.start).get(), whole, self.width);
        let right = Tenths::of(inside.end.saturating_since(self.window.start).get(), whole, self.width);
        Some((left, Tenths(right.0.saturating_sub(left.0))))
    }

    /// Horizontal position of a moment.
    pub(super) fn left_of(self, moment: crate::presence::Timestamp) -> impl fmt::Display {
        let whole = self.window.length().get();
        Tenths::of(moment.saturating_since(self.window.start).get(), whole, self.width)
    }
}

// === impl Tenths ===

impl Tenths {
    /// Scales `part`/`whole` to `extent` pixels.
    fn of(part: u64, whole: u64, extent: u32) -> Self {
        let scaled = u128::from(part.min(whole)) * u128::from(extent) * 10 / u128::from(whole.max(1));
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// At least a pixel, so that short times are seen.
    pub(super) fn visible(self) -> Self {
        Self(self.0.max(10))
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}", self.0 / 10),
            tenth => write!(f, "{}.{tenth}", self.0 / 10),
        }
    }
}

/// The paths: states are stacked from the bottom in the order of `styles`.
pub(super) fn bars(styles: &StateStyles, columns: &[Column], frame: Frame) -> Markup {
    let mut paths = vec![String::new(); styles.states().len()];
    for column in columns {
        let Some((left, width)) = frame.place(column.span) else { continue };
        let mut below = 0_u64;
        for (place, path) in paths.iter_mut().enumerate() {
            let of_state = column.shares.iter().filter(|(state, _)| *state == place);
            let part: u64 = of_state.map(|(_, part)| part).sum();
            if part == 0 || width == Tenths(0) {
                continue;
            }
            let bottom = Tenths::of(below, column.whole, frame.height);
            below = below.saturating_add(part);
            let top = Tenths::of(below, column.whole, frame.height);
            let height = Tenths(top.0.saturating_sub(bottom.0));
            let from_above = Tenths(u64::from(frame.height).saturating_mul(10).saturating_sub(top.0));
            // Writing into a string cannot fail.
            let _ = write!(path, "M{left} {from_above}h{width}v{height}h-{width}z");
        }
    }
    html! {
        @for (state, path) in styles.states().iter().zip(&paths).filter(|(_, path)| !path.is_empty()) {
            path fill=(fill(state.style)) d=(path) {}
        }
    }
}

/// The transparent cells with titles.
pub(super) fn cells(styles: &StateStyles, columns: &[Column], frame: Frame, measure: Measure) -> Markup {
    let long = frame.window.length() > Micros::from_seconds(86_400);
    html! {
        @for column in columns {
            @if let Some((left, width)) = frame.place(column.span) {
                rect.cell x=(left) width=(width) height=(frame.height) data-from=(epoch(column.span.start))
                    data-to=(epoch(column.span.end)) {
                    title { (in_words(styles, column, measure, long)) }
                }
            }
        }
    }
}

/// Exact description of a column. Dates are included if the window is longer than a day.
pub(super) fn in_words(styles: &StateStyles, column: &Column, measure: Measure, with_date: bool) -> String {
    let mut words =
        format!("{} to {} UTC: ", time_of_day(column.span.start, with_date), time_of_day(column.span.end, with_date));
    let mut shares: Vec<_> = column.shares.iter().filter(|(_, part)| *part > 0).collect();
    shares.sort_by_key(|(place, part)| (std::cmp::Reverse(*part), *place));
    if shares.is_empty() {
        words.push_str("nothing reported");
    }
    for (nth, (place, part)) in shares.into_iter().enumerate() {
        let name = styles.states().get(*place).map_or(Cow::Borrowed(""), |state| isolate_text(&state.name));
        let comma = if nth == 0 { "" } else { ", " };
        // Writing into a string cannot fail.
        let _ = match measure {
            Measure::Time => write!(words, "{comma}{name} {}", clock_time(Micros::new(*part))),
            Measure::Share => write!(words, "{comma}{name} {} %", Tenths::of(*part, column.whole, 100)),
        };
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::{StateName, Timestamp};

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_seconds(1_772_323_200 + hour * 3_600)
    }

    fn column(from: i64, to: i64, shares: &[(usize, u64)]) -> Column {
        let span = Window { start: at(from), end: at(to) };
        let shares = shares.iter().map(|&(place, seconds)| (place, seconds * 1_000_000)).collect();
        Column { span, whole: span.length().get(), shares }
    }

    fn day() -> (StateStyles, Frame) {
        let styles = StateStyles::new(&["Available", "Busy"].map(StateName::from), &[]);
        let window = Window { start: at(0), end: at(24) };
        (styles, Frame { width: 240, height: 20, window, hours: HourGrid::default() })
    }

    #[test]
    fn states_are_stacked_in_order() {
        let (styles, frame) = day();
        let columns = [column(0, 1, &[(1, 900), (0, 1_800)]), column(23, 24, &[(1, 3_600)])];
        let svg = bars(&styles, &columns, frame).into_string();
        assert_eq!(
            svg,
            "<path fill=\"url(#p0)\" d=\"M0 10h10v10h-10z\"></path>\
             <path fill=\"url(#p1)\" d=\"M0 5h10v5h-10zM230 0h10v20h-10z\"></path>"
        );
    }

    #[test]
    fn cell_titles_describe_the_column() {
        let (styles, frame) = day();
        let words = |column: &Column, measure| {
            let svg = cells(&styles, std::slice::from_ref(column), frame, measure).into_string();
            let words = svg.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
            words.map(|(words, _)| words.to_owned()).unwrap()
        };
        let half = column(1, 2, &[(0, 900), (1, 1_800)]);
        assert_eq!(words(&half, Measure::Time), "01:00:00 to 02:00:00 UTC: Busy 0:30:00, Available 0:15:00");
        assert_eq!(words(&half, Measure::Share), "01:00:00 to 02:00:00 UTC: Busy 50 %, Available 25 %");
        assert_eq!(words(&column(1, 2, &[]), Measure::Time), "01:00:00 to 02:00:00 UTC: nothing reported");
    }

    #[test]
    fn columns_are_clipped_to_the_window() {
        let (styles, frame) = day();
        let early = column(-2, 1, &[(0, 10_800)]);
        let svg = bars(&styles, &[early, column(-2, -1, &[(0, 3_600)])], frame).into_string();
        assert_eq!(svg, "<path fill=\"url(#p0)\" d=\"M0 0h10v20h-10z\"></path>");
        assert_eq!(cells(&styles, &[column(24, 25, &[])], frame, Measure::Time).into_string(), "");
    }
}
