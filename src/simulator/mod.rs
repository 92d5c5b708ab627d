//! A pretend tenant that speaks the real API over real HTTP.
