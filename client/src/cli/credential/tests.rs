//! `credential get` with an authority that is a mistake, or not done yet: what there is stays.

use super::super::Command;
use super::super::failure::Failure;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Parser;
use discreet_client::{Authority, AuthorityError, Csi, Identity, IdentityFile, Timestamp};
use discreet_protocol::SigningKey;
use discreet_protocol::credential::{Credential, Status};
use discreet_protocol::identifier::Domain;
use discreet_protocol::statement::sign;
use discreet_protocol::time::DAY;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What the authority answers to a path: status and JSON.
type Answers = dyn Fn(&str) -> (u16, String) + Send;

/// An authority that answers what a test wants, and remembers what it was asked.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start(answers: Box<Answers>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let asking = Arc::clone(&asked);
        // It ends with the process: nothing joins it, because it waits for the next request.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = serve(stream.unwrap(), &answers, &asking);
            }
        });
        Self { url, asked }
    }

    fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

fn serve(stream: TcpStream, answers: &Answers, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        } else if path.is_empty() {
            path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        } else if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let (status, body) = answers(&path);
    asked.lock().unwrap().push(path);
    let length = body.len();
    write!(writer, "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// A credential of `identity` by the authority `name` with key `seed`, and its status.
fn attest(identity: &Identity, name: &str, seed: u8) -> (Vec<u8>, Vec<u8>) {
    let at = super::now();
    let credential = Credential {
        authority: Domain::new(name).unwrap(),
        csi: identity.csi().clone(),
        holder: identity.holder(),
        id: [seed; 16],
        expires: at.plus(100 * DAY),
        proved_at: Timestamp::from_unix(1_795_305_600),
        holder_since: Timestamp::from_unix(1_795_305_600),
    };
    (sign(&credential, &key(seed)), sign(&Status { id: [seed; 16], at }, &key(seed)))
}

/// A file whose identity the authority `first.example` has attested.
struct Person {
    folder: tempfile::TempDir,
    file: PathBuf,
}

fn person() -> Person {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("me.identity");
    let mut identity = Identity::generate(Csi::phone("+14155550123").unwrap()).unwrap();
    let first = Authority {
        url: "https://first.example".to_owned(),
        name: Domain::new("first.example").unwrap(),
        key: key(1).verifying_key(),
        ca: None,
    };
    identity.set_authority(first).unwrap();
    let (credential, status) = attest(&identity, "first.example", 1);
    identity.accept(credential, status, super::now()).unwrap();
    IdentityFile::create(&file, &identity).unwrap();
    Person { folder, file }
}

impl Person {
    fn identity(&self) -> Identity {
        IdentityFile::read(&self.file).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.file).unwrap()
    }

    /// The name of the authority whose credential is there.
    fn attested_by(&self) -> String {
        self.identity().credential().unwrap().authority.to_string()
    }

    /// Runs `discreet credential get` on the file.
    async fn get(&self, fake: &Fake, more: &[&str]) -> Result<(), Failure> {
        let file = self.file.to_str().unwrap();
        let line = ["discreet", "--json", "credential", "get", "--identity", file, "--authority", &fake.url];
        let command = Command::try_parse_from([&line, more].concat()).unwrap();
        super::super::run(&command).await.map(drop)
    }
}

fn about(name: &str, seed: u8) -> (u16, String) {
    let key = hex::encode(key(seed).verifying_key().to_bytes());
    (200, format!(r#"{{"name":"{name}","key":"{key}"}}"#))
}

fn enrolment() -> (u16, String) {
    (200, format!(r#"{{"ticket":"{}","code":"K7QF-2M9X","say":"Call us."}}"#, "A".repeat(43)))
}

fn challenge() -> (u16, String) {
    (200, r#"{"challenge":"AAAA"}"#.to_owned())
}

fn refused(status: u16) -> (u16, String) {
    (status, r#"{"title":"no"}"#.to_owned())
}

#[tokio::test]
async fn an_authority_that_takes_no_enrolment_changes_nothing() {
    let person = person();
    let before = person.bytes();
    let fake = Fake::start(Box::new(|path| match path {
        "/v1/authority" => about("second.example", 2),
        _ => refused(503),
    }));
    for more in [[].as_slice(), &["--fresh"]] {
        let error = person.get(&fake, more).await.unwrap_err();
        assert!(matches!(error, Failure::Authority(AuthorityError::Refused { status: 503, .. })));
        assert!(person.bytes() == before, "the file has changed");
    }
    assert_eq!(fake.count("/v1/enrolments"), 2);
}

#[tokio::test]
async fn an_authority_that_does_not_take_the_ticket_changes_nothing() {
    let person = person();
    let before = person.bytes();
    let ticket = person.folder.path().join("ticket");
    std::fs::write(&ticket, "A".repeat(43)).unwrap();
    let fake = Fake::start(Box::new(|path| match path {
        "/v1/authority" => about("second.example", 2),
        "/v1/challenges" => challenge(),
        _ => refused(409),
    }));
    let error = person.get(&fake, &["--ticket-file", ticket.to_str().unwrap()]).await.unwrap_err();
    assert!(matches!(error, Failure::Authority(AuthorityError::Refused { status: 409, .. })));
    assert!(person.bytes() == before, "the file has changed");
}

#[tokio::test]
async fn an_authority_that_is_not_one_changes_nothing() {
    let person = person();
    let before = person.bytes();
    let fake = Fake::start(Box::new(|_| (200, "<html>".to_owned())));
    assert!(matches!(person.get(&fake, &[]).await, Err(Failure::Authority(AuthorityError::Answer))));
    // The first one's name, with another key.
    let thief = Fake::start(Box::new(|_| about("first.example", 2)));
    assert!(matches!(person.get(&thief, &[]).await, Err(Failure::Credential(_))));
    assert!(person.bytes() == before, "the file has changed");
}

#[tokio::test]
async fn while_another_authority_waits_for_the_proof_the_credential_stays() {
    let person = person();
    let fake = Fake::start(Box::new(|path| match path {
        "/v1/authority" => about("second.example", 2),
        "/v1/enrolments" => enrolment(),
        "/v1/challenges" => challenge(),
        _ => (202, r#"{"say":"Not yet."}"#.to_owned()),
    }));
    // Run again, it goes on with the same enrolment.
    for _ in 0..2 {
        assert!(matches!(person.get(&fake, &["--wait", "0"]).await, Err(Failure::NotConfirmed)));
        assert_eq!(person.attested_by(), "first.example");
        assert_eq!(person.identity().turned_to().unwrap().name.as_str(), "second.example");
    }
    assert_eq!((fake.count("/v1/enrolments"), fake.count("/v1/credentials")), (1, 2));
}

#[tokio::test]
async fn once_another_authority_has_attested_the_key_its_credential_takes_the_place() {
    let person = person();
    let (credential, status) = attest(&person.identity(), "second.example", 2);
    let text = |bytes| URL_SAFE_NO_PAD.encode(bytes);
    let issued = format!(r#"{{"credential":"{}","status":"{}"}}"#, text(credential), text(status));
    let fake = Fake::start(Box::new(move |path| match path {
        "/v1/authority" => about("second.example", 2),
        "/v1/enrolments" => enrolment(),
        "/v1/challenges" => challenge(),
        _ => (200, issued.clone()),
    }));
    person.get(&fake, &[]).await.unwrap();
    assert_eq!(person.attested_by(), "second.example");
    let identity = person.identity();
    assert!(identity.pending().is_none() && identity.authority() == identity.turned_to());
    assert_eq!(identity.authority().unwrap().url, fake.url);
}
