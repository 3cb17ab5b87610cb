//! The issuer as a process: its commands, and its death.

use super::*;
use std::net::SocketAddr;

fn command(site: &Site, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discreet-provider"));
    command.arg("--config").arg(site.path("provider.toml")).args(arguments);
    command
}

fn done(site: &Site, arguments: &[&str]) -> String {
    let output = command(site, arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Starts the service, and returns where it listens.
fn serve(site: &Site) -> (Child, SocketAddr) {
    let mut child = command(site, &[]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let listening = lines.find(|line| line.contains("listening")).unwrap();
    let (_, address) = listening.split_once("address=").unwrap();
    let address = address.split_whitespace().next().unwrap().parse().unwrap();
    // Read to its end, so that it never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

#[test]
fn init_makes_an_issuer_and_the_commands_show_it() {
    let site = Site::new(&format!("{PLAINTEXT}{ISSUER}{BEARERS}"));
    for file in ["issuer.keys", "issuer.db", "accounts.tokens"] {
        let path = site.path(file);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    assert_eq!(command(&site, &["--check-config"]).output().unwrap().status.code(), Some(2));
    let lines = done(&site, &["init"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&site.path("issuer.keys")), mode(&site.path("issuer.db"))), (0o700, 0o600));
    assert_eq!(mode(&site.path("accounts.tokens")) & 0o027, 0);
    assert!(command(&site, &["--check-config"]).output().unwrap().status.success());
    assert!(lines.contains("[[issuers]]\nname = \"issuer.example\"\n"), "{lines}");
    let shown = done(&site, &["issuer", "keys"]);
    assert!(shown.ends_with(lines.trim_start()) && shown.contains(".der: signs, truncated id "), "{shown}");
    assert_eq!(done(&site, &["init"]), lines, "nothing is made twice");

    let rotated = done(&site, &["issuer", "keys", "rotate"]);
    assert!(rotated.starts_with("# ") && rotated.contains(".der: announced, truncated id "), "{rotated}");
    assert_eq!(rotated.matches("[[issuers.keys]]").count(), 2);
    let again = command(&site, &["issuer", "keys", "rotate"]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("the next key is there already"));
    let key_files = fs::read_dir(site.path("issuer.keys")).unwrap().map(|entry| entry.unwrap().path());
    assert!(key_files.map(|file| mode(&file)).eq([0o600, 0o600]));

    let token = done(&site, &["issuer", "token", "cleo"]);
    let (token, line) = token.trim().split_once('\n').unwrap();
    assert!(token.len() == 64 && line.ends_with(" cleo") && !line.contains(token));
    assert_eq!(command(&site, &["issuer", "token", "two words"]).output().unwrap().status.code(), Some(1));
}

#[test]
fn a_rotation_by_whose_clock_all_keys_are_over_erases_none_and_says_so() {
    let site = Site::new(&format!("{PLAINTEXT}{ISSUER}{BEARERS}"));
    let old = site.path("issuer.keys/2020-01-01_2020-06-01.der");
    fs::rename(site.path("issuer.keys/2020-01-01_2099-01-01.der"), &old).unwrap();
    let rotated = command(&site, &["issuer", "keys", "rotate"]).output().unwrap();
    assert!(rotated.status.success() && old.exists(), "{rotated:?}");
    let said = String::from_utf8(rotated.stderr).unwrap();
    assert!(said.contains("none was erased: is the clock right?"), "{said}");
    // It was: then the next one erases it.
    done(&site, &["issuer", "keys", "rotate"]);
    assert!(!old.exists());
}

#[tokio::test]
async fn kill_9_gives_nothing_back() {
    // Within one hour, in which nothing flows in.
    for _ in 0..3 {
        let hour = Clock::system().now() / 3600;
        let (received, later) = killed_amid().await;
        if hour == Clock::system().now() / 3600 {
            assert!(received >= 1 && received + later <= 10, "{received} and {later}");
            return;
        }
    }
    panic!("three tests took an hour each");
}

/// How many tokens were received until the process was killed, and how many afterwards.
async fn killed_amid() -> (usize, usize) {
    let site = Site::new(&format!("{PLAINTEXT}{ISSUER}{BEARERS}"));
    let (mut child, address) = serve(&site);
    let client = Arc::new(upstream(address));
    let directory = Request::get("/.well-known/private-token-issuer-directory").body(Bytes::new()).unwrap();
    let key = key_of(&client.send(directory, 65_536).await.unwrap());
    let ask = |client: &Arc<Upstream>| {
        let request = asking(&site.ann, Wanted::new(&key).request.encode());
        let client = Arc::clone(client);
        async move { client.send(request, 65_536).await.is_ok_and(|answer| answer.status() == 200) }
    };
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..8 {
        asked.spawn(ask(&client));
    }
    let mut received = usize::from(asked.join_next().await.unwrap().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    received += asked.join_all().await.into_iter().filter(|signed| *signed).count();

    let (mut child, address) = serve(&site);
    let client = Arc::new(upstream(address));
    let mut later = 0;
    for _ in 0..12 {
        later += usize::from(ask(&client).await);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    (received, later)
}
