//! Validates names, ids and label values.

use crate::config::bounds::{MAX_AGENT_ID_BYTES, MAX_LABEL_BYTES, MAX_NAME_BYTES};
use crate::config::diagnostics::{Problem, quoted};

/// Checks the name of a tenant or a schedule, which is used in URLs, labels and file names.
pub(crate) fn check_name(text: &str) -> Result<(), Problem> {
    let remedy = "write letters, digits, `_` and `-` only, such as `acme-eu`";
    if text.is_empty() {
        return Err(Problem::new("is empty", remedy));
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(Problem::new(format!("is longer than {MAX_NAME_BYTES} bytes"), "write a shorter name"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return Err(Problem::new(format!("{} has other characters than names may have", quoted(text)), remedy));
    }
    Ok(())
}

/// Checks an agent's id. Messages do not repeat the text, because it may be a misplaced person's name.
pub(crate) fn check_agent_id(text: &str, plain: bool) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::new("is empty", "write the agent's id"));
    }
    if text.len() > MAX_AGENT_ID_BYTES {
        return Err(Problem::new(format!("is longer than {MAX_AGENT_ID_BYTES} bytes"), "write the agent's id alone"));
    }
    if is_scientific(text) {
        let message = "is a number in scientific notation, as spreadsheets write long ids, and lacks digits";
        return Err(Problem::new(message, "write the id in full, from a column formatted as text"));
    }
    if text.contains(',') {
        return Err(Problem::new("has a comma, which separates ids upstream", "give each id by itself, in a list"));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Problem::new("has white space or a control character in it", "write the id alone, without a name"));
    }
    if plain && is_other_yaml_number(text) {
        let message = "is a number that YAML readers understand differently";
        return Err(Problem::new(message, "write its digits alone, or put the id in quotes"));
    }
    Ok(())
}

/// Checks the name of a state, which is sent upstream in a list separated by commas.
pub(crate) fn check_state(text: &str) -> Result<(), Problem> {
    check_label(text)?;
    if text.contains(',') {
        return Err(Problem::new("has a comma, which separates states upstream", "write one entry for each state"));
    }
    Ok(())
}

/// Checks text that becomes a label value. Messages do not repeat it, because it may be a person's name.
pub(crate) fn check_label(text: &str) -> Result<(), Problem> {
    let message = if text.trim().is_empty() {
        "is empty".to_owned()
    } else if text.len() > MAX_LABEL_BYTES {
        format!("is longer than {MAX_LABEL_BYTES} bytes")
    } else if text.contains(char::is_control) {
        "has a control character in it".to_owned()
    } else if text.trim() != text {
        "begins or ends with white space".to_owned()
    } else {
        return Ok(());
    };
    Err(Problem::new(message, "write it as it is to be shown, in one line"))
}

/// Whether this is `1.23457E+18`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let Some((whole, fraction)) = mantissa.split_once(['.', ',']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && exponent.strip_prefix('+').is_some_and(digits)
}

/// Whether unquoted text is a number to some YAML readers, but not plain digits: `1_000`, `0x1f`, `0o17`, `12.0`,
/// `1.5e10`.
fn is_other_yaml_number(text: &str) -> bool {
    let is_made_of = |text: &str, others: &[u8]| {
        text.bytes().all(|byte| byte.is_ascii_digit() || others.contains(&byte)) && !text.is_empty()
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_as_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let radix = ["0x", "0o", "0b"].iter().any(|prefix| unsigned.starts_with(prefix));
    // `1.5e10` and `1e3`, by the floating-point numbers of YAML's core schema.
    let has_exponent = unsigned.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        is_made_of(mantissa, b".") && is_made_of(exponent, b"")
    });
    radix || has_exponent || (starts_as_number && is_made_of(unsigned, b"_.") && !is_made_of(text, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_integer_agent_id_keeps_its_digits() {
        for text in ["1", "0123", "12345678901234567890", "00000000000000000001"] {
            assert_eq!(check_agent_id(text, true), Ok(()), "{text}");
        }
    }

    #[test]
    fn agent_id_is_any_text_without_separators() {
        for text in ["agent-7", "11ed-2f00-b5", "a.b@example.com", "1e3f", "é"] {
            assert_eq!(check_agent_id(text, true), Ok(()), "{text}");
        }
    }

    #[test]
    fn agent_id_like_a_yaml_number_needs_quotes() {
        for text in ["1_000", "0x1f", "0o17", "12.0", "+12", "-12", ".5", "1e3", "1.5e10", "15E-1"] {
            assert!(check_agent_id(text, true).is_err(), "{text}");
            assert_eq!(check_agent_id(text, false), Ok(()), "{text}");
        }
    }

    #[test]
    fn invalid_agent_id_is_refused_even_in_quotes() {
        let long = "1".repeat(MAX_AGENT_ID_BYTES + 1);
        for text in ["", " ", "1 2", "1,2", "1\n", "1\t2", "1\u{a0}2", "1.23457E+18", "1,23457E+18", &long] {
            assert!(check_agent_id(text, false).is_err(), "{text:?}");
        }
    }
}
