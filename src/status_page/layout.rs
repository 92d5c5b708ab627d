//! The HTML document around the sections.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};

use super::hour_grid::HourGrid;
use super::{StatusPage, assets, state_styles};

/// What is around the content of a document.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    /// Id of the main content.
    pub(super) skip_to: &'a str,
    /// Time between renewals by the script; `None` if the page does not renew itself.
    pub(super) renewal: Option<Duration>,
    /// Names of the schedules' zones, which the script offers.
    pub(super) zones: &'a [String],
    /// Where columns begin.
    pub(super) hours: HourGrid,
}

/// A whole document.
pub(super) fn document(status_page: &StatusPage<'_>, frame: &Frame<'_>, content: &Markup) -> String {
    let prefix = status_page.external_prefix;
    let Frame { title, skip_to, renewal, zones, hours } = frame;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href=(assets::ICON.href());
                link rel="stylesheet" href=(assets::STYLE.href());
                script src=(assets::SCRIPT.href()) defer {}
            }
            body data-renewal=[renewal.map(|renewal| renewal.as_secs())] data-columns=(hours.minute()) {
                a.skip href={ "#" (skip_to) } { "Skip to the content" }
                header {
                    a.home href="./" { "CXone exporter" }
                    span.version { (env!("CARGO_PKG_VERSION")) }
                    nav aria-label="The exporter" {
                        a href={ (prefix) (status_page.telemetry_path) } { "Metrics" }
                        a href={ (prefix) "/config" } { "Configuration" }
                        a href={ (prefix) "/-/healthy" } { "Health" }
                    }
                    // The script puts a choice of time zones here.
                    span #zone-of-times data-zones=(zones.join(" ")) { "Times are in UTC." }
                    // The script shows here how often it renews the page, and a button that stops it.
                    @if renewal.is_some() { span #renewal { "For newer data, " a href="" { "load the page again" } "." } }
                }
                (state_styles::patterns())
                main { (content) }
                // The tooltip of the charts, filled by the script.
                div #tip role="status" hidden {}
            }
        }
    };
    page.into_string()
}
