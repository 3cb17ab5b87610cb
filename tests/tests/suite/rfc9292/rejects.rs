//! One test per way in which a message's framing or fields are wrong.

use super::*;

fn request_error(bytes: impl AsRef<[u8]>) -> DecodeError {
    decode_request(bytes.as_ref()).unwrap_err()
}

fn response_error(bytes: impl AsRef<[u8]>) -> DecodeError {
    decode_response(bytes.as_ref()).unwrap_err()
}

#[test]
fn rejects_empty_message() {
    assert_eq!(request_error([]), DecodeError::Truncated);
    assert_eq!(response_error([]), DecodeError::Truncated);
}

#[test]
fn rejects_message_beyond_bound() {
    let mut message = request_start(0);
    message.resize(65_536, 0);
    assert!(decode_request(&message).is_ok());
    message.push(0);
    assert_eq!(request_error(message), DecodeError::TooLarge);
}

#[test]
fn c40_rejects_unknown_framing() {
    assert_eq!(request_error(request_start(4)), DecodeError::Framing);
    // 2^62 - 1
    assert_eq!(response_error([0xff; 8]), DecodeError::Framing);
}

#[test]
fn c40_rejects_response_as_request() {
    assert_eq!(request_error([1, 0x40, 200]), DecodeError::ExpectedRequest);
    assert_eq!(request_error([3, 0x40, 200]), DecodeError::ExpectedRequest);
}

#[test]
fn c40_rejects_request_as_response() {
    assert_eq!(response_error(request_start(0)), DecodeError::ExpectedResponse);
    assert_eq!(response_error(request_start(2)), DecodeError::ExpectedResponse);
}

#[test]
fn c41_rejects_truncated_control_data() {
    let start = request_start(0);
    for len in 1..start.len() {
        let error = request_error(&start[..len]);
        let truncated = matches!(error, DecodeError::Truncated | DecodeError::LengthBeyondEnd);
        assert!(truncated, "{len}: {error}");
    }
}

#[test]
fn c41_rejects_truncated_status() {
    assert_eq!(response_error([1]), DecodeError::Truncated);
    assert_eq!(response_error([1, 0x40]), DecodeError::Truncated);
}

#[test]
fn c41_rejects_truncated_field_line() {
    // The section has room for a name only.
    let message = [request_start(0), vec![3, 2, b'a', b'b']].concat();
    assert_eq!(request_error(message), DecodeError::Truncated);
}

#[test]
fn rejects_field_beyond_its_section() {
    let message = [request_start(0), vec![4, 1, b'a', 9, b'b'], vec![0; 20]].concat();
    assert_eq!(request_error(message), DecodeError::LengthBeyondEnd);
}

#[test]
fn c41_rejects_unterminated_indeterminate_section() {
    let message = [request_start(2), lines(&[("a", b"b")])].concat();
    assert_eq!(request_error(message), DecodeError::Truncated);
}

#[test]
fn c41_rejects_unterminated_indeterminate_content() {
    let message = [request_start(2), vec![0], prefixed(b"chunk")].concat();
    assert_eq!(request_error(message), DecodeError::Truncated);
}

#[test]
fn c48_rejects_length_beyond_end() {
    let message = [request_start(0), vec![0], vec![5], b"four".to_vec()].concat();
    assert_eq!(request_error(message), DecodeError::LengthBeyondEnd);
}

#[test]
fn c47_rejects_status_out_of_range() {
    for status in [[0x40, 0], [0x40, 99], [0x42, 0x58], [0x7f, 0xff]] {
        assert_eq!(response_error([&[1][..], &status].concat()), DecodeError::Status);
    }
    // 200 + 2^32 must not wrap round.
    assert_eq!(response_error([1, 0xc0, 0, 0, 1, 0, 0, 0, 200]), DecodeError::Status);
}

#[test]
fn c46_rejects_switching_protocols() {
    let message = [1, 0x40, 101, 0, 0x40, 200];
    assert_eq!(response_error(message), DecodeError::SwitchingProtocols);
}

#[test]
fn c47_rejects_informational_without_final() {
    assert_eq!(response_error([1, 0x40, 103, 0]), DecodeError::NoFinalResponse);
    assert_eq!(response_error([1, 0x40, 103]), DecodeError::NoFinalResponse);
}

#[test]
fn rejects_too_many_informational() {
    let message = |count| [vec![1], [0x40, 103, 0].repeat(count), vec![0x40, 200]].concat();
    assert!(decode_response(&message(8)).is_ok());
    assert_eq!(response_error(message(9)), DecodeError::TooManyInformational);
}

#[test]
fn rejects_too_many_fields() {
    let message = |count| request_with(&vec![("a", &b"b"[..]); count]);
    assert!(decode_request(&message(64)).is_ok());
    assert_eq!(request_error(message(65)), DecodeError::TooManyFields);
}

#[test]
fn rejects_too_many_fields_over_all_sections() {
    let section = prefixed(&lines(&[("a", &b"b"[..]); 22]));
    let sections = |trailers: &[u8]| {
        let informational = [&[1, 0x40, 103][..], &section, &[0x40, 200]].concat();
        [&informational[..], &section, &[0], trailers].concat()
    };
    assert!(decode_response(&sections(&[0])).is_ok());
    assert_eq!(response_error(sections(&section)), DecodeError::TooManyFields);
}

#[test]
fn c43_rejects_empty_field_name() {
    let error = request_error(request_with(&[("", b"x")]));
    assert_eq!(error, DecodeError::EmptyFieldName);
}

#[test]
fn c43_rejects_pseudo_fields() {
    for name in [":method", ":scheme", ":authority", ":path", ":status", ":protocol", ":", ":x"] {
        assert_eq!(request_error(request_with(&[(name, b"x")])), DecodeError::PseudoField);
        assert_eq!(response_error(response_with(&[(name, b"x")], b"")), DecodeError::PseudoField);
    }
}

#[test]
fn c43_rejects_pseudo_fields_in_trailers() {
    let trailers = prefixed(&lines(&[(":x", b"y")]));
    let error = response_error([response_with(&[], b"content"), trailers].concat());
    assert_eq!(error, DecodeError::PseudoField);
}

#[test]
fn c43_rejects_invalid_field_in_informational() {
    let section = prefixed(&lines(&[("a", b"b\n")]));
    let message = [&[1, 0x40, 103][..], &section, &[0x40, 200]].concat();
    assert_eq!(response_error(message), DecodeError::FieldValue);
}

#[test]
fn c43_rejects_field_name_that_is_no_token() {
    for name in ["a b", "a:", "a\r\n", "a\0", "na\u{ef}ve", "\"a\"", "a/b", " a", "a(b)"] {
        assert_eq!(request_error(request_with(&[(name, b"x")])), DecodeError::FieldName);
    }
}

#[test]
fn c43_rejects_control_characters_in_value() {
    for value in [&b"a\0b"[..], b"a\rb", b"a\nb", b"a\r\nb: c", b"\n", b"a\x01b", b"a\x7f"] {
        assert_eq!(request_error(request_with(&[("x", value)])), DecodeError::FieldValue);
    }
}

#[test]
fn c43_rejects_whitespace_around_value() {
    for value in [&b" a"[..], b"a ", b"\ta", b"a\t", b" ", b"\t"] {
        assert_eq!(request_error(request_with(&[("x", value)])), DecodeError::FieldWhitespace);
    }
}

#[test]
fn rejects_content_length_that_lies() {
    let error = |fields| response_error(response_with(fields, b"four"));
    assert_eq!(error(&[("content-length", b"3")]), DecodeError::ContentLength);
    assert_eq!(error(&[("content-length", b"+4")]), DecodeError::ContentLength);
    assert_eq!(error(&[("content-length", b"")]), DecodeError::ContentLength);
    let twice: Lines<'_> = &[("content-length", b"4"), ("content-length", b"4")];
    assert_eq!(error(twice), DecodeError::ContentLength);
    let request = request_with(&[("content-length", b"5")]);
    assert_eq!(request_error(request), DecodeError::ContentLength);
}
