//! The suite.

mod exposition;
