//! The state file: what was asked, and what was read of it so far.
//!
//! It has a line of JSON for the question and one for each agent and piece, appended a piece at a time. A process that ends at
//! any point leaves whole lines and at most a torn last one, which is dropped. Lines are read back by their places, so memory
//! holds no times.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::warn;

use super::agent_times::AgentTimes;
use super::periods::Periods;
use super::question::{Header, Question};
use super::tally::{AbsentRun, PastAgent};
use crate::presence::{AgentId, StateName, Timestamp};

/// The file says when people worked, so only its owner may read it.
const FILE_MODE: u32 = 0o600;

/// The longest line. One of an agent and piece has at most some 50,000 slots of 40 bytes.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// Why a state file cannot be used.
#[derive(Debug, Error)]
pub enum StateFileError {
    /// A system call failed.
    #[error("the state file {path} cannot be {doing}: {error}; check the path, and that the disk has room")]
    Io {
        /// The path.
        path: String,
        /// What was tried.
        doing: &'static str,
        /// The reason.
        error: io::Error,
    },
    /// Another process uses it.
    #[error("the state file {0} is in use by another process; wait for it, or name another file")]
    InUse(String),
    /// It is none.
    #[error("{0} is not a state file of this program; name another one")]
    NotOurs(String),
    /// It answers another question.
    #[error("the state file {path} is of another run: {difference}; ask the same, or name another file")]
    OtherQuestion {
        /// The path.
        path: String,
        /// What differs.
        difference: String,
    },
    /// A line cannot be read.
    #[error("line {line} of the state file {path} is damaged; remove the file, or name another one")]
    Damaged {
        /// The path.
        path: String,
        /// The line, from 1.
        line: u64,
    },
}

impl StateFileError {
    /// Whether another file has to be named.
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::NotOurs(_) | Self::OtherQuestion { .. })
    }
}

/// A line of an agent and piece. Times are microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceRecord {
    pub(super) tenant: String,
    pub(super) agent: AgentId,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) states: Vec<StateName>,
    /// The number of a period, and time by position in `states`.
    pub(super) times: Vec<(u32, Vec<(u16, u64)>)>,
    /// The number of a period, and its scheduled, offline and absent time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) shifts: Vec<(u32, [u64; 3])>,
    pub(super) run: AbsentRun,
    /// What the times on shift depend on, see [`PastAgent::fingerprint`].
    pub(super) schedule: u64,
}

/// The lines of an agent.
#[derive(Debug, Clone, Default)]
struct AgentLines {
    done_until: i64,
    run: Option<AbsentRun>,
    schedule: u64,
    /// Whether any time was reported.
    has_data: bool,
    /// The place and the length of each line.
    lines: Vec<(u64, u32)>,
}

/// An open state file. No other process can open it meanwhile.
#[derive(Debug)]
pub struct StateFile {
    file: File,
    path: PathBuf,
    /// Whether it outlives the process, and so a power loss.
    is_kept: bool,
    question: Question,
    periods: Periods,
    /// The length of the whole lines.
    length: u64,
    agents: HashMap<String, HashMap<AgentId, AgentLines>>,
}

// === impl StateFile ===

impl StateFile {
    /// The end of the range of the file at `path`, if it is a state file; for a question without an end of its own.
    pub fn end_of(path: &Path) -> Option<Timestamp> {
        // Opening a pipe would wait for its other end.
        if !fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let mut line = Vec::new();
        BufReader::new(File::open(path).ok()?).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).ok()?;
        let header: Header = serde_json::from_slice(&line).ok()?;
        header.is_ours().then(|| Timestamp::from_micros(header.to))
    }

    /// Opens the file at `path`, or creates it.
    ///
    /// # Errors
    ///
    /// See [`StateFileError`]. Nothing is changed then.
    pub fn open(path: &Path, question: Question) -> Result<Self, StateFileError> {
        let shown = path.display().to_string();
        let failed = |doing| {
            let path = shown.clone();
            move |error| StateFileError::Io { path, doing, error }
        };
        // Opening a pipe would wait for its other end.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(StateFileError::NotOurs(shown));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(path).map_err(failed("opened"))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StateFileError::InUse(shown.clone()),
            TryLockError::Error(error) => failed("locked")(error),
        })?;
        Self::read(file, path.to_owned(), true, question)
    }

    /// A file without a name, which ends with the process.
    ///
    /// # Errors
    ///
    /// The directory for temporary files cannot be written to.
    pub fn temporary(question: Question) -> Result<Self, StateFileError> {
        let name = format!("cxone-exporter-{:016x}.state", fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE);
        let opened = options.open(&path).and_then(|file| fs::remove_file(&path).map(|()| file));
        let file = opened.map_err(|error| {
            let path = format!("{} (--state names another)", path.display());
            StateFileError::Io { path, doing: "created", error }
        })?;
        Self::read(file, path, false, question)
    }

    fn read(file: File, path: PathBuf, is_kept: bool, question: Question) -> Result<Self, StateFileError> {
        let periods = Periods::new(question.range, question.by, &question.zone);
        let mut state = Self { file, path, is_kept, question, periods, length: 0, agents: HashMap::new() };
        let asked = state.question.header();
        let mut first = serde_json::to_vec(&asked).map_err(|error| state.failed("written", error.into()))?;
        first.push(b'\n');

        let copy = state.file.try_clone().map_err(|error| state.failed("read", error))?;
        let mut lines = BufReader::new(copy);
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            line.clear();
            let read = lines
                .by_ref()
                .take(MAX_LINE_BYTES)
                .read_until(b'\n', &mut line)
                .map_err(|error| state.failed("read", error))?;
            if line.pop_if(|last| *last == b'\n').is_none() {
                if u64::try_from(read) == Ok(MAX_LINE_BYTES) && number > 0 {
                    return Err(StateFileError::Damaged { path: state.shown(), line: number + 1 });
                }
                let is_torn_header = number == 0 && first.starts_with(&line);
                if number == 0 && !is_torn_header {
                    return Err(StateFileError::NotOurs(state.shown()));
                }
                break;
            }
            number += 1;
            if number == 1 {
                state.check_header(&line, &asked)?;
            } else {
                let record = serde_json::from_slice(&line).ok();
                let is_next = record.is_some_and(|record| state.note(&record, u32::try_from(read).unwrap_or(u32::MAX)));
                if !is_next {
                    return Err(StateFileError::Damaged { path: state.shown(), line: number });
                }
            }
            state.length += u64::try_from(read).unwrap_or_default();
        }
        // A torn line is dropped.
        state.file.set_len(state.length).map_err(|error| state.failed("written", error))?;
        if state.length == 0 {
            state.make_private();
            state.write(&first)?;
        }
        Ok(state)
    }

    /// Takes the permissions of others away from a file that existed, as far as the file system has any.
    fn make_private(&self) {
        let is_private = self.file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 == 0);
        if is_private {
            return;
        }
        if let Err(error) = self.file.set_permissions(Permissions::from_mode(FILE_MODE)) {
            warn!(path = self.shown(), %error, "the state file is readable by others");
        }
    }

    fn check_header(&self, line: &[u8], asked: &Header) -> Result<(), StateFileError> {
        let header: Option<Header> = serde_json::from_slice(line).ok();
        let Some(header) = header.filter(Header::is_ours) else {
            return Err(StateFileError::NotOurs(self.shown()));
        };
        match header.difference(asked) {
            Some(difference) => Err(StateFileError::OtherQuestion { path: self.shown(), difference }),
            None => Ok(()),
        }
    }

    /// Adds a line at the end to the index. False if it does not follow the agent's last one.
    fn note(&mut self, record: &PieceRecord, length: u32) -> bool {
        let start = self.question.range.start.micros();
        let agents = self.agents.entry(record.tenant.clone()).or_default();
        let new = || AgentLines { done_until: start, ..AgentLines::default() };
        let agent = agents.entry(Arc::clone(&record.agent)).or_insert_with(new);
        let is_next = record.from == agent.done_until
            && record.from < record.to
            && record.to <= self.question.range.end.micros()
            && (agent.lines.is_empty() || agent.schedule == record.schedule);
        if is_next {
            agent.done_until = record.to;
            agent.run = Some(record.run);
            agent.schedule = record.schedule;
            agent.has_data |= record.times.iter().flat_map(|(_, times)| times).any(|(_, time)| *time > 0);
            agent.lines.push((self.length, length));
        }
        is_next
    }

    /// Appends the lines of a piece by one write. They are on the disk when it returns.
    ///
    /// # Errors
    ///
    /// They cannot be written. The file is as before then.
    pub(super) fn append(&mut self, records: &[PieceRecord]) -> Result<(), StateFileError> {
        let mut bytes = Vec::new();
        let mut lengths = Vec::with_capacity(records.len());
        for record in records {
            let start = bytes.len();
            serde_json::to_writer(&mut bytes, record).map_err(|error| self.failed("written", error.into()))?;
            bytes.push(b'\n');
            lengths.push(u32::try_from(bytes.len() - start).unwrap_or(u32::MAX));
        }
        let start = self.length;
        self.write(&bytes)?;
        let end = std::mem::replace(&mut self.length, start);
        for (record, length) in records.iter().zip(lengths) {
            self.note(record, length);
            self.length += u64::from(length);
        }
        self.length = end;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StateFileError> {
        let written = self.file.write_all_at(bytes, self.length);
        if let Err(error) = written.and_then(|()| if self.is_kept { self.file.sync_data() } else { Ok(()) }) {
            // What was written of it would be dropped by the next run anyway.
            let _ = self.file.set_len(self.length);
            return Err(self.failed("written", error));
        }
        self.length += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }

    /// Up to when an agent is read, and its absence then.
    ///
    /// # Errors
    ///
    /// It was read with another schedule.
    pub(super) fn progress(&self, tenant: &str, agent: &PastAgent) -> Result<(Timestamp, AbsentRun), StateFileError> {
        let start = self.question.range.start;
        let lines = self.agents.get(tenant).and_then(|agents| agents.get(&agent.watched.id));
        let Some(lines) = lines else { return Ok((start, AbsentRun::none(start))) };
        if lines.schedule != agent.fingerprint() {
            // The id may be secret, see `agent_label`.
            let difference = "the schedule or the `absent_limit` of an agent has changed since".to_owned();
            return Err(StateFileError::OtherQuestion { path: self.shown(), difference });
        }
        Ok((Timestamp::from_micros(lines.done_until), lines.run.unwrap_or(AbsentRun::none(start))))
    }

    /// How many of these agents were read, but CXone reported no time of theirs.
    pub fn without_data<'a>(&self, tenant: &str, agents: impl Iterator<Item = &'a AgentId>) -> usize {
        let Some(read) = self.agents.get(tenant) else { return 0 };
        agents.filter_map(|agent| read.get(agent)).filter(|agent| !agent.has_data).count()
    }

    /// What was read of these agents, together; `None` if nothing was. Agents of which nothing was read are left out.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn times(&self, tenant: &str, agents: &[AgentId]) -> Result<Option<AgentTimes>, StateFileError> {
        let mut sum: Option<AgentTimes> = None;
        for agent in agents {
            match (&mut sum, self.agent_times(tenant, agent)?) {
                (Some(sum), Some(times)) => sum.add_agents(times),
                (sum, times) => *sum = sum.take().or(times),
            }
        }
        Ok(sum)
    }

    fn agent_times(&self, tenant: &str, agent: &AgentId) -> Result<Option<AgentTimes>, StateFileError> {
        let Some(lines) = self.agents.get(tenant).and_then(|agents| agents.get(agent)) else { return Ok(None) };
        let mut times = AgentTimes::new(self.question.range.start);
        let mut bytes = Vec::new();
        for (place, length) in &lines.lines {
            bytes.resize(usize::try_from(*length).unwrap_or_default(), 0);
            self.file.read_exact_at(&mut bytes, *place).map_err(|error| self.failed("read", error))?;
            let record = serde_json::from_slice(&bytes).map_err(|error| self.failed("read", error.into()))?;
            times.add(record);
        }
        Ok(Some(times))
    }

    /// What was asked.
    pub const fn question(&self) -> &Question {
        &self.question
    }

    /// The periods of the range.
    pub const fn periods(&self) -> &Periods {
        &self.periods
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> StateFileError {
        StateFileError::Io { path: self.shown(), doing, error }
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process may hold a copy of the descriptor.
        let _ = self.file.unlock();
    }
}
