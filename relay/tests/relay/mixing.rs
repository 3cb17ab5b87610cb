//! A relay that holds messages back: over real connections, and as a process that is told to stop.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use discreet_relay::{
    Config,
    mix::{Settings, Strategy},
};
use h2::{
    Reason, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{Method, Request, Response, StatusCode};
use tokio::{net::TcpStream, task::JoinSet};

use crate::support::{Gateway, Setup, answer, get, oblivious, say, sealed, upstream};

/// The longest delay that goes together with the other defaults, so that a test which waited for it fails at
/// its client's patience.
const LONGEST: Duration = Duration::from_millis(9999);

fn batches_of(size: usize) -> impl FnOnce(&mut Config) {
    move |config| {
        let settings = Settings::new(Strategy::Batch { size }, LONGEST).unwrap();
        config.mix.insert("dp".parse().unwrap(), settings);
    }
}

/// Gives back what it gets.
fn echo() -> Gateway {
    Gateway::new(|request| answer(200, "message/ohttp-res", "").map(|_| request.body().clone()))
}

fn posted(gateway: &Gateway) -> Vec<String> {
    let posts = gateway.seen().into_iter().filter(|request| request.method() == Method::POST);
    posts.map(|request| String::from_utf8(request.into_body().to_vec()).unwrap()).collect()
}

/// Returns once so many requests are held at the relay whose admin listener is there.
async fn holds(admin: SocketAddr, count: usize) {
    let admin = upstream(admin);
    let line = format!("discreet_relay_mix_held{{direction=\"Requests\"}} {count}\n");
    loop {
        let metrics = admin.send(get("/metrics"), 100_000).await.unwrap();
        if String::from_utf8_lossy(metrics.body()).contains(&line) {
            return;
        }
    }
}

/// One HTTP/2 connection of a client.
struct Connection {
    requests: SendRequest<Bytes>,
    _open: JoinSet<()>,
}

impl Connection {
    async fn new(relay: SocketAddr) -> Self {
        let socket = TcpStream::connect(relay).await.unwrap();
        let (requests, connection) = h2::client::handshake(socket).await.unwrap();
        let mut open = JoinSet::new();
        open.spawn(async move {
            // However it ends: what was asked is looked at.
            let _ = connection.await;
        });
        Self { requests, _open: open }
    }

    /// Asks on a stream of its own.
    async fn ask(&mut self, content: &str) -> (SendStream<Bytes>, ResponseFuture) {
        let mut requests = self.requests.clone().ready().await.unwrap();
        let request = Request::post("http://relay.example/dp").header("content-type", "message/ohttp-req");
        let (response, mut stream) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(Bytes::copy_from_slice(content.as_bytes()), true).unwrap();
        (stream, response)
    }
}

/// Status and content.
async fn read(response: ResponseFuture) -> (StatusCode, String) {
    let response: Response<_> = response.await.unwrap();
    let (status, mut body) = (response.status(), response.into_body());
    let mut content = Vec::new();
    while let Some(part) = body.data().await {
        content.extend_from_slice(&part.unwrap());
    }
    (status, String::from_utf8(content).unwrap())
}

#[tokio::test]
async fn each_of_64_answers_comes_back_on_its_own_stream() {
    let setup = Setup::with(echo(), batches_of(64)).await;
    let mut client = Connection::new(setup.relay.addr()).await;
    let mut asked = Vec::new();
    for number in 0..64 {
        let content = format!("request {number:02}");
        asked.push((client.ask(&content).await, content));
    }
    for ((_, response), content) in asked {
        assert_eq!(read(response).await, (StatusCode::OK, content));
    }
    let order = posted(&setup.gateway);
    assert!(!order.is_sorted(), "one time in 64! it would be: {order:?}");
    assert_eq!((order.len(), order.iter().collect::<BTreeSet<_>>().len()), (64, 64));
    let metrics = setup.metrics().await;
    for direction in ["Requests", "Answers"] {
        for shown in ["held{direction=\"#\"} 0\n", "effective_size{direction=\"#\"} 64.0\n"] {
            let line = format!("discreet_relay_mix_{}", shown.replace('#', direction));
            assert!(metrics.contains(&line), "{line}: {metrics}");
        }
    }
}

#[tokio::test]
async fn what_clients_cancel_is_passed_on_all_the_same() {
    let setup = Setup::with(echo(), batches_of(64)).await;
    let mut client = Connection::new(setup.relay.addr()).await;
    let mut asked = Vec::new();
    for number in 0..63 {
        let content = format!("request {number:02}");
        asked.push((client.ask(&content).await, content));
    }
    holds(setup.relay.admin_addr().unwrap(), 63).await;
    for ((stream, _), _) in asked.iter_mut().step_by(2) {
        stream.send_reset(Reason::CANCEL);
    }
    // On the same connection, so after the resets. It fills the batch.
    asked.push((client.ask("request 63").await, "request 63".to_owned()));
    for ((_, response), content) in asked.into_iter().skip(1).step_by(2) {
        assert_eq!(read(response).await, (StatusCode::OK, content));
    }
    let mut order = posted(&setup.gateway);
    order.sort_unstable();
    assert!(order.into_iter().eq((0..64).map(|number| format!("request {number:02}"))), "each once");
}

#[tokio::test]
async fn a_mix_changes_no_byte_of_an_answer() {
    const REQUEST: &str = "POST /dp HTTP/1.1\r\nhost: relay.example\r\ncontent-type: message/ohttp-req\r\n\
                           content-length: 6\r\nconnection: close\r\n\r\nsealed";
    let settings = Settings::new(Strategy::Pool { size: 16 }, Duration::from_millis(5)).unwrap();
    let with = Setup::with(oblivious(), |config| {
        config.mix.insert("dp".parse().unwrap(), settings);
    });
    let (without, with) = (Setup::new(oblivious()).await, with.await);
    let expected = "HTTP/1.1 200 OK\r\ncontent-type: message/ohttp-res\r\ncache-control: no-store\r\n\
                    connection: close\r\ncontent-length: 13\r\n\r\nsealed answer";
    assert_eq!(say(&without, REQUEST).await, expected);
    assert_eq!(say(&with, REQUEST).await, expected);
    let fields = |setup: &Setup| {
        let mut fields = setup.gateway.seen().remove(0).headers().clone();
        fields.remove("host");
        fields
    };
    assert_eq!(fields(&with), fields(&without), "nor of a request");
    assert!(!without.metrics().await.contains("mix_held{"));
}

#[tokio::test]
async fn copies_and_the_relays_own_refusals_are_not_held() {
    let gateway = crate::support::publishing();
    let setup = Setup::with(gateway, batches_of(64)).await;
    assert_eq!(setup.ask(get("/dp")).await.status(), StatusCode::OK);
    assert_eq!(setup.ask(get("/dp/policy")).await.status(), StatusCode::OK);
    let mut other = sealed("sealed");
    other.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(setup.ask(other).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(setup.ask(sealed("")).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(posted(&setup.gateway), [] as [String; 0]);
}

#[tokio::test]
async fn each_gateway_is_mixed_by_itself_or_not_at_all() {
    let setup = Setup::with(echo(), |config| {
        // The same one three times; what is mixed is what goes to one name.
        for name in ["mixed", "plain"] {
            let gateway = config.gateways["dp"].clone();
            config.gateways.insert(name.parse().unwrap(), gateway);
        }
        for name in ["dp", "mixed"] {
            let settings = Settings::new(Strategy::Batch { size: 2 }, LONGEST).unwrap();
            config.mix.insert(name.parse().unwrap(), settings);
        }
    });
    let setup = setup.await;
    let mut client = Connection::new(setup.relay.addr()).await;
    let held = client.ask("first").await;
    holds(setup.relay.admin_addr().unwrap(), 1).await;
    let to = |name: &'static str| {
        let mut request = sealed(name);
        *request.uri_mut() = format!("/{name}").parse().unwrap();
        setup.ask(request)
    };
    assert_eq!(to("plain").await.into_body(), "plain");
    let (one, other) = tokio::join!(to("mixed"), to("mixed"));
    assert_eq!((one.status(), other.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(
        posted(&setup.gateway),
        ["plain", "mixed", "mixed"],
        "the first waits for one to the same name"
    );
    let second = client.ask("second").await;
    assert_eq!(read(held.1).await, (StatusCode::OK, "first".to_owned()));
    assert_eq!(read(second.1).await, (StatusCode::OK, "second".to_owned()));
}

/// `discreet-relay` told to stop while it holds 40 requests that nothing else would let go.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_signal_sends_each_held_request_once_and_all_are_answered() {
    let setup = Setup::new(echo()).await;
    let gateway = setup.gateway_shell.as_ref().unwrap().addr();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("relay.toml");
    let text = format!(
        "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n[admin.enabled]\naddress = \"127.0.0.1:0\"\n\
         [limits]\nrequest_timeout_secs = 600\n[gateways.dp]\nurl = \"http://{gateway}\"\n\
         [mix.dp]\nstrategy = \"batch\"\nsize = 64\nmax_delay_ms = 250000\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut relay = Command::new(env!("CARGO_BIN_EXE_discreet-relay"))
        .arg("--config")
        .arg(&config)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(relay.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let address = |name: &str| -> SocketAddr {
        let (_, rest) = line.split_once(name).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };

    let mut client = Connection::new(address("address=")).await;
    let mut asked = Vec::new();
    for number in 0..40 {
        let content = format!("request {number:02}");
        asked.push((client.ask(&content).await, content));
    }
    holds(address("admin="), 40).await;
    assert_eq!(posted(&setup.gateway), [] as [String; 0]);
    let sent = Command::new("kill").args(["-s", "TERM", &relay.id().to_string()]).status();
    assert!(sent.unwrap().success());
    for ((_, response), content) in asked {
        assert_eq!(read(response).await, (StatusCode::OK, content));
    }
    let mut order = posted(&setup.gateway);
    order.sort_unstable();
    assert!(order.into_iter().eq((0..40).map(|number| format!("request {number:02}"))), "each once");
    let (status, said) = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        log.read_to_string(&mut said).unwrap();
        (relay.wait().unwrap(), said)
    })
    .await
    .unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}
