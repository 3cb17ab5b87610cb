//! Tokens whose resolver is on another host than the gateway: they reach it, and what it refuses comes back inside.

use super::*;
use crate::remote::{point_gateway_at, remote, site};
use http::HeaderMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resolver_on_another_host_takes_tokens_and_its_refusals_have_the_one_size() {
    let at = Paid::at(site(), Mint::new(ISSUER), 2, 1000);
    let resolver = remote(&at.site, "gateway-1");
    point_gateway_at(&at.site, &resolver);
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    let [one, two, three] = [(); 3].map(|()| at.mint.token().to_field());
    let has = |headers: &HeaderMap, name: &str| headers.get(name).is_some();
    for (what, fields, status) in [
        ("nothing", vec![], 401),
        ("no token", vec!["Bearer abc".to_owned()], 400),
        ("two for the price of one", vec![one.clone(), two.clone()], 400),
        ("a token", vec![one.clone()], 200),
        ("it once more", vec![one], 401),
        ("another", vec![two], 200),
        ("one over the budget", vec![three], 429),
    ] {
        // It holds the outer answer to 200 and 8192 bytes.
        let answer = http.inside(&keys, lookup(NUMBER, &fields)).await;
        assert_eq!(answer.status(), status, "{what}");
        assert_eq!(has(answer.headers(), "www-authenticate"), status == 401, "{what}");
        assert_eq!(has(answer.headers(), "retry-after"), status == 429, "{what}");
    }
}
