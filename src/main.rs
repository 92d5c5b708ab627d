//! The exporter's process.

fn main() {}
