//! Formats numbers and bytes for people.

/// The units of bytes; each is 1,000 times the one before.
const BYTE_UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];

/// A number with a comma between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun in singular or plural.
pub(super) fn counted(number: u64, what: &str) -> String {
    let plural = match (number, what.ends_with("ch") || what.ends_with("sh")) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {what}{plural}", grouped(number))
}

/// Bytes with two significant digits, because estimates are no more exact.
#[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(super) fn bytes(amount: u64) -> String {
    let mut scaled = amount as f64;
    let mut units = BYTE_UNITS.iter().peekable();
    while let Some(unit) = units.next() {
        if scaled < 999.5 || units.peek().is_none() {
            return if scaled < 9.95 && *unit != "bytes" {
                format!("{scaled:.1} {unit}")
            } else {
                format!("{scaled:.0} {unit}")
            };
        }
        scaled /= 1_000.0;
    }
    format!("{amount} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_separators() {
        let table = [(0, "0"), (999, "999"), (1_000, "1,000"), (86_400, "86,400"), (1_234_567, "1,234,567")];
        for (number, text) in table {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "agent"), "1 agent");
        assert_eq!(counted(1_200, "agent"), "1,200 agents");
        assert_eq!(counted(0, "batch"), "0 batches");
        assert_eq!(counted(2, "refresh"), "2 refreshes");
    }

    #[test]
    fn bytes_use_the_largest_unit() {
        let table = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (9_960, "10 kB"),
            (999_600, "1.0 MB"),
            (1_720_000, "1.7 MB"),
            (84_000_000, "84 MB"),
            (u64::MAX, "18446744 TB"),
        ];
        for (amount, text) in table {
            assert_eq!(bytes(amount), text);
        }
    }
}
