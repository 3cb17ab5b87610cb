//! The data owner edits the rules while everybody is served: prices come and go, mistakes change nothing.

use super::*;
use crate::commands::process::wait_until;
use bytes::Bytes;
use discreet_protocol::policy::Policy;
use discreet_protocol::statement::Unverified;
use discreet_resolver::store::SpentTokens;
use http::Request;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tests::world::DOMAIN;

/// Who keeps asking meanwhile.
const ASKING: usize = 4;

impl Paid {
    /// Writes the rules with this price and edition.
    fn price(&self, lookup: u8, edition: u32) {
        let rules = fs::read_to_string(self.site.path("rules.toml")).unwrap();
        let line = |line: &str| match line.split_once(" = ") {
            Some(("lookup", _)) => format!("lookup = {lookup}\n"),
            Some(("edition", _)) => format!("edition = {edition}\n"),
            _ => format!("{line}\n"),
        };
        self.site.write("rules.toml", &rules.lines().map(line).collect::<String>());
    }
}

/// What the gateway publishes: the price of a lookup, and the edition, which is the serial's upper half.
async fn published(http: &Http) -> (u8, u64) {
    let policy = http.get(&http.gateway("/.well-known/discreet")).await;
    assert_eq!(policy.status(), 200);
    let policy = Unverified::<Policy>::read(policy.body()).unwrap();
    (policy.claims().prices.lookup, policy.claims().serial >> 32)
}

/// What becomes of a lookup that pays nothing.
async fn unpaid(http: &Http, keys: &[u8]) -> u16 {
    http.inside(keys, lookup(NUMBER, &[])).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_go_on_while_the_price_changes_and_policy_and_answers_agree() {
    let at = Arc::new(Paid::new());
    at.price(0, 1);
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    let (enough, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asking: Vec<_> = (0..ASKING)
        .map(|_| {
            let (http, keys, at) = (at.http(&gateway), keys.clone(), Arc::clone(&at));
            let (enough, answered) = (Arc::clone(&enough), Arc::clone(&answered));
            tokio::spawn(async move {
                while !enough.load(Ordering::SeqCst) {
                    assert_eq!(pay(&http, &keys, &at.mint.token()).await, 200);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    assert_eq!((published(&http).await, unpaid(&http, &keys).await), ((0, 1), 200));
    for (price, edition, status) in [(1, 2, 401), (0, 3, 200), (1, 4, 401)] {
        at.price(price, edition);
        gateway.hang_up();
        gateway.logged(|line| line.contains(" reloaded"));
        assert_eq!((published(&http).await, unpaid(&http, &keys).await), ((price, edition.into()), status));
        // Lookups that began after the reload have ended before the next.
        let so_far = answered.load(Ordering::SeqCst);
        while answered.load(Ordering::SeqCst) < so_far + 2 * ASKING {
            tokio::task::yield_now().await;
        }
    }
    enough.store(true, Ordering::SeqCst);
    for asker in asking {
        asker.await.unwrap();
    }
}

/// Clients hear of a price within two hours; who restarts a resolver, or changes its rules while it is down, burns
/// nobody's tokens.
#[tokio::test]
async fn an_old_price_is_taken_by_a_resolver_that_is_started_anew() {
    let at = Paid::new();
    let asked = |lookup| {
        let spent = SpentTokens::open(&at.site.path("directory.db.spent")).unwrap();
        spent.asked().unwrap().is_some_and(|asked| asked.prices.lookup == lookup)
    };
    let gateway = at.start();
    wait_until(|| asked(1));
    gateway.stop();
    at.price(2, 2);
    let gateway = at.start();
    wait_until(|| asked(2));
    gateway.stop();
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    assert_eq!(published(&http).await, (2, 2));
    assert_eq!((pay(&http, &keys, &at.mint.token()).await, unpaid(&http, &keys).await), (200, 401));
}

#[tokio::test]
async fn rules_that_cannot_be_used_change_nothing_and_the_log_says_why() {
    let at = Paid::new();
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    let good = fs::read_to_string(at.site.path("rules.toml")).unwrap();
    for (rules, why) in [
        (good.replace("lookup = 1", "lookup = "), "rules.toml"),
        (good.replace("lookup = 1", "lookup = 9"), "must each be 0 to 4 tokens"),
        (good.replace("lookup = 1", "lookup = 0"), "edition is 1, as before or lower; make it 2 or more"),
        (good.replace(DOMAIN, "dp2.example").replace("edition = 1", "edition = 2"), "domain is another one"),
        (good.replace("edition = 1", "edition = 2\nvalidity_days = 8"), "make validity_days 7 or less"),
        (String::new(), "rules.toml"),
    ] {
        at.site.write("rules.toml", &rules);
        gateway.hang_up();
        let said = gateway.logged(|line| line.contains("reloaded"));
        assert!(said.contains("not reloaded: the old stays in use") && said.contains(why), "{said}");
        assert_eq!((published(&http).await, unpaid(&http, &keys).await), ((1, 1), 401));
        assert_eq!(pay(&http, &keys, &at.mint.token()).await, 200);
    }
}

/// The gateway of a remote resolver has the policy, the resolver the answers; each reads the file by itself.
#[tokio::test]
async fn a_resolver_by_itself_takes_up_changed_rules() {
    let at = Paid::new();
    at.price(0, 1);
    let serve = "[serve.listen.plaintext]\naddress = \"127.0.0.1:0\"\n[serve.log]\nlevel = \"debug\"\n";
    let directory = fs::read_to_string(at.site.path("resolver.toml")).unwrap();
    at.site.write("serve.toml", &(directory + serve));
    let resolver = Server::start_with("discreet-resolver", &at.site.path("serve.toml"), &["serve"]);
    let http = Http::to(&at.site.path("ca.pem"), resolver.addr, Version::HTTP_11);
    let url = format!("http://{}/v1/identifierQuery/{DOMAIN}", resolver.addr);
    let query = IdentifierRequest { subject: Subject::Exact(phone(NUMBER)), tag: None }.encode().unwrap();
    for (price, edition, status) in [(0, 1, 200), (1, 2, 401), (0, 3, 200)] {
        at.price(price, edition);
        resolver.hang_up();
        resolver.logged(|line| line.contains(" reloaded"));
        let request = Request::post(&url).body(Bytes::from(query.clone())).unwrap();
        assert_eq!(http.send(request).await.status(), status, "{edition}");
    }
}
