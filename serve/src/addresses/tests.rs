//! Buckets under a paused clock.

use std::time::Duration;

use tokio::time::advance;

use super::*;

/// Six a minute, three at once: a token comes back every ten seconds.
fn buckets(max_addresses: usize) -> Addresses {
    let rate = format!("per_minute = 6\nburst = 3\nmax_addresses = {max_addresses}\n");
    Addresses::new(&toml::from_str(&rate).unwrap())
}

fn take(buckets: &Addresses, address: &str) -> Result<(), Empty> {
    buckets.take(buckets.origin(address.parse().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_and_then_the_pace_counts() {
    let buckets = buckets(100);
    for _ in 0..3 {
        take(&buckets, "192.0.2.7").unwrap();
    }
    assert_eq!(take(&buckets, "192.0.2.7"), Err(Empty { retry_after_secs: 11 }), "10 s, rounded up");
    take(&buckets, "192.0.2.8").unwrap();
    advance(Duration::from_millis(9_999)).await;
    assert_eq!(take(&buckets, "192.0.2.7"), Err(Empty { retry_after_secs: 1 }));
    advance(Duration::from_millis(1)).await;
    take(&buckets, "192.0.2.7").unwrap();
    assert!(take(&buckets, "192.0.2.7").is_err(), "a refusal costs nothing, a token does");
}

#[tokio::test(start_paused = true)]
async fn a_pause_gives_a_burst_and_no_more() {
    let buckets = buckets(100);
    for _ in 0..3 {
        take(&buckets, "192.0.2.7").unwrap();
    }
    advance(Duration::from_secs(86_400)).await;
    for _ in 0..3 {
        take(&buckets, "192.0.2.7").unwrap();
    }
    assert!(take(&buckets, "192.0.2.7").is_err());
}

#[tokio::test(start_paused = true)]
async fn one_slash_64_is_one_address() {
    let buckets = buckets(100);
    for address in ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1:8000::"] {
        take(&buckets, address).unwrap();
    }
    assert!(take(&buckets, "2001:db8:0:1::4").is_err());
    take(&buckets, "2001:db8:0:2::1").unwrap();
}

#[test]
fn one_ipv4_address_is_one_in_any_disguise() {
    let plain = network("192.0.2.33".parse().unwrap());
    // The second is the example of RFC 6052 §2.4.
    for disguise in ["::ffff:192.0.2.33", "64:ff9b::192.0.2.33", "2002:c000:221::1", "2002:c000:221:5::"] {
        assert_eq!(network(disguise.parse().unwrap()), plain, "{disguise}");
    }
    assert_ne!(network("192.0.2.34".parse().unwrap()), plain);
    // The prefix for local use (RFC 8215) does not say where in it the address is.
    assert_eq!(network("64:ff9b:1::1".parse().unwrap()), Network::V6(0x0064_ff9b_0001_0000));
}

#[tokio::test(start_paused = true)]
async fn when_the_table_is_full_newcomers_share_a_bucket() {
    // One bucket in each of the sixteen parts.
    let buckets = buckets(16);
    let address = |n: u64| Origin::Address(n);
    for n in 0..16 {
        buckets.take(address(n)).unwrap();
    }
    for n in 16..19 {
        buckets.take(address(n)).unwrap();
    }
    assert!(buckets.take(address(19)).is_err(), "the newcomers' three tokens are gone");
    buckets.take(address(3)).unwrap();
    assert!(buckets.shards.iter().all(|shard| lock(shard).buckets.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn full_buckets_are_forgotten_first() {
    let buckets = buckets(16);
    let address = |n: u64| Origin::Address(n);
    buckets.take(address(0)).unwrap();
    for _ in 0..3 {
        buckets.take(address(1)).unwrap();
    }
    advance(Duration::from_secs(10)).await;
    // In their own parts of the table: the first's bucket is full by now, the second's is not.
    buckets.take(address(16)).unwrap();
    buckets.take(address(17)).unwrap();
    assert!(lock(&buckets.shards[0]).buckets.contains_key(&16));
    assert!(lock(&buckets.shards[1]).buckets.contains_key(&1));
    assert!(!lock(&buckets.shards[1]).buckets.contains_key(&17));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_address_shares_a_bucket_of_its_own() {
    let buckets = buckets(16);
    for _ in 0..3 {
        buckets.take(Origin::Unnamed).unwrap();
    }
    assert!(buckets.take(Origin::Unnamed).is_err());
    take(&buckets, "192.0.2.7").unwrap();
}

#[test]
fn no_address_is_kept() {
    let rate = "per_minute = 6\nburst = 3\n";
    let (one, other): (Addresses, Addresses) =
        (Addresses::new(&toml::from_str(rate).unwrap()), Addresses::new(&toml::from_str(rate).unwrap()));
    let address = "192.0.2.7".parse().unwrap();
    assert_eq!(one.origin(address), one.origin(address));
    assert_ne!(one.origin(address), other.origin(address), "each has a key of its own");
    one.take(one.origin(address)).unwrap();
    assert!(!format!("{one:?}").contains("192.0.2.7"));
}

#[test]
fn a_rate_of_nothing_is_refused() {
    for text in ["per_minute = 0\nburst = 3\n", "per_minute = 3\nburst = 0\n", "per_minute = 3\n"] {
        assert!(toml::from_str::<Rate>(text).is_err(), "{text}");
    }
    let rate: Rate = toml::from_str("per_minute = 6\nburst = 3\n").unwrap();
    assert_eq!(rate.max_addresses.get(), 100_000);
}

#[tokio::test(start_paused = true)]
async fn the_largest_numbers_do_not_overflow() {
    let rate = format!("per_minute = 1\nburst = {}\n", u32::MAX);
    let buckets = Addresses::new(&toml::from_str(&rate).unwrap());
    take(&buckets, "192.0.2.7").unwrap();
}
