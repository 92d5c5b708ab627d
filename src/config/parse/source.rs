//! Reads files with a size limit, as UTF-8, with the operating system's reason on failure.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

use crate::config::diagnostics::Problem;

/// The permission of all users to read.
const WORLD_READABLE: u32 = 0o004;

/// The permission of the group and of all users to write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The user `root`, who may write anywhere.
const ROOT: u32 = 0;

/// A file's text and its permissions.
pub(crate) struct SourceText {
    pub(crate) text: String,
    /// Whether every user of the machine may read the file.
    pub(crate) world_readable: bool,
    /// What lets other users than the exporter's and root change the file; `None` where nothing does.
    pub(crate) writable_by_others: Option<String>,
}

/// Why a file's text could not be read.
pub(crate) struct Unreadable {
    pub(crate) problem: Problem,
    /// The line of the problem, from 1; `None` for the file as a whole.
    pub(crate) line: Option<usize>,
    /// Whether the file does not exist.
    pub(crate) not_found: bool,
}

/// The text of the file at `path`, without a byte order mark. A file of more than `max_bytes` is refused
/// before it is read in full.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<SourceText, Unreadable> {
    let mut bytes = Vec::new();
    let (file, metadata) = open(path).map_err(|error| io_failure(&error))?;
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| io_failure(&error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
        return Err(Unreadable::whole(
            format!("is larger than {max_bytes} bytes"),
            "check that this is the right file",
        ));
    }
    Ok(SourceText {
        text: decode(bytes)?,
        world_readable: metadata.mode() & WORLD_READABLE != 0,
        writable_by_others: writable_by_others(&metadata),
    })
}

/// Opens a regular file or a directory, which later cannot be read. A link is followed, because Kubernetes mounts secrets as
/// links. A pipe or a device is not waited for.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() || metadata.is_dir() {
        return Ok((file, metadata));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe or a device, not a file"))
}

/// What lets other users than this process's and root change a file or directory; `None` where nothing does.
pub(crate) fn writable_by_others(metadata: &Metadata) -> Option<String> {
    let (owner, own, mode) = (metadata.uid(), geteuid().as_raw(), metadata.mode() & 0o7777);
    if owner != own && owner != ROOT {
        return Some(format!("it belongs to user {owner}, and the exporter runs as user {own}"));
    }
    (mode & WRITABLE_BY_OTHERS != 0).then(|| format!("its mode is {mode:03o}"))
}

fn decode(bytes: Vec<u8>) -> Result<String, Unreadable> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Unreadable::whole("is UTF-16", "save it as UTF-8"));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        Unreadable::at(line, "is not UTF-8", "save the file as UTF-8")
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    // A NUL would silently end the YAML text; other control characters are mistakes.
    let is_stray = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r');
    match text.lines().position(|line| line.contains(is_stray)) {
        Some(index) => Err(Unreadable::at(index + 1, "has a control character", "remove it")),
        None => Ok(text),
    }
}

fn io_failure(error: &io::Error) -> Unreadable {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "let the exporter's user read it",
        _ => "check that it is a readable file",
    };
    Unreadable {
        not_found: error.kind() == io::ErrorKind::NotFound,
        ..Unreadable::whole(format!("cannot be read: {error}"), remedy)
    }
}

// === impl Unreadable ===

impl Unreadable {
    fn whole(message: impl Into<String>, remedy: &str) -> Self {
        Self { problem: Problem::new(message, remedy), line: None, not_found: false }
    }

    fn at(line: usize, message: &str, remedy: &str) -> Self {
        Self { line: Some(line), ..Self::whole(message, remedy) }
    }
}
