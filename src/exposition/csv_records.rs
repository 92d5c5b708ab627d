//! CSV that spreadsheets open without running anything: cells that begin like a formula get a quote.

use std::borrow::Cow;
use std::io;

/// Microseconds in a second.
const MICROS_PER_SECOND: u64 = 1_000_000;

/// The first characters of a cell that a spreadsheet takes for a formula, in their wide forms too.
///
/// Source: OWASP, CSV Injection.
const FORMULA_STARTS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// Records in the format of RFC 4180, in memory.
#[derive(Debug)]
pub struct CsvRecords(csv::Writer<Vec<u8>>);

// === impl CsvRecords ===

impl CsvRecords {
    /// A document with this header.
    ///
    /// # Errors
    ///
    /// As [`CsvRecords::push`].
    pub fn new<T: AsRef<str>>(header: impl IntoIterator<Item = T>) -> io::Result<Self> {
        let mut records = Self(csv::Writer::from_writer(Vec::new()));
        records.push(header)?;
        Ok(records)
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// It has more or fewer cells than the header.
    pub fn push<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) -> io::Result<()> {
        for text in cells {
            self.0.write_field(&*cell(text.as_ref()))?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }

    /// The records since the last call, so that a long document need not be in memory.
    ///
    /// # Errors
    ///
    /// As [`CsvRecords::finish`].
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        std::mem::replace(self, Self(csv::Writer::from_writer(Vec::new()))).finish()
    }

    /// The document.
    ///
    /// # Errors
    ///
    /// None; writing into memory does not fail.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.0.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// `text` with a quote before it where a spreadsheet would take it for a formula.
fn cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(FORMULA_STARTS) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Microseconds as decimal seconds without trailing zeros.
pub fn decimal_seconds(micros: u64) -> String {
    let (whole, micros) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    if micros == 0 { whole.to_string() } else { format!("{whole}.{micros:06}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_cell_of_a_formula_is_prefixed() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        for text in ["", "Ada", "1=1", "'=1", " =1", "a-b"] {
            assert_eq!(cell(text), text);
        }
        let mut records = CsvRecords::new(["name", "=x"]).unwrap();
        records.push(["a\"b,c", "-1"]).unwrap();
        assert_eq!(records.finish().unwrap(), b"name,'=x\n\"a\"\"b,c\",'-1\n");
        assert!(CsvRecords::new(["one"]).unwrap().push(["1", "2"]).is_err());
    }

    #[test]
    fn seconds_have_no_trailing_zeros() {
        let table = [(0, "0"), (1, "0.000001"), (500_000, "0.5"), (60_000_000, "60"), (86_399_999_990, "86399.99999")];
        for (micros, text) in table {
            assert_eq!(decimal_seconds(micros), text);
        }
    }
}
