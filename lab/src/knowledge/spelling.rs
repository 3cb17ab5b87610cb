//! Every form in which somebody could have kept a canary: spelled, turned round, as a number, hashed without
//! a secret, and each of these as hex, base64, percent-encoding or a list of numbers.
//!
//! A form that random bytes could hold by chance is marked: ciphertext is random, and there is much of it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::net::Ipv4Addr;

/// Bits that must agree so that it is no chance: among 100 MB one form is found by chance in 10⁻⁶ of runs.
const CERTAIN_BITS: usize = 46;
/// Bytes of a hash that are searched for, so that shortened ones are found, too.
const HASH_BYTES: usize = 8;
/// Digits of a number's end, as it is written without the country or in parts.
const LAST_DIGITS: usize = 8;

/// What was planted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Canary {
    /// A name, a token, a mail address.
    Text(String),
    /// A URI around something that is a canary itself: only hashes of the whole are new.
    Uri(String),
    /// Digits of a telephone number, without `+`.
    Number(String),
    /// An address.
    Address(Ipv4Addr),
    /// A moment, in seconds since 1970.
    Moment(u64),
    /// Key, token or other bytes.
    Bytes(Vec<u8>),
}

/// One form of a canary.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// How it is written: `utf-16le, base64`.
    pub(super) name: String,
    /// What is searched for.
    pub(super) bytes: Vec<u8>,
    /// Whether random bytes may hold it.
    pub(super) by_chance: bool,
}

/// A spelling of a canary, before it is encoded once more.
struct Spelling {
    name: &'static str,
    bytes: Vec<u8>,
    bits: usize,
    /// Whether a part of it could be another canary's: the moment a second later has the same beginning.
    whole: bool,
}

impl Canary {
    /// All forms, each once.
    pub(super) fn forms(&self) -> Vec<Form> {
        let mut forms: Vec<_> = self.spellings().iter().flat_map(Spelling::encoded).collect();
        forms.sort_by(|one, other| one.bytes.cmp(&other.bytes));
        forms.dedup_by(|one, other| one.bytes == other.bytes);
        forms
    }

    fn spellings(&self) -> Vec<Spelling> {
        match self {
            Self::Text(text) => of_text(text),
            Self::Uri(uri) => hashes(uri.as_bytes()),
            Self::Number(digits) => of_number(digits),
            Self::Address(address) => of_address(*address),
            Self::Moment(seconds) => of_moment(*seconds),
            Self::Bytes(bytes) => {
                let reversed = bytes.iter().rev().copied().collect();
                let mut spellings =
                    vec![Spelling::new("bytes", bytes.clone()), Spelling::new("reversed", reversed)];
                spellings.extend(hashes(bytes));
                spellings
            }
        }
    }
}

fn of_text(text: &str) -> Vec<Spelling> {
    let utf16: Vec<u16> = text.encode_utf16().collect();
    let mut spellings = vec![
        Spelling::new("text", text.into()),
        Spelling::new("upper case", text.to_uppercase().into()),
        Spelling::new("lower case", text.to_lowercase().into()),
        Spelling::new("reversed", text.bytes().rev().collect()),
        Spelling::new("utf-16le", utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
        Spelling::new("utf-16be", utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        Spelling::new("percent-encoded", percent(text.as_bytes(), false).into()),
    ];
    spellings.extend(hashes(text.as_bytes()));
    spellings
}

fn of_number(digits: &str) -> Vec<Spelling> {
    let mut spellings = of_text(digits);
    for text in [format!("+{digits}"), format!("00{digits}")] {
        spellings.extend(hashes(text.as_bytes()));
    }
    let last = digits.get(digits.len().saturating_sub(LAST_DIGITS)..).unwrap_or(digits);
    // Three and a third bits each: other numbers end so, too.
    spellings.push(Spelling { bits: last.len() * 10 / 3, ..Spelling::new("last digits", last.into()) });
    let bcd = bcd(digits);
    spellings.push(Spelling::new("swapped bcd", bcd.iter().map(|byte| byte.rotate_left(4)).collect()));
    spellings.push(Spelling::new("bcd", bcd));
    if let Ok(number) = digits.parse::<u64>() {
        let big: Vec<_> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        spellings.push(Spelling::new("integer, little-endian", big.iter().rev().copied().collect()));
        spellings.push(Spelling::new("integer", big));
    }
    spellings
}

fn of_address(address: Ipv4Addr) -> Vec<Spelling> {
    let number = address.to_bits();
    let [a, b, c, d] = address.octets();
    let mut spellings = of_text(&address.to_string());
    spellings.extend([
        Spelling::new("bytes", number.to_be_bytes().into()),
        Spelling::new("bytes, little-endian", number.to_le_bytes().into()),
        Spelling { bits: 32, ..Spelling::new("decimal", number.to_string().into()) },
        Spelling {
            bits: 32,
            ..Spelling::new("decimal, little-endian", number.swap_bytes().to_string().into())
        },
        Spelling { bits: 32, ..Spelling::new("IPv6", format!("{a:x}{b:02x}:{c:x}{d:02x}").into()) },
        Spelling::new("dashed", format!("{a}-{b}-{c}-{d}").into()),
    ]);
    spellings.extend(hashes(&address.octets()));
    spellings
}

fn of_moment(seconds: u64) -> Vec<Spelling> {
    let mut spellings =
        vec![Spelling { bits: 32, ..Spelling::new("seconds since 1970", seconds.to_string().into()) }];
    if let Ok(short) = u32::try_from(seconds) {
        spellings.push(Spelling::new("32 bits", short.to_be_bytes().into()));
        spellings.push(Spelling::new("32 bits, little-endian", short.to_le_bytes().into()));
    }
    if let Ok(moment) = time::OffsetDateTime::from_unix_timestamp(seconds.cast_signed()) {
        let (date, (hour, minute, second)) = (moment.date(), moment.to_hms());
        let month = u8::from(date.month());
        let (year, day) = (date.year(), date.day());
        let clock = format!("{hour:02}:{minute:02}:{second:02}");
        for text in
            [format!("{year}-{month:02}-{day:02}T{clock}"), format!("{year}-{month:02}-{day:02} {clock}")]
        {
            spellings.push(Spelling { bits: 32, ..Spelling::new("date and time", text.into()) });
        }
        let month = date.month().to_string();
        let month = month.get(..3).unwrap_or_default();
        let text = format!("{day:02} {month} {year} {clock}");
        spellings.push(Spelling { bits: 32, ..Spelling::new("HTTP date", text.into()) });
    }
    spellings.into_iter().map(|spelling| Spelling { whole: true, ..spelling }).collect()
}

fn hashes(of: &[u8]) -> Vec<Spelling> {
    let all = [
        ("SHA-256", Sha256::digest(of).to_vec()),
        ("SHA-384", Sha384::digest(of).to_vec()),
        ("SHA-512", Sha512::digest(of).to_vec()),
        ("SHA-1", Sha1::digest(of).to_vec()),
        ("MD5", Md5::digest(of).to_vec()),
    ];
    let short = |(name, hash): (_, Vec<u8>)| Spelling::new(name, hash.into_iter().take(HASH_BYTES).collect());
    all.into_iter().map(short).collect()
}

/// Two digits in a byte; an odd last one with F beside it.
fn bcd(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.bytes().map(|digit| digit.wrapping_sub(b'0') & 0xf).collect();
    digits.chunks(2).map(|pair| (pair.first().unwrap_or(&0) << 4) | pair.get(1).unwrap_or(&0xf)).collect()
}

fn percent(bytes: &[u8], all: bool) -> String {
    let keep = |byte: &u8| !all && (byte.is_ascii_alphanumeric() || b"-._~".contains(byte));
    let each = |byte: &u8| if keep(byte) { char::from(*byte).into() } else { format!("%{byte:02X}") };
    bytes.iter().map(each).collect()
}

impl Spelling {
    fn new(name: &'static str, bytes: Vec<u8>) -> Self {
        let bits = bytes.len() * 8;
        Self { name, bytes, bits, whole: false }
    }

    fn encoded(&self) -> Vec<Form> {
        let mut forms = vec![self.form("", self.bytes.clone(), self.bits)];
        let mut more = |encoding, bytes: String, bits: usize| {
            forms.push(self.form(encoding, bytes.into_bytes(), bits.min(self.bits)));
        };
        more(", hex", hex::encode(&self.bytes), self.bits);
        more(", hex", hex::encode_upper(&self.bytes), self.bits);
        more(", percent-encoded", percent(&self.bytes, true), self.bits);
        more(", percent-encoded", percent(&self.bytes, true).to_lowercase(), self.bits);
        let numbers: Vec<_> = self.bytes.iter().map(u8::to_string).collect();
        more(", list", numbers.join(", "), self.bits);
        more(", list", numbers.join(","), self.bits);
        let ends = |shift: &usize| !self.whole || (shift + self.bytes.len()).is_multiple_of(3);
        for shift in (0..3).filter(ends) {
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                let core = base64_core(&self.bytes, shift, &engine);
                let bits = core.len() * 6;
                more(", base64", core, bits);
            }
        }
        forms
    }

    fn form(&self, encoding: &str, bytes: Vec<u8>, bits: usize) -> Form {
        Form { name: format!("{}{encoding}", self.name), bytes, by_chance: bits < CERTAIN_BITS }
    }
}

/// The characters of base64 that come from `bytes` alone, when `shift` other bytes stand before them in a group
/// of three.
fn base64_core(bytes: &[u8], shift: usize, engine: &impl Engine) -> String {
    let padded = [vec![0; shift].as_slice(), bytes].concat();
    let from = (shift * 8).div_ceil(6);
    let until = padded.len() * 8 / 6;
    engine.encode(padded).get(from..until).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn spelled(canary: &Canary, form: &[u8], name: &str) {
        let forms = canary.forms();
        let found =
            forms.iter().find(|it| !it.bytes.is_empty() && contains(form, &it.bytes) && it.name == name);
        assert!(found.is_some(), "{name}: {:?}", String::from_utf8_lossy(form));
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    /// Values from the command line: `printf +14155550123 | md5sum`, `base64`, `xxd`.
    #[test]
    fn a_number_is_found_in_every_spelling() {
        let number = Canary::Number("14155550123".into());
        spelled(&number, b"<+14155550123>", "text");
        spelled(&number, b"415-55550123", "last digits");
        spelled(&number, b"32105555141", "reversed");
        spelled(&number, b"3134313535353530313233", "text, hex");
        spelled(&number, b"KzE0MTU1NTUwMTIz", "text, base64");
        spelled(&number, &[0x14, 0x15, 0x55, 0x50, 0x12, 0x3f], "bcd");
        spelled(&number, &[0x41, 0x51, 0x55, 0x05, 0x21, 0xf3], "swapped bcd");
        spelled(&number, b"4151550521f3", "swapped bcd, hex");
        spelled(&number, &[0x03, 0x4b, 0xbc, 0x8d, 0xab], "integer");
    }

    #[test]
    fn unsalted_hashes_are_found_whole_and_shortened() {
        let number = Canary::Number("14155550123".into());
        let of = |text: &str| hex::encode(Sha256::digest(text));
        spelled(&number, of("+14155550123").as_bytes(), "SHA-256, hex");
        let uri = Canary::Uri("tel:+14155550123".into());
        spelled(&uri, of("tel:+14155550123").get(..16).unwrap().as_bytes(), "SHA-256, hex");
        let md5 = Md5::digest("14155550123");
        spelled(&number, STANDARD_NO_PAD.encode(md5).as_bytes(), "MD5, base64");
    }

    /// 127.113.57.201 is 0x7f7139c9 is 2138126793.
    #[test]
    fn an_address_is_found_as_text_and_as_numbers() {
        let address = Canary::Address(Ipv4Addr::new(127, 113, 57, 201));
        for (form, name) in [
            (&b"[127.113.57.201]:443"[..], "text"),
            (b"2138126793", "decimal"),
            (b"\x7f\x71\x39\xc9", "bytes"),
            (b"\xc9\x39\x71\x7f", "bytes, little-endian"),
            (b"7F7139C9", "bytes, hex"),
            (b"::ffff:7f71:39c9", "IPv6"),
            (b"127, 113, 57, 201", "bytes, list"),
            (b"%7F%71%39%C9", "bytes, percent-encoded"),
        ] {
            spelled(&address, form, name);
        }
        let forms = address.forms();
        let chance = |name: &str| forms.iter().find(|form| form.name == name).unwrap().by_chance;
        assert!(chance("bytes") && !chance("text"));
    }

    #[test]
    fn base64_is_found_at_every_place_in_other_bytes() {
        let canary = Canary::Text("canary-alice".into());
        for before in ["", "a", "ab", "abc", "abcd"] {
            let text = URL_SAFE_NO_PAD.encode(format!("{before}canary-alice and more"));
            spelled(&canary, text.as_bytes(), "text, base64");
        }
    }

    /// `date -u -d @1795421565`.
    #[test]
    fn a_moment_is_found_as_date_and_as_seconds() {
        let moment = Canary::Moment(1_795_421_565);
        spelled(&moment, b"at=1795421565123", "seconds since 1970");
        spelled(&moment, b"2026-11-23T08:12:45.123456Z", "date and time");
        spelled(&moment, b"Mon, 23 Nov 2026 08:12:45 GMT", "HTTP date");
        spelled(&moment, &1_795_421_565_u32.to_be_bytes(), "32 bits");
    }

    /// `printf mailto:alice@a.example | sha512sum`, and of mimi://b.example/u/alice with `sha384sum`.
    #[test]
    fn hashes_of_whole_uris_are_found() {
        let mail = Canary::Uri("mailto:alice@a.example".into());
        spelled(&mail, b"439c35adb049293cf28bed6899277556", "SHA-512, hex");
        let answer = Canary::Uri("mimi://b.example/u/alice".into());
        spelled(&answer, b"e6b42142a352cb7dc3be60f7b7f724c8", "SHA-384, hex");
    }

    #[test]
    fn utf16_and_percent_encoding_are_found() {
        let mail = Canary::Text("alice@a.example".into());
        let utf16: Vec<u8> = "alice@a.example".encode_utf16().flat_map(u16::to_be_bytes).collect();
        spelled(&mail, &utf16, "utf-16be");
        spelled(&mail, b"q=alice%40a.example", "percent-encoded");
    }
}
