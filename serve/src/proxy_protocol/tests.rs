//! Headers by the specification's layout (section 2.2), spelled out byte by byte, and what is none.

use proptest::prelude::*;

use super::*;

/// The signature as the specification prints it.
const START: &str = "0d0a0d0a000d0a515549540a";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

fn header(rest: &str) -> Vec<u8> {
    bytes(&format!("{START}{rest}"))
}

fn client(address: &str) -> Source {
    Source::Client(address.parse().unwrap())
}

#[test]
fn tcp_over_ipv4_names_its_source() {
    // 192.0.2.7:50000 to 198.51.100.1:443.
    let header = header("21 11 000c c0000207 c6336401 c350 01bb");
    assert_eq!(decode(&header), Ok((client("192.0.2.7"), 28)));
}

#[test]
fn tcp_over_ipv6_names_its_source() {
    // 2001:db8::7 to 2001:db8::1.
    let header =
        header("21 21 0024 20010db8000000000000000000000007 20010db8000000000000000000000001 c350 01bb");
    assert_eq!(decode(&header), Ok((client("2001:db8::7"), 52)));
}

#[test]
fn extensions_are_skipped_and_what_follows_is_left() {
    // PP2_TYPE_ALPN (0x01) "h2" and PP2_TYPE_NOOP (0x04) of one byte, then a TLS record begins.
    let header = header("21 11 0015 c0000207 c6336401 c350 01bb 010002 6832 040001 00 160301");
    assert_eq!(decode(&header), Ok((client("192.0.2.7"), 37)));
}

#[test]
fn a_health_check_is_nobodys() {
    assert_eq!(decode(&header("20 00 0000")), Ok((Source::Unnamed, 16)));
    // The block of a LOCAL command is skipped, even if it holds addresses.
    assert_eq!(decode(&header("20 11 000c c0000207 c6336401 c350 01bb")), Ok((Source::Unnamed, 28)));
}

#[test]
fn whom_the_balancer_cannot_name_has_no_address() {
    assert_eq!(decode(&header("21 00 0000")), Ok((Source::Unnamed, 16)));
    let unix = format!("21 31 00d8 {}", "00".repeat(216));
    assert_eq!(decode(&header(&unix)), Ok((Source::Unnamed, 232)));
}

#[test]
fn rejects_version_1() {
    let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n";
    assert_eq!(decode(line), Err(ProxyError::Version1));
}

#[test]
fn rejects_what_has_no_header() {
    assert_eq!(decode(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"), Err(ProxyError::Signature));
    // A TLS ClientHello, and a signature with one wrong byte.
    assert_eq!(decode(&bytes("16030100f8010000f40303000102030405060708")), Err(ProxyError::Signature));
    assert_eq!(decode(&bytes("0d0a0d0a000d0a515549540b 20 00 0000")), Err(ProxyError::Signature));
}

#[test]
fn rejects_unknown_version_or_command() {
    for command in ["10", "11", "22", "2f", "31", "00"] {
        assert_eq!(decode(&header(&format!("{command} 00 0000"))), Err(ProxyError::Command), "{command}");
    }
}

#[test]
fn rejects_unknown_family_and_datagrams() {
    for family in ["01", "10", "12", "13", "20", "22", "30", "32", "41", "ff"] {
        let header = header(&format!("21 {family} 0024 {}", "00".repeat(36)));
        assert_eq!(decode(&header), Err(ProxyError::Family), "{family}");
    }
}

#[test]
fn rejects_addresses_that_do_not_fit_the_block() {
    assert_eq!(decode(&header("21 11 000b c0000207 c6336401 c350 01")), Err(ProxyError::Truncated));
    let short = format!("21 21 0023 {}", "00".repeat(35));
    assert_eq!(decode(&header(&short)), Err(ProxyError::Truncated));
}

#[test]
fn rejects_a_header_that_is_cut_off() {
    let whole = header("21 11 000c c0000207 c6336401 c350 01bb");
    for length in 0..whole.len() {
        assert_eq!(decode(&whole[..length]), Err(ProxyError::Truncated), "{length}");
    }
}

#[test]
fn rejects_a_header_over_536_bytes() {
    // 520 bytes after the prefix are the most.
    let longest = format!("21 11 0208 {}", "00".repeat(520));
    assert_eq!(decode(&header(&longest)), Ok((client("0.0.0.0"), 536)));
    let longer = format!("21 11 0209 {}", "00".repeat(521));
    assert_eq!(decode(&header(&longer)), Err(ProxyError::TooLong));
    assert_eq!(decode(&header("20 00 ffff")), Err(ProxyError::TooLong));
}

proptest! {
    #[test]
    fn whatever_comes_is_read_within_the_bound_or_refused(
        rest in prop::collection::vec(any::<u8>(), 0..600),
        signed in any::<bool>(),
    ) {
        let bytes = if signed { [bytes(START), rest].concat() } else { rest };
        if let Ok((_, length)) = decode(&bytes) {
            prop_assert!((16..=536).contains(&length) && length <= bytes.len());
            prop_assert!(decode(&bytes[..length]) == decode(&bytes), "what follows does not matter");
        }
    }

    #[test]
    fn every_client_is_named_as_the_balancer_names_it(
        v4 in any::<[u8; 4]>(),
        v6 in any::<[u8; 16]>(),
        tail in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let block = [&v4[..], &[198, 51, 100, 1, 0xc3, 0x50, 1, 0xbb], &tail].concat();
        let header = [&bytes(START)[..], &[0x21, 0x11], &(block.len() as u16).to_be_bytes(), &block].concat();
        prop_assert_eq!(decode(&header), Ok((Source::Client(v4.into()), header.len())));
        let block = [&v6[..], &[0; 20], &tail].concat();
        let header = [&bytes(START)[..], &[0x21, 0x21], &(block.len() as u16).to_be_bytes(), &block].concat();
        prop_assert_eq!(decode(&header), Ok((Source::Client(v6.into()), header.len())));
    }
}
