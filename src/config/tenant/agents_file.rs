//! Reads agents from a CSV file. Its columns are the keys of an agent; each row is read like an entry of `agents`.

use std::path::Path;

use super::agents::{AgentList, References};
use crate::config::bounds::MAX_AGENTS;
use crate::config::diagnostics::Diagnostics;
use crate::config::keys::{self, AGENT};
use crate::config::parse::csv_file::CsvFile;
use crate::config::parse::value::Value;

/// The key of an agent that is a list, so that it cannot be a column.
const LIST_KEY: &str = "leave";

/// Adds the agents of the file that `value` names, relative to `base_dir`.
pub(crate) fn add(
    value: &Value<'_>,
    base_dir: &Path,
    references: &References<'_>,
    agent_list: &mut AgentList,
    diagnostics: &mut Diagnostics,
) {
    let file = CsvFile {
        columns: keys::of(AGENT).iter().copied().filter(|key| *key != LIST_KEY).collect(),
        required: &["id"],
        max_rows: MAX_AGENTS,
        too_many: "spread them over tenants",
        example: "`id,name,team`, and a row an agent",
    };
    file.read(value, base_dir, diagnostics, |row, diagnostics| {
        agent_list.add(&Value::root(row), references, diagnostics);
    });
}
