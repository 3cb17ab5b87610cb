//! Where an address is read, and what is refused for want of one.

use http::HeaderValue;

use super::*;

fn clients(text: &str) -> Clients {
    toml::from_str(text).unwrap()
}

fn admission(behind: &str) -> Admission {
    Admission::new(&clients(&format!("behind = {behind}\nrate = {{ per_minute = 1, burst = 1 }}\n")))
}

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("x-forwarded-for", HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn entry(values: &[&str], proxies: usize) -> Option<String> {
    let address = forwarded_for(&headers(values), NonZeroUsize::new(proxies).unwrap());
    address.map(|address| address.to_string())
}

#[test]
fn by_default_nothing_is_read_and_nobody_refused() {
    let admission = Admission::of_everybody();
    let peer = "192.0.2.7:50000".parse().unwrap();
    for _ in 0..1000 {
        assert_eq!(admission.accepted(Some(peer)), Ok(None));
        assert_eq!(admission.asked(&mut headers(&["garbage"]), None), Ok(()));
    }
}

#[test]
fn no_handler_sees_an_address_whoever_wrote_it_down() {
    for behind in ["\"nobody\"", "\"proxy_protocol\"", "{ forwarded_for = { proxies = 1 } }"] {
        let unlimited = Admission::new(&clients(&format!("behind = {behind}")));
        for admission in [unlimited, admission(behind)] {
            let mut seen = headers(&["192.0.2.7"]);
            seen.insert("forwarded", "for=192.0.2.7".parse().unwrap());
            let _ = admission.asked(&mut seen, None);
            assert!(seen.is_empty(), "{behind}: {seen:?}");
        }
    }
}

#[test]
fn without_a_rate_too_a_request_without_its_entry_is_refused() {
    let admission = Admission::new(&clients("behind = { forwarded_for = { proxies = 1 } }"));
    assert_eq!(admission.asked(&mut HeaderMap::new(), None), Err(Refused::ForwardedFor));
    assert_eq!(admission.asked(&mut headers(&["192.0.2.7"]), None), Ok(()));
}

#[test]
fn a_connection_and_a_request_cost_the_same_token() {
    let admission = admission("\"nobody\"");
    let (one, other) = ("192.0.2.7:50000".parse().unwrap(), "192.0.2.8:50000".parse().unwrap());
    let origin = admission.accepted(Some(one)).unwrap();
    assert!(matches!(admission.asked(&mut HeaderMap::new(), origin), Err(Refused::Rate(_))));
    assert_eq!(admission.accepted(Some(one)), Err(Unwelcome::Rate));
    assert!(admission.accepted(Some(other)).is_ok());
}

#[test]
fn a_field_that_clients_can_send_is_not_read_where_nobody_adds_it() {
    let admission = admission("\"nobody\"");
    let origin = admission.accepted(Some("192.0.2.7:50000".parse().unwrap())).unwrap();
    let mut claimed = headers(&["198.51.100.1"]);
    assert!(matches!(admission.asked(&mut claimed, origin), Err(Refused::Rate(_))));
}

#[test]
fn the_entry_is_counted_from_the_right_over_all_fields() {
    let two = ["203.0.113.9, 192.0.2.1", "192.0.2.2 ,192.0.2.3"];
    assert_eq!(entry(&two, 1).as_deref(), Some("192.0.2.3"));
    assert_eq!(entry(&two, 2).as_deref(), Some("192.0.2.2"));
    assert_eq!(entry(&two, 3).as_deref(), Some("192.0.2.1"));
    assert_eq!(entry(&two, 4).as_deref(), Some("203.0.113.9"));
    assert_eq!(entry(&two, 5), None, "too few");
}

#[test]
fn an_entry_may_have_a_port_and_brackets() {
    for (written, address) in [
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
    ] {
        assert_eq!(entry(&[written], 1).as_deref(), Some(address), "{written}");
    }
}

#[test]
fn rejects_an_entry_that_is_no_address() {
    for garbage in ["", "unknown", "_hidden", "192.0.2", "192.0.2.7,", "a.example", "\u{e9}", "::1::"] {
        assert_eq!(entry(&[garbage], 1), None, "{garbage}");
    }
    assert_eq!(entry(&[], 1), None);
}

#[test]
fn a_request_without_the_entry_is_refused_and_with_it_counted() {
    let admission = admission("{ forwarded_for = { proxies = 1 } }");
    // Of the proxy's own connections there are as many as it likes.
    for _ in 0..3 {
        assert_eq!(admission.accepted(Some("10.0.0.1:1".parse().unwrap())), Ok(None));
    }
    assert_eq!(admission.asked(&mut HeaderMap::new(), None), Err(Refused::ForwardedFor));
    let mut first = headers(&["203.0.113.9, 192.0.2.7"]);
    assert_eq!(admission.asked(&mut first, None), Ok(()));
    assert!(first.is_empty(), "the handler does not see it");
    // What the client itself has put in front does not help it.
    let again = admission.asked(&mut headers(&["203.0.113.10, 192.0.2.7"]), None);
    assert!(matches!(again, Err(Refused::Rate(_))));
}

#[tokio::test]
async fn a_balancers_header_is_read_and_no_byte_more() {
    let admission = admission("\"proxy_protocol\"");
    // 192.0.2.7:50000 to 198.51.100.1:443, and one extension of one byte.
    let header = hex::decode("0d0a0d0a000d0a515549540a21110010c0000207c6336401c35001bb04000100").unwrap();
    let bytes = [&header[..], b"\x16\x03\x01"].concat();
    let mut io = bytes.as_slice();
    let origin = admission.greeted(&mut io, None).await.unwrap();
    assert_eq!((io, origin.is_some()), (b"\x16\x03\x01".as_slice(), true));
    assert_eq!(admission.greeted(&mut bytes.as_slice(), None).await, Err(Unwelcome::Rate));
}

#[tokio::test]
async fn without_a_balancers_header_a_connection_is_closed() {
    let admission = admission("\"proxy_protocol\"");
    let cut_off = hex::decode("0d0a0d0a000d0a515549540a2111000cc000").unwrap();
    for bytes in [b"\x16\x03\x01\0\xf8\x01\0\0\xf4\x03\x03\x01\x02\x03\x04\x05\x06".as_slice(), b"", &cut_off]
    {
        assert_eq!(admission.greeted(&mut &*bytes, None).await, Err(Unwelcome::ProxyHeader));
    }
}

#[tokio::test]
async fn a_balancers_checks_do_not_spend_a_clients_tokens() {
    let admission = admission("\"proxy_protocol\"");
    let local = hex::decode("0d0a0d0a000d0a515549540a20000000").unwrap();
    assert_eq!(admission.greeted(&mut local.as_slice(), None).await, Ok(Some(Origin::Unnamed)));
    assert_eq!(admission.greeted(&mut local.as_slice(), None).await, Err(Unwelcome::Rate));
    let header = hex::decode("0d0a0d0a000d0a515549540a2111000cc0000207c6336401c35001bb").unwrap();
    assert!(admission.greeted(&mut header.as_slice(), None).await.is_ok());
}

#[test]
fn what_stands_in_front_is_one_of_three() {
    let proxies = NonZeroUsize::new(2).unwrap();
    assert_eq!(clients("").behind, Behind::Nobody);
    assert_eq!(clients("behind = \"proxy_protocol\"").behind, Behind::ProxyProtocol);
    let forwarded = clients("behind = { forwarded_for = { proxies = 2 } }");
    assert_eq!(forwarded.behind, Behind::ForwardedFor { proxies });
    for text in [
        "behind = \"forwarded_for\"",
        "behind = { forwarded_for = { proxies = 0 } }",
        "behind = \"somebody\"",
        "rates = 1",
    ] {
        assert!(toml::from_str::<Clients>(text).is_err(), "{text}");
    }
}
