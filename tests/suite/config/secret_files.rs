//! Secrets in files of their own.

use std::fs;

use cxone_exporter::config::Config;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use secrecy::ExposeSecret as _;

use super::{MINIMAL, PLANTED, TempDir, assert_no_personal_data, load_in, write};

#[test]
fn faults_of_secret_files() {
    let table: [(&[u8], &str); 4] = [
        (b"\n", "is empty; write the secret into it"),
        (b"planted-hunter2\xff\n", "is not UTF-8; save the file as UTF-8"),
        (b"planted-hunter2\0", "has a control character; remove it"),
        (&b"planted-hunter2".repeat(300), "is larger than 4096 bytes; check that this is the right file"),
    ];
    for (bytes, expected) in table {
        let (shown, _) = with_secret_file(bytes, 0o600);
        assert_no_personal_data(&shown);
        assert_eq!(shown, format!("DIR/cxone.yml:6: tenants[0].client_secret_file: DIR/secret {expected}"));
    }
}

#[test]
fn secret_file_of_many_lines_or_writable_by_others_is_a_warning() {
    let start = "DIR/cxone.yml:6: tenants[0].client_secret_file: ";
    let (shown, secret) = with_secret_file(b"first\nsecond\nthird\n", 0o600);
    assert_eq!(secret.as_deref(), Some("first\nsecond\nthird"));
    let expected = "DIR/secret has 3 lines, which together are taken as the secret; check that this is the right file";
    assert_eq!(shown, format!("{start}{expected}"));
    for (mode, warned) in [(0o600, false), (0o400, false), (0o620, true), (0o602, true)] {
        let (shown, _) = with_secret_file(b"planted-hunter2\n", mode);
        let message = format!("{start}other users can change DIR/secret: its mode is {mode:o}; ");
        assert_eq!(shown.contains(&message), warned, "{mode:o}: {shown}");
    }
}

#[test]
fn pipe_in_place_of_a_file_is_refused_without_waiting() {
    let dir = TempDir::new().unwrap();
    let pipe = dir.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let expected = "cannot be read: it is a pipe or a device, not a file; check that it is a readable file";
    let with = |old: &str, new: &str| load_in(dir.path(), MINIMAL.replace(old, new)).unwrap_err().to_string();
    let shown = [
        Config::from_file(&pipe).unwrap_err().to_string(),
        with("client_secret: planted-hunter2", "client_secret_file: pipe"),
        with("agents: [{ id: 4711 }]", "agents_file: pipe"),
        with("client_secret: planted-hunter2", "client_secret_file: /dev/zero"),
    ];
    for message in shown {
        assert!(message.ends_with(expected), "{message}");
    }
    std::os::unix::fs::symlink(&pipe, dir.path().join(".env")).unwrap();
    let environment = Config::from_environment(&|_| None, dir.path()).unwrap_err().to_string();
    assert!(environment.contains(&format!("/.env: {expected}")), "{environment}");
}

#[test]
fn secret_file_behind_links_is_read() {
    // As Kubernetes mounts a secret: a link to a file in a directory that is itself a link.
    let dir = TempDir::new().unwrap();
    let version = dir.path().join("..2026_01_01");
    fs::create_dir(&version).unwrap();
    write(&version.join("secret"), PLANTED.as_bytes(), 0o600);
    std::os::unix::fs::symlink("..2026_01_01", dir.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/secret", dir.path().join("secret")).unwrap();
    let text = MINIMAL.replace("client_secret: planted-hunter2", "client_secret_file: secret");
    let config = load_in(dir.path(), text).unwrap();
    assert_eq!(config.tenants[0].connection.client_secret.expose_secret(), PLANTED);
    assert_eq!(config.warnings, Vec::<String>::new());
}

/// The problems, else the warnings, of a file with a secret file of `bytes`; and the secret.
pub(super) fn with_secret_file(bytes: &[u8], mode: u32) -> (String, Option<String>) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cxone.yml");
    write(&dir.path().join("secret"), bytes, mode);
    write(&path, MINIMAL.replace("client_secret: planted-hunter2", "client_secret_file: secret").as_bytes(), 0o644);
    let (text, secret) = match Config::from_file(&path) {
        Ok(config) => {
            (config.warnings.join("\n"), Some(config.tenants[0].connection.client_secret.expose_secret().to_owned()))
        }
        Err(error) => (error.to_string(), None),
    };
    (text.replace(dir.path().to_str().unwrap(), "DIR"), secret)
}

#[test]
fn secret_file_trailing_line_break_is_trimmed() {
    for (bytes, secret) in [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), ("\u{feff}s\n", "s"), ("s\n\n", "s\n")] {
        let (warnings, found) = with_secret_file(bytes.as_bytes(), 0o600);
        assert_eq!(found.as_deref(), Some(secret));
        assert_eq!(warnings.contains("white space"), secret.trim() != secret);
    }
}
