//! What users and the operator ask of a provider, in JSON. The first byte chooses the resource.
//!
//! What is read is an object with the named fields, each once, and no others.
#![no_main]

use discreet_protocol::identifier::Csi;
use discreet_provider::request::{Account, Answer, Code, Identifier, read, read_after, read_ticket};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let said = match choice % 5 {
        0 => read::<Identifier>(body).map(|said| {
            if let Ok(csi) = Csi::from_uri(&said.identifier) {
                assert_eq!(csi.uri(), said.identifier, "one spelling for each identifier");
            }
            json!({ "identifier": said.identifier })
        }),
        1 => read::<Answer>(body).map(|said| {
            let _ = read_ticket(&said.ticket);
            json!({ "ticket": said.ticket, "answer": said.answer })
        }),
        2 => read::<Account>(body).map(|said| {
            let (account, identifier, proved_at) = (said.account, said.identifier, said.proved_at);
            json!({ "account": account, "identifier": identifier, "proved_at": proved_at })
        }),
        3 => read::<Code>(body).map(|said| json!({ "code": said.code, "account": said.account })),
        _ => {
            let query = std::str::from_utf8(body).ok();
            if let Some(after) = read_after(query) {
                assert!(query.is_none_or(|query| query.trim_start_matches("after=").parse() == Ok(after)));
            }
            None
        }
    };
    if let Some(said) = said {
        assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), said);
    }
});
