//! How a CSV file is punctuated.

/// The punctuation of a CSV file and what counts as missing in it.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// The byte between fields.
    pub delimiter: u8,
    /// The byte around fields that hold delimiters or line breaks, if there is one.
    pub quote: Option<u8>,
    /// Lines that start with this byte are skipped.
    pub comment: Option<u8>,
    /// Whether spaces and tabs around fields are dropped.
    pub trim: bool,
    /// The byte between whole and fractional digits.
    pub decimal: u8,
    /// Lines to skip at the start of each file, before the header.
    pub skip_lines: usize,
    /// What counts as missing.
    pub nulls: Nulls,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect {
            delimiter: b',',
            quote: Some(b'"'),
            comment: None,
            trim: false,
            decimal: b'.',
            skip_lines: 0,
            nulls: Nulls::new(&[String::new()]),
        }
    }
}

/// The texts that count as missing; asked once per field, so most fields are turned away by their length alone.
#[derive(Debug, Clone, Default)]
pub struct Nulls {
    texts: Vec<Vec<u8>>,
    /// Bit `n` is set when a text of `n` bytes is among them; bit 63 stands for all longer ones.
    lengths: u64,
}

impl Nulls {
    /// These texts.
    pub fn new(texts: &[String]) -> Nulls {
        let lengths = texts.iter().fold(0, |bits, text| bits | 1 << text.len().min(63));
        Nulls { texts: texts.iter().map(|text| text.clone().into_bytes()).collect(), lengths }
    }

    /// Whether `field` is missing.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.lengths >> field.len().min(63) & 1 == 1 && self.texts.iter().any(|text| text == field)
    }
}
