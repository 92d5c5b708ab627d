//! State files: interrupted runs, other questions, foreign and damaged files.

use super::*;

#[test]
fn run_interrupted_at_any_byte_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let zone = TimeZone::named("Europe/Berlin").unwrap();
    let agents = agents(2, &zone);
    let source = || Fake::new(3, vec![limits(2, 300)]);
    let asked = || question(half_a_day(), By::Day, &zone);
    let mut file = StateFile::open(&path, asked()).unwrap();
    let (whole, _) = read(&source(), &agents, &mut file, &InstantClock::default());
    drop(file);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() < 4_000, "{}", bytes.len());

    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let source = source();
        let mut file = StateFile::open(&path, asked()).unwrap();
        let (resumed, unread) = read(&source, &agents, &mut file, &InstantClock::default());
        assert!(unread.agents.is_empty() && resumed == whole, "{cut}");
        // What is in whole lines is not asked again.
        let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let asked = source.answered.lock().unwrap().len();
        assert_eq!(asked, bytes.iter().filter(|byte| **byte == b'\n').count() - lines.max(1), "{cut}");
    }
}

fn refusal(path: &Path, question: Question) -> String {
    StateFile::open(path, question).unwrap_err().to_string()
}

#[test]
fn state_file_of_another_question_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let range = half_a_day();
    let zone = TimeZone::named("Europe/Berlin").unwrap();
    drop(StateFile::open(&path, question(range, By::Day, &zone)).unwrap());
    let before = fs::read(&path).unwrap();
    assert_eq!(StateFile::end_of(&path), Some(range.end));

    let later = Window { end: range.end + SLOT, ..range };
    let mut shop = question(range, By::Day, &zone);
    shop.tenants = [("shop".to_owned(), shop.tenants["acme"].clone())].into();
    let mut changed = fixture::tenant("acme", 0);
    changed.states.offline.clear();
    let table = [
        (question(later, By::Day, &zone), "its range ends at 2026-10-25T16:58:00Z, and not 2026-10-25T17:03:00Z"),
        (question(range, By::Hour, &zone), "it sums by day, and not hour"),
        (question(range, By::Day, &TimeZone::UTC), "its time zone is Europe/Berlin, and not UTC"),
        (shop, "its tenants are `acme`, and not `shop`"),
        (
            Question::new(range, By::Day, zone.clone(), SLOT, [&changed]),
            "the configuration of tenant `acme` has changed since",
        ),
    ];
    for (asked, difference) in table {
        let refused = refusal(&path, asked);
        assert!(refused.contains(&format!("is of another run: {difference}; ask the same")), "{refused}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn foreign_damaged_and_locked_files_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let asked = || question(half_a_day(), By::Day, &TimeZone::UTC);
    for contents in ["x", "agent,seconds\n1,2\n", "{}\n"] {
        fs::write(&path, contents).unwrap();
        assert!(refusal(&path, asked()).ends_with("is not a state file of this program; name another one"));
        assert_eq!(fs::read_to_string(&path).unwrap(), contents);
    }
    assert!(refusal(folder.path(), asked()).contains("is not a state file"));
    assert!(refusal(&folder.path().join("none/state"), asked()).contains("cannot be opened: No such file"));
    assert!(
        refusal(&folder.path().join("none/state"), asked()).ends_with("check the path, and that the disk has room")
    );

    // An empty file that exists becomes the owner's alone.
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let agents = agents(1, &TimeZone::UTC);
    let mut file = StateFile::open(&path, asked()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refusal(&path, asked()).contains("is in use by another process"));
    read(&Fake::new(1, vec![limits(1, 240)]), &agents, &mut file, &InstantClock::default());
    let changed = PastAgent { absent_limit: None, ..agents[0].clone() };
    let difference = file.progress("acme", &changed).unwrap_err().to_string();
    assert!(difference.contains("the schedule or the `absent_limit` of an agent has changed since"), "{difference}");
    drop(file);

    // What cannot be a line is not read into memory.
    let torn = fs::File::options().append(true).open(&path).unwrap();
    let length = torn.metadata().unwrap().len();
    torn.set_len(length + (64 << 20)).unwrap();
    assert!(refusal(&path, asked()).starts_with("line 6 of the state file"));
    torn.set_len(length).unwrap();

    // A line twice, and a line that is missing.
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let table = [
        ([&lines[..3], &lines[2..]].concat(), 4),
        ([&lines[..1], &lines[2..]].concat(), 2),
        ([&lines[..2], &["{\"tenant\":\n"], &lines[2..]].concat(), 3),
    ];
    for (damaged, line) in table {
        fs::write(&path, damaged.concat()).unwrap();
        assert!(refusal(&path, asked()).starts_with(&format!("line {line} of the state file")));
    }
}
