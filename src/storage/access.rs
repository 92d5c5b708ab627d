//! Opens the files of the state directory, and finds out who else may write to them.
//!
//! The directory may be one that other users can write to, such as `/tmp`. A link or a pipe that one of them puts there in the
//! place of a file must not be followed or waited for.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

pub(super) use crate::config::writable_by_others;

/// Opens the regular file at `path`.
///
/// # Errors
///
/// When it is a symbolic link, a pipe or anything else that is no regular file; it is not waited for.
pub(super) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let file = options.custom_flags(flags.cast_signed()).open(path).map_err(|error| explain(path, error))?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular("it is not a regular file")) }
}

/// Tells a link or a pipe from other failures, whose errors say only what the system call returned.
fn explain(path: &Path, error: io::Error) -> io::Error {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => not_regular("it is a symbolic link"),
        Ok(metadata) if !metadata.is_file() => not_regular("it is not a regular file"),
        _ => error,
    }
}

fn not_regular(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn links_and_pipes_are_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("regular"), "x").unwrap();
        std::os::unix::fs::symlink(path("regular"), path("link")).unwrap();
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let table = [
            ("regular", None),
            ("link", Some("it is a symbolic link")),
            ("pipe", Some("it is not a regular file")),
            (".", Some("it is not a regular file")),
        ];
        for (name, reason) in table {
            for options in
                [OpenOptions::new().read(true), OpenOptions::new().write(true), OpenOptions::new().append(true)]
            {
                let opened = open_regular(&path(name), options);
                assert_eq!(opened.err().map(|error| error.to_string()).as_deref(), reason, "{name}");
            }
        }
        assert_eq!(
            open_regular(&path("none"), OpenOptions::new().read(true)).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn files_that_others_may_write_to_are_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let problem = |mode| {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            writable_by_others(&file.as_file().metadata().unwrap())
        };
        let table = [(0o600, None), (0o644, None), (0o620, Some("its mode is 620")), (0o602, Some("its mode is 602"))];
        for (mode, expected) in table {
            assert_eq!(problem(mode).as_deref(), expected, "{mode:o}");
        }
    }
}
