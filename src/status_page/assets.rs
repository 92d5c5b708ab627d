//! Stylesheet, script and icon of the status page. The page loads nothing from other sites.

/// Stylesheet of the page.
pub(super) const STYLE: Asset =
    Asset { name: "page.css", content_type: "text/css; charset=utf-8", content: include_str!("assets/page.css") };

/// Script of the page. The page works without it.
pub(super) const SCRIPT: Asset =
    Asset { name: "page.js", content_type: "text/javascript; charset=utf-8", content: include_str!("assets/page.js") };

/// Icon in the browser's tab.
pub(super) const ICON: Asset =
    Asset { name: "icon.svg", content_type: "image/svg+xml", content: include_str!("assets/icon.svg") };

/// A file that is part of the program.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    name: &'static str,
    /// Value of the header `Content-Type`.
    pub content_type: &'static str,
    /// Content of the file.
    pub content: &'static str,
}

// === impl Asset ===

impl Asset {
    /// The file `name`; `None` if there is no such file.
    pub fn named(name: &str) -> Option<Self> {
        [STYLE, SCRIPT, ICON].into_iter().find(|asset| asset.name == name)
    }

    /// Address relative to the page. Its checksum lets browsers cache the file for ever: a new version has another
    /// address.
    pub(super) fn href(self) -> String {
        format!("static/{}?{:08x}", self.name, crc32fast::hash(self.content.as_bytes()))
    }
}
