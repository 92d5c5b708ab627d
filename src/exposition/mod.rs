//! Families, samples, escaping and encodings of the Prometheus exposition formats. Knows no domain.
