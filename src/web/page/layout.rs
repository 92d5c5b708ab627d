//! What every page has around its content.

use maud::{DOCTYPE, Markup, html};

use super::{assets, palette};
use crate::web::App;

/// A whole document. `skip_to` is the id of what most visitors come for.
pub(super) fn document(app: &App, title: &str, skip_to: &str, content: &Markup) -> String {
    let prefix = &app.options.external_prefix;
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
                        a href={ (prefix) (app.options.telemetry_path) } { "Metrics" }
                        a href={ (prefix) "/config" } { "Configuration" }
                        a href={ (prefix) "/-/healthy" } { "Health" }
                    }
                    // The script puts a switch here, and says whose time it shows.
                    span #zone-of-times { "Times are in UTC." }
                }
                (palette::patterns())
                main { (content) }
                // Where the script shows what a strip says at a place.
                div #tip role="status" hidden {}
            }
        }
    };
    page.into_string()
}
