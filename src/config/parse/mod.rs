//! From text to typed values: files, `.env` and YAML into one kind of tree, and readers of its values.
//!
//! Nothing here knows the settings; `keys` tells which keys there are.

pub(super) mod address;
pub(super) mod csv_file;
pub(super) mod dotenv;
pub(super) mod duration;
pub(super) mod fields;
pub(super) mod interval;
pub(super) mod iso_8601;
pub(super) mod names;
pub(super) mod nearest;
pub(super) mod network_variables;
pub(super) mod source;
mod unknown_key;
pub(super) mod value;
pub(super) mod variable_names;
pub(super) mod yaml;
