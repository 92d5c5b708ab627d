//! Snapshot → families, and the exporter's own instruments.
