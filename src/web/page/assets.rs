//! The page's own stylesheet, script and icon. Nothing comes from anywhere else.

use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use crate::web::Chunks;
use crate::web::router::Answer;

/// How the page looks.
pub(super) const STYLE: Asset =
    Asset { name: "page.css", content_type: "text/css; charset=utf-8", content: include_str!("assets/page.css") };

/// What makes it handier.
pub(super) const SCRIPT: Asset =
    Asset { name: "page.js", content_type: "text/javascript; charset=utf-8", content: include_str!("assets/page.js") };

/// What stands in the browser's tab.
pub(super) const ICON: Asset =
    Asset { name: "icon.svg", content_type: "image/svg+xml", content: include_str!("assets/icon.svg") };

/// A file that never changes while the process runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
}

// === impl Asset ===

impl Asset {
    /// The address, relative to the page. It has a checksum of the content, so that browsers may keep it for ever and
    /// still have the right one after an upgrade.
    pub(super) fn href(self) -> String {
        format!("static/{}?{:08x}", self.name, crc32fast::hash(self.content.as_bytes()))
    }
}

/// The file `name`, if there is one.
pub(in crate::web) fn answer(name: &str) -> Option<Answer> {
    let asset = [STYLE, SCRIPT, ICON].into_iter().find(|asset| asset.name == name)?;
    let mut answer = Response::new(Chunks::from(asset.content));
    let head = answer.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    head.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    super::protect(&mut answer);
    Some(answer)
}
