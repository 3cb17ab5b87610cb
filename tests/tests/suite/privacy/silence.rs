//! No role writes down who asked about whom: neither log, at its most verbose, nor metrics hold an
//! address, an identifier, a tag, a service or a key. Types print none of them either.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use crate::end_to_end::{NOW, ask};
use crate::wire::{Http, SUITES, binary, lookup, lookup_of, seal};
use bytes::Bytes;
use discreet_client::{Answer, Csi, Outcome, Query, Tag, Withdrawal};
use discreet_protocol::query::VerifiableMapping;
use http::{Request, Version};
use std::net::{IpAddr, SocketAddr};
use tests::world::phone;
use tests::{Net, Person, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NUMBER: &str = "+14155550123";
const ABSENT: &str = "+4930123456789";
const EMAIL: &str = "ann.example@a.example";
const TAG: &str = "confession";
const SERVICE: &str = "mimi://telltale.example/u/ann";
const COOKIE: &str = "cookie-of-ann";

/// Where the clients connect from, unlike any role.
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 9));

/// What happened, and everything that was written down about it.
struct Observed {
    log: String,
    metrics: Vec<String>,
    /// Local addresses of connections that our tests made by hand.
    peers: Vec<SocketAddr>,
    keys: Vec<u8>,
}

async fn observe() -> Observed {
    let world = World::new(1, NOW);
    let csi = phone(NUMBER);
    let lines = vec![
        world.person(&csi, 0).reaches(&[SERVICE]).line(),
        world.person(&csi, 0).tag(TAG).reaches(&[SERVICE]).line(),
        world.person(&Csi::email(EMAIL).unwrap(), 0).reaches(&[SERVICE]).line(),
    ];
    let mut net = Net::builder().lines(lines).start(world).await.unwrap();
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    look_up(&net).await;
    publish_and_withdraw(&net).await;
    speak_badly(&net, &http, &keys).await;
    let mut peers = Vec::new();
    let gateway = net.gateway.as_ref().unwrap();
    for addr in [gateway.addr(), net.relays[0].addr()] {
        peers.push(hang_up(addr, b"").await);
        peers
            .push(hang_up(addr, format!("GET /{NUMBER} HTTP/1.1\r\nhost: {EMAIL}\r\n\r\n").as_bytes()).await);
        peers.push(hang_up(addr, &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]).await);
    }
    let admin = gateway.admin_addr().unwrap();
    let mut metrics = vec![scrape(&http, admin).await];
    net.stop_gateway().await;
    let (sealed, _) = seal(&keys, SUITES[0].0, SUITES[0].1, lookup(NUMBER, Some(TAG)));
    assert_eq!(http.post(&net.relay_urls()[0], sealed).await.status(), 502);
    for relay in &net.relays {
        metrics.push(scrape(&http, relay.admin_addr().unwrap()).await);
    }
    Observed { log: net.log.text(), metrics, peers, keys }
}

/// Found, not found, by tag, by e-mail address; and a directory that fails.
async fn look_up(net: &Net) {
    let client = net.client().local_address(CLIENT).build().unwrap();
    let tag = Some(Tag::new(TAG).unwrap());
    let email = Csi::email(EMAIL).unwrap();
    for (query, outcome) in [
        (ask(NUMBER), Outcome::OneService),
        (ask(ABSENT), Outcome::NoMapping),
        (Query { csi: phone(NUMBER), tag }, Outcome::OneService),
        (Query { csi: email, tag: None }, Outcome::OneService),
    ] {
        assert_eq!(client.lookup(query).await.unwrap().outcome(), outcome);
    }
}

/// A recipient who publishes, is refused, and leaves again.
async fn publish_and_withdraw(net: &Net) {
    let client = net.client().local_address(CLIENT).build().unwrap();
    let mut person = net.world.person(&phone(ABSENT), 0).reaches(&[SERVICE]);
    let mapping = |person: &Person| VerifiableMapping::new(person.signed_mapping(), person.signed_status());
    assert!(client.publish(mapping(&person), None).await.unwrap().outcome.is_ok());
    person.mapping.reaches.clear();
    assert!(client.publish(mapping(&person), None).await.unwrap().outcome.is_err());
    let gone = crate::recipients::withdrawing(&person, None, person.mapping.serial + 1);
    assert!(client.withdraw(gone, None).await.unwrap().outcome.is_ok());
    assert!(client.withdraw(Withdrawal(ABSENT.into()), None).await.unwrap().outcome.is_err());
}

/// Requests with secrets in all the wrong places, to relay and gateway.
async fn speak_badly(net: &Net, http: &Http, keys: &[u8]) {
    let path = format!("/v1/identifierQuery/{NUMBER}");
    for message in [
        lookup_of(format!("\x0d\x04\x0b{}\x00", &NUMBER[1..]).into_bytes()),
        binary("POST", "https", "telltale.example", &path, &[("cookie", COOKIE)], NUMBER.as_bytes()),
        binary("POST", "https", "dp.example", &path, &[("cookie", COOKIE)], NUMBER.as_bytes()),
        NUMBER.as_bytes().to_vec(),
    ] {
        assert_ne!(http.inside(keys, message).await.status(), 200);
    }
    let relay = net.relay_urls()[0].clone();
    for url in [relay.clone(), http.gateway("/.well-known/ohttp-gateway")] {
        for content in [NUMBER.as_bytes().to_vec(), keys[..400].to_vec(), vec![0x2b; 4097]] {
            assert!(http.post(&url, content).await.status().is_client_error());
        }
        let strange = Request::put(format!("{url}/{NUMBER}?{EMAIL}"))
            .header("cookie", COOKIE)
            .header("x-forwarded-for", CLIENT.to_string())
            .header("content-type", NUMBER);
        assert!(http.send(strange.body(Bytes::from(NUMBER)).unwrap()).await.status().is_client_error());
    }
}

/// Connects, says something that is no TLS, and goes.
async fn hang_up(addr: SocketAddr, words: &[u8]) -> SocketAddr {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let peer = stream.local_addr().unwrap();
    stream.write_all(words).await.unwrap();
    stream.shutdown().await.unwrap();
    // The server's end, or its reset: either way it has made up its mind.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    peer
}

async fn scrape(http: &Http, admin: SocketAddr) -> String {
    let request = Request::get(format!("http://{admin}/metrics")).body(Bytes::new()).unwrap();
    String::from_utf8(http.send(request).await.into_body().to_vec()).unwrap()
}

/// The spellings in which `secret` could be written down.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex = hex::encode(secret);
    let bytes = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut spellings = vec![String::from_utf8_lossy(secret).into_owned(), hex.to_uppercase(), hex, bytes];
    // Base64 in each of the three positions a secret can begin at, less what its neighbours change.
    for before in 0..3 {
        let shifted = [vec![0; before], secret.to_vec()].concat();
        let whole = shifted.len() / 3 * 4;
        let text = base64(&shifted)[before.div_ceil(3) * 4..whole].to_owned();
        spellings.push(text.replace('+', "-").replace('/', "_"));
        spellings.push(text);
    }
    spellings
}

/// RFC 4648 §4, whole groups only.
fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).flat_map(|group| {
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        [18, 12, 6, 0].map(|shift| char::from(letters[(bits >> shift) as usize & 63]))
    });
    groups.collect()
}

#[test]
fn the_search_knows_what_to_search_for() {
    // RFC 4648 §10: "foobar" is Zm9vYmFy.
    assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    let spelled = spellings(b"foobar");
    for expected in ["foobar", "666f6f626172", "666F6F626172", "102, 111, 111, 98, 97, 114", "Zm9vYmFy"] {
        assert!(spelled.iter().any(|spelling| spelling == expected), "{expected}");
    }
    assert!(spelled.iter().all(|spelling| spelling.len() >= 4), "{spelled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c70_no_role_writes_down_who_asked_about_whom() {
    let observed = observe().await;
    let Observed { log, metrics, peers, keys } = &observed;
    // What is searched is what was written, at debug level.
    assert_eq!(log.lines().filter(|line| line.contains("listening")).count(), 3, "{log}");
    assert!(log.lines().any(|line| line.contains("DEBUG") && line.contains("not relayed")), "{log}");
    assert!(metrics[0].contains("discreet_gateway_encapsulated_requests_total{outcome="), "{metrics:?}");
    assert!(metrics[1].contains("discreet_relay_"), "{metrics:?}");

    for (index, text) in metrics.iter().enumerate() {
        crate::metrics::refuse(if index == 0 { "discreet-gateway" } else { "discreet-relay" }, text);
    }
    let running = log.lines().filter(|line| !line.contains("listening")).collect::<Vec<_>>().join("\n");
    let texts = metrics.iter().map(String::as_str).chain([running.as_str(), log.as_str()]);
    let digits = |number: &str| number.as_bytes()[1..].to_vec();
    let secrets = [
        digits(NUMBER),
        digits(ABSENT),
        NUMBER.as_bytes()[5..].to_vec(),
        EMAIL.as_bytes().to_vec(),
        TAG.as_bytes().to_vec(),
        b"telltale".to_vec(),
        COOKIE.as_bytes().to_vec(),
        b"127.0.0.9".to_vec(),
        // The X-Wing key's first bytes, and a suite as it stands in front of a request.
        keys[5..21].to_vec(),
    ];
    for text in texts {
        for secret in &secrets {
            for spelling in spellings(secret) {
                assert!(!text.contains(&spelling), "{spelling} in\n{text}");
            }
        }
        for name in ["key_id", "key id", "0x647a", "25722", "user-agent", "peer"] {
            assert!(!text.to_lowercase().contains(name), "{name} in\n{text}");
        }
        for peer in peers {
            assert!(!text.contains(&format!(":{}", peer.port())), "{peer} in\n{text}");
        }
    }
    // Addresses stand in the start lines, and only those that the roles listen at.
    for text in metrics.iter().map(String::as_str).chain([running.as_str()]) {
        assert!(!text.contains("127.0.0."), "{text}");
    }
}

#[tokio::test]
async fn the_clients_types_print_no_identifier() {
    let world = World::new(1, NOW);
    let lines = vec![world.person(&phone(NUMBER), 0).reaches(&[SERVICE]).line()];
    let net = Net::builder().lines(lines).start(world).await.unwrap();
    let tag = Some(Tag::new(TAG).unwrap());
    let query = Query { csi: phone(NUMBER), tag };
    let answer: Answer = net.client().build().unwrap().lookup(query.clone()).await.unwrap();
    let request = discreet_protocol::query::IdentifierRequest {
        subject: discreet_protocol::query::Subject::Exact(phone(NUMBER)),
        tag: query.tag.clone(),
    };
    let person = net.world.person(&phone(NUMBER), 0);
    let entry = discreet_resolver::record::Signed::read(person.signed_mapping()).unwrap();
    let mut record = discreet_resolver::record::Record::new(phone(NUMBER));
    record.entries.push(entry.entry());
    let email = Csi::email(EMAIL).unwrap();
    let normalised = discreet_client::normalise("+1 415 555 0123", None).unwrap();
    let refused = discreet_client::normalise("415 555 0123", None).unwrap_err();
    for text in [
        format!("{query:?} {:#?}", query),
        format!("{answer:?}"),
        format!("{request:?}"),
        format!("{:?} {:?} {entry:?} {record:?} {:?}", entry.mapping, entry.credential, entry.entry()),
        format!("{email:?}"),
        format!("{normalised:?} {refused:?} {refused}"),
    ] {
        for secret in ["4155550123", "415 555", EMAIL, TAG, "telltale"] {
            for spelling in spellings(secret.as_bytes()) {
                assert!(!text.contains(&spelling), "{spelling} in {text}");
            }
        }
    }
}

#[tokio::test]
async fn the_clients_errors_print_no_identifier() {
    let mut net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    let stranger = discreet_client::Client::builder(net.profile()).clock(|| NOW.unix()).build().unwrap();
    let client = net.client().build().unwrap();
    client.lookup(ask(NUMBER)).await.unwrap();
    net.stop_gateway().await;
    for client in [stranger, client] {
        let error = client.lookup(ask(NUMBER)).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("4155550123"), "{error:?}");
    }
}

/// The harness of child processes searches what they log, as [`Net`] does.
#[test]
#[should_panic(expected = "wrote down what it must not")]
fn a_server_process_that_writes_an_address_down_fails_its_test() {
    let listening = "INFO discreet_relay: listening address=127.0.0.1:1 admin=None";
    let script = format!(
        "echo 'DEBUG discreet_relay: 192.0.2.7:443 said hello' >&2; echo '{listening}' >&2; exec sleep 600"
    );
    let mut talkative = std::process::Command::new("sh");
    drop(crate::commands::process::Server::spawn(talkative.args(["-c", &script])));
}
