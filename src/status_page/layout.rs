//! The HTML document around the sections.

use maud::{DOCTYPE, Markup, html};

use super::{StatusPage, assets, state_styles};

/// A whole document. `skip_to` is the id of the main content.
pub(super) fn document(status_page: &StatusPage<'_>, title: &str, skip_to: &str, content: &Markup) -> String {
    let prefix = status_page.external_prefix;
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
            body {
                a.skip href={ "#" (skip_to) } { "Skip to the content" }
                header {
                    a.home href="./" { "CXone exporter" }
                    span.version { (env!("CARGO_PKG_VERSION")) }
                    nav aria-label="The exporter" {
                        a href={ (prefix) (status_page.telemetry_path) } { "Metrics" }
                        a href={ (prefix) "/config" } { "Configuration" }
                        a href={ (prefix) "/-/healthy" } { "Health" }
                    }
                    // The script shows the time zone here, and a button that changes it.
                    span #zone-of-times { "Times are in UTC." }
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
