//! What the official API answers, read leniently: nulls, numbers and booleans as strings, wrappers, empty bodies.
//!
//! | file | what it reads |
//! | --- | --- |
//! | `envelope` | what is around the rows of a list |
//! | `rows` | the rows |
//! | `loose` | single values, whatever type they have |
//! | `duration` | ISO 8601 durations |

pub(super) mod duration;
pub(super) mod envelope;
pub(super) mod loose;
pub(super) mod rows;
