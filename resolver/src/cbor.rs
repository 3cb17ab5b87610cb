//! The little CBOR that rows hold: definite lengths, shortest integers, read in place. A lookup reads
//! a record's index with it, and what it costs hardly depends on how much the record holds.

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Writes values one after the other.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn array(&mut self, length: usize) -> &mut Self {
        self.head(ARRAY, length as u64)
    }

    pub(crate) fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.head(TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.0.push(if value { TRUE } else { FALSE });
        self
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        self.0.push(NULL);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    // RFC 8949 §3: the shortest form of the argument.
    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let wide = argument.to_be_bytes();
        let (info, width) = match argument {
            // Never: the arm says that it is less than 24.
            0..24 => (u8::try_from(argument).unwrap_or(0), 0),
            24..0x100 => (24, 1),
            0x100..0x1_0000 => (25, 2),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 8),
        };
        self.0.push(major << 5 | info);
        self.0.extend_from_slice(wide.get(8 - width..).unwrap_or_default());
        self
    }
}

/// Reads what [`Writer`] wrote. Every method is `None` if the next value is something else.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The length of the array that begins here.
    pub(crate) fn array(&mut self) -> Option<usize> {
        self.head(ARRAY)?.try_into().ok()
    }

    /// Whether an array of just `length` values begins here.
    pub(crate) fn array_of(&mut self, length: usize) -> Option<()> {
        (self.array()? == length).then_some(())
    }

    pub(crate) fn uint(&mut self) -> Option<u64> {
        self.head(UINT)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.head(TEXT)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    pub(crate) fn bool(&mut self) -> Option<bool> {
        match self.take(1)? {
            [FALSE] => Some(false),
            [TRUE] => Some(true),
            _ => None,
        }
    }

    /// Skips a null, if one is next.
    pub(crate) fn null(&mut self) -> bool {
        let rest = self.0.strip_prefix(&[NULL]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Whether nothing but padding is left.
    pub(crate) fn is_padding(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length.try_into().ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn head(&mut self, major: u8) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        if first >> 5 != major {
            return None;
        }
        self.0 = rest;
        let width = match first & 0x1f {
            info @ 0..24 => return Some(info.into()),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        Some(self.take(width)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8949, appendix A.
    const EXAMPLES: [(u64, &str); 9] = [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (100, "1864"),
        (1000, "1903e8"),
        (1_000_000, "1a000f4240"),
        (1_000_000_000_000, "1b000000e8d4a51000"),
        (u64::MAX, "1bffffffffffffffff"),
        (255, "18ff"),
    ];

    #[test]
    fn integers_are_as_in_rfc_8949() {
        for (value, hex) in EXAMPLES {
            let mut writer = Writer::default();
            writer.uint(value);
            let bytes = writer.finish();
            assert_eq!(hex::encode(&bytes), hex);
            assert_eq!(Reader::new(&bytes).uint(), Some(value));
        }
    }

    #[test]
    fn values_stand_one_after_the_other() {
        let mut writer = Writer::default();
        writer.array(5).text("IETF").bytes(&[1, 2, 3, 4]).bool(true).null().bool(false);
        let bytes = writer.finish();
        assert_eq!(hex::encode(&bytes), "8564494554464401020304f5f6f4");
        let padded = [bytes.as_slice(), &[0; 3]].concat();
        let mut reader = Reader::new(&padded);
        assert_eq!(reader.array(), Some(5));
        assert_eq!(reader.text(), Some("IETF"));
        assert_eq!(reader.bytes(), Some(&[1, 2, 3, 4][..]));
        assert_eq!(reader.bool(), Some(true));
        assert!(reader.null() && !reader.null());
        assert_eq!(reader.bool(), Some(false));
        assert!(reader.is_padding());
    }

    #[test]
    fn rejects_other_types_and_truncation() {
        for hex in ["", "64", "6449", "5b", "9fff", "5f", "f6", "1b00000000000000", "1c"] {
            let bytes = hex::decode(hex).unwrap();
            let mut read = [Reader::new(&bytes), Reader::new(&bytes), Reader::new(&bytes)];
            assert_eq!(read[0].text(), None, "{hex}");
            assert_eq!(read[1].bytes(), None, "{hex}");
            assert_eq!((read[2].uint(), read[2].bool()), (None, None), "{hex}");
        }
        assert_eq!(Reader::new(&hex::decode("7bffffffffffffffff61").unwrap()).text(), None);
    }
}
