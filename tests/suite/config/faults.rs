//! Runs the tables in `tests/configs/faults`: files that are refused, each with its exact faults.
//!
//! With `INSTA_UPDATE=always` the faults in the tables are written anew.

use std::env;
use std::fs;
use std::path::Path;

use regex::{Captures, Regex};

use super::{MINIMAL, PLANTED, assert_no_personal_data, examples, load_in, write};

/// A file with a place for the lines of each case below it.
struct Template {
    /// The file's name: the configuration, or an agents file that a configuration names.
    name: &'static str,
    text: String,
}

/// Runs each case of the table `name` and writes the table as it is with the found faults.
fn run(name: &str) {
    let path = Path::new("tests/configs/faults").join(name).with_extension("txt");
    let table = fs::read_to_string(&path).unwrap();
    let (mut template, mut is_open) = (None, false);
    let (mut case, mut expected) = (String::new(), Vec::new());
    let (mut found_table, mut cases) = (String::new(), 0);
    // A blank line ends the last case.
    for line in table.lines().chain([""]) {
        if !case.is_empty() && line.is_empty() {
            let found = faults(template.as_ref().unwrap(), &case);
            let update = env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
            assert!(update || found == expected, "{name}:\n{case}expected {expected:#?}\nfound {found:#?}");
            found_table.extend(found.iter().map(|fault| format!("> {fault}\n")));
            (case, expected) = (String::new(), Vec::new());
            cases += 1;
        }
        if let Some(fault) = line.strip_prefix("> ") {
            expected.push(fault.to_owned());
            continue;
        }
        found_table.extend([line, "\n"]);
        if line.starts_with('=') {
            is_open = !is_open;
            if is_open {
                let name = match line {
                    "= agents.csv" => "agents.csv",
                    "= leave.csv" => "leave.csv",
                    _ => "cxone.yml",
                };
                template = Some(Template { name, text: String::new() });
            }
        } else if let Some(template) = template.as_mut().filter(|_| is_open) {
            template.text.extend([line, "\n"]);
        } else if template.is_some() && !line.is_empty() {
            case.extend([line, "\n"]);
        }
    }
    assert!(cases > 5, "{name} has cases");
    let found_table = format!("{}\n", found_table.trim_end());
    if found_table != table {
        fs::write(&path, found_table).unwrap();
    }
}

/// The faults of the file that `template` and the lines of `case` make, without the directory's name.
fn faults(template: &Template, case: &str) -> Vec<String> {
    let (before, after) = template.text.split_once('@').unwrap();
    let indentation = " ".repeat(before.len() - before.rfind('\n').map_or(0, |line_break| line_break + 1));
    let lines = case.trim_end_matches('\n').replace('\n', &format!("\n{indentation}"));
    let repeated = Regex::new(r"<([^<>*]+)\*(\d+)>").unwrap();
    let text = format!("{before}{lines}{after}");
    let text = repeated.replace_all(&text, |it: &Captures<'_>| it[1].repeat(it[2].parse().unwrap()));

    let dir = examples();
    write(&dir.path().join(template.name), text.as_bytes(), 0o600);
    let config = match template.name {
        "cxone.yml" => text.clone().into_owned(),
        "leave.csv" => format!("{}    leave_file: leave.csv\n", MINIMAL.trim_start()),
        _ => MINIMAL.trim_start().replace("agents: [{ id: 4711 }]", "agents_file: agents.csv"),
    };
    assert!(config.contains(PLANTED), "the file has the secret, which no fault may name: {config}");
    let error = load_in(dir.path(), config).expect_err(case);
    assert_no_personal_data(&error.to_string());
    assert_no_personal_data(&format!("{error:?}"));
    let shown = error.to_string().replace(&format!("{}/", dir.path().display()), "");
    shown.lines().map(|line| line.strip_prefix("cxone.yml:").unwrap_or(line).trim_start().to_owned()).collect()
}

#[test]
fn each_table_of_faults_is_run() {
    let files = fs::read_dir("tests/configs/faults").unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 11, "a new table needs a test below: {names:?}");
}

#[test]
fn faults_of_documents_and_keys() {
    run("document");
}

#[test]
fn faults_of_yaml() {
    run("yaml");
}

#[test]
fn faults_of_addresses() {
    run("addresses");
}

#[test]
fn faults_of_credentials() {
    run("credentials");
}

#[test]
fn faults_of_values() {
    run("values");
}

#[test]
fn faults_of_states() {
    run("states");
}

#[test]
fn faults_of_agents_and_teams() {
    run("agents");
}

#[test]
fn faults_of_agents_files() {
    run("agents_file");
}

#[test]
fn faults_of_leave() {
    run("leave");
}

#[test]
fn faults_of_schedules() {
    run("schedules");
}

#[test]
fn faults_of_the_official_api() {
    run("official");
}

#[test]
fn faults_of_an_agents_file_with_crlf_and_blank_lines() {
    let dir = examples();
    write(&dir.path().join("agents.csv"), b"id,offline_limit,schedule\r\n\r\n4711,4,\r\n4712,,ofice\r\n", 0o600);
    let error = load_in(dir.path(), MINIMAL.replace("agents: [{ id: 4711 }]", "agents_file: agents.csv")).unwrap_err();
    let expected = "\
agents.csv:3: offline_limit: `4` has no unit; write a unit (ms, s, m, h, d) after the number, such as `4s`
agents.csv:4: schedule: unknown schedule `ofice`; add it to `schedules` at the top of the configuration file";
    assert_eq!(error.to_string().replace(&format!("{}/", dir.path().display()), ""), expected);
}
