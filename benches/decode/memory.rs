//! The most memory that decoding takes: of a process that makes one page after the other and drops it, what it holds more
//! where it decodes them.

use std::process::Command;

/// The argument by which this binary becomes such a process.
const ARGUMENT: &str = "--peak-of=";

/// Runs the process that is asked for, if one is. It prints its peak.
pub(crate) fn became_a_process(run: impl Fn(&str) -> bool) -> bool {
    let Some(way) = std::env::args().find_map(|argument| argument.strip_prefix(ARGUMENT).map(str::to_owned)) else {
        return false;
    };
    assert!(run(&way), "there is no way called {way}");
    println!("{}", peak());
    true
}

/// The peak of a process of its own, in kibibytes.
pub(crate) fn of_a_process(way: &str) -> u64 {
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own).arg(format!("{ARGUMENT}{way}")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}
