//! The vectors of the design, and a test for each malformation.

use super::*;

fn phone(number: &str, tag: Option<&str>) -> IdentifierRequest {
    IdentifierRequest {
        subject: Subject::Exact(Csi::phone(number).unwrap()),
        tag: tag.map(|tag| Tag::new(tag).unwrap()),
    }
}

// The first four tests: the vectors of the design, §5.

#[test]
fn request_for_a_phone_number_is_the_vector() {
    let vector = hex::decode("0e040c2b313231323535353132313200").unwrap();
    assert_eq!(phone("+12125551212", None).encode().unwrap(), vector);
    assert_eq!(IdentifierRequest::decode(&vector).unwrap(), phone("+12125551212", None));
}

#[test]
fn response_success_is_the_vector() {
    let vector = hex::decode("0019186d696d693a2f2f612e6578616d706c652f752f616c6963650000").unwrap();
    let response = IdentifierResponse {
        code: ResponseCode::Success,
        uris: vec![MimiUri::new("mimi://a.example/u/alice").unwrap()],
        mappings: vec![],
    };
    assert_eq!(response.encode().unwrap(), vector);
    assert_eq!(IdentifierResponse::decode(&vector).unwrap(), response);
}

#[test]
fn response_not_found_is_the_vector() {
    let vector = [1, 0, 0, 0];
    let response = IdentifierResponse::empty(ResponseCode::NotFound);
    assert_eq!(response.encode().unwrap(), vector);
    assert_eq!(IdentifierResponse::decode(&vector).unwrap(), response);
}

#[test]
fn components_are_the_vector() {
    let mut components = Components::default();
    components.insert(0x8001, b"abc".to_vec());
    let vector = hex::decode("06800103616263").unwrap();
    assert_eq!(components.tls_serialize_bytes().unwrap(), vector);
}

#[test]
fn requested_tag_survives() {
    let request = phone("+14155550123", Some("Work"));
    assert_eq!(IdentifierRequest::decode(&request.encode().unwrap()).unwrap(), request);
}

#[test]
fn mappings_survive() {
    let response = IdentifierResponse {
        code: ResponseCode::Success,
        uris: vec![],
        mappings: vec![
            VerifiableMapping::new(vec![1; 600], vec![2; 100]),
            VerifiableMapping::new(vec![3; 70], vec![]),
        ],
    };
    assert_eq!(IdentifierResponse::decode(&response.encode().unwrap()).unwrap(), response);
}

#[test]
fn other_search_types_are_unsupported() {
    for bytes in [
        "050203616263 00",
        "0505 03 616263 00",
        "0506 03 616263 00",
        "0707 03 616263 0161 00",
        "0708 03 616263 0161 00",
    ] {
        let bytes = hex::decode(bytes.replace(' ', "")).unwrap();
        assert!(IdentifierRequest::decode(&bytes).unwrap().subject == Subject::Unsupported);
    }
}

#[test]
fn two_elements_are_unsupported() {
    let bytes = hex::decode("0a 04032b3132 04032b3132 00".replace(' ', "")).unwrap();
    assert!(IdentifierRequest::decode(&bytes).unwrap().subject == Subject::Unsupported);
}

#[test]
fn uncanonical_number_is_named_as_such() {
    let bytes = hex::decode("0504 03 313233 00".replace(' ', "")).unwrap();
    let subject = IdentifierRequest::decode(&bytes).unwrap().subject;
    assert!(subject == Subject::NotCanonical(IdentifierError::PhoneSyntax));
}

#[test]
fn rejects_truncated_request() {
    let whole = phone("+14155550123", Some("Work")).encode().unwrap();
    for end in 0..whole.len() {
        assert!(IdentifierRequest::decode(&whole[..end]).is_err(), "{end}");
    }
}

#[test]
fn rejects_trailing_bytes() {
    let mut bytes = phone("+14155550123", None).encode().unwrap();
    bytes.push(0);
    assert_eq!(IdentifierRequest::decode(&bytes), Err(QueryError::Malformed));
}

#[test]
fn rejects_non_minimal_vector_length() {
    // RFC 9420 §2.1.2: the length 14 in two bytes instead of one.
    let bytes = hex::decode("400e040c2b313231323535353132313200").unwrap();
    assert_eq!(IdentifierRequest::decode(&bytes), Err(QueryError::Malformed));
}

#[test]
fn rejects_reserved_search_type() {
    assert_eq!(IdentifierRequest::decode(&[2, 0, 0, 0]), Err(QueryError::Malformed));
    assert_eq!(IdentifierRequest::decode(&[2, 9, 0, 0]), Err(QueryError::Malformed));
}

#[test]
fn rejects_components_out_of_order() {
    let bytes = hex::decode("0e040c2b3132313235353531323132 06 8d0300 8d0200".replace(' ', "")).unwrap();
    assert_eq!(IdentifierRequest::decode(&bytes), Err(QueryError::Components));
}

#[test]
fn rejects_unknown_response_code() {
    assert_eq!(IdentifierResponse::decode(&[5, 0, 0, 0]), Err(QueryError::Code));
}

#[test]
fn rejects_length_of_a_gigabyte_without_allocating_it() {
    assert_eq!(IdentifierRequest::decode(&[0xbf, 0xff, 0xff, 0xff]), Err(QueryError::Malformed));
}

#[test]
fn debug_never_shows_the_identifier() {
    let request = phone("+14155550123", Some("Work"));
    assert_eq!(format!("{request:?}"), "IdentifierRequest(…)");
}
