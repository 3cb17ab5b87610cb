//! Neither hop goes without TLS (RFC 9458 §6), whoever writes the configuration.

use discreet_client::{Profile, ProfileError};
use discreet_relay::Config;

#[test]
fn c29_a_profile_names_relays_with_tls_only() {
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let relay =
        |url: &str, operator: &str| format!("[[relays]]\nurl = \"{url}\"\noperator = \"{operator}\"\n");
    let profile = |url: &str| {
        let relays = relay(url, "One Ltd") + &relay("https://two.example/dp", "Two Ltd");
        Profile::from_toml(&format!("domain = \"dp.example\"\ndirectory_key = \"{key}\"\n{relays}"))
    };
    assert!(profile("https://one.example/dp").is_ok());
    for url in ["http://one.example/dp", "http://192.0.2.1/dp", "http://localhost/dp", "ftp://one.example/dp"]
    {
        assert_eq!(profile(url).unwrap_err(), ProfileError::RelayUrl, "{url}");
    }
}

#[test]
fn c29_a_relay_reaches_gateways_with_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.toml");
    let config = |url: &str| {
        let listen = "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n";
        std::fs::write(&path, format!("{listen}[gateways.dp]\nurl = \"{url}\"\n")).unwrap();
        Config::load(&path).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(config("https://gateway.example"), Ok(()));
    for url in ["http://gateway.example", "http://192.0.2.1", "http://localhost"] {
        let error = config(url).unwrap_err();
        assert!(error.contains("an upstream must be https"), "{url}: {error}");
    }
}
