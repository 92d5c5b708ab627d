//! The front: listener, limits, routes, page.
