//! What is paid is done, by our resolver; what is not is not even sent.

use super::issuer::{self, honest, profile_table};
use crate::end_to_end::{NOW, ask};
use crate::refusals::fakes::Fake;
use discreet_client::{
    ClientBuilder, DirectoryError, Error, FolderStorage, Outcome, Profile, Storage, TokensError,
    VerifiableMapping, Withdrawal,
};
use discreet_protocol::statement::sign;
use discreet_protocol::withdrawal;
use std::fs;
use tests::world::phone;
use tests::{Net, World};

const NUMBER: &str = "+14155550123";

async fn net(prices: [u8; 3]) -> Net {
    let world = World::new(1, NOW);
    let lines = vec![world.line(NUMBER)];
    Net::builder().lines(lines).more_rules(&issuer::rules(prices)).start(world).await.unwrap()
}

/// A client of the network and of `issuer`.
fn client(net: &Net, issuer: &Fake) -> ClientBuilder {
    let text = fs::read_to_string(net.profile_path()).unwrap() + &profile_table(issuer);
    let clock = net.clock.clone();
    let builder = discreet_client::Client::builder(Profile::from_toml(&text).unwrap());
    builder.ca(fs::read(net.ca()).unwrap()).clock(move || clock.now())
}

#[tokio::test]
async fn lookups_of_every_price_are_answered_and_use_so_many_tokens() {
    let issuer = honest(100).await;
    for price in 0..=4_u8 {
        let net = net([price, 0, 0]).await;
        let client = client(&net, &issuer).fresh_tokens().build().unwrap();
        assert_eq!(client.refill_tokens(10, &|_| {}).await.unwrap().kept, 10);
        assert_eq!(client.lookup(ask(NUMBER)).await.unwrap().outcome(), Outcome::OneService);
        let absent = client.lookup(ask("+14155550124")).await.unwrap();
        assert_eq!(absent.outcome(), Outcome::NoMapping);
        assert_eq!(client.tokens().await.unwrap().total(), 10 - 2 * usize::from(price));
    }
}

#[tokio::test]
async fn publications_and_withdrawals_are_paid_too() {
    let (net, issuer) = (net([0, 2, 1]).await, honest(100).await);
    let client = client(&net, &issuer).fresh_tokens().build().unwrap();
    let person = net.world.person(&phone("+14155550177"), 0);
    let mapping = VerifiableMapping::new(person.signed_mapping(), person.signed_status());
    let refused = client.publish(mapping.clone(), None).await.unwrap_err();
    assert!(matches!(refused, Error::Tokens(TokensError::NoneUsable { price: 2, next: None })), "{refused}");
    client.refill_tokens(4, &|_| {}).await.unwrap().outcome.unwrap();
    client.publish(mapping, None).await.unwrap().outcome.unwrap();
    assert_eq!(client.lookup(ask("+14155550177")).await.unwrap().outcome(), Outcome::OneService);
    let withdrawal = withdrawal::Withdrawal {
        csi: person.mapping.csi.clone(),
        audience: person.mapping.audience.clone(),
        tag: None,
        serial: person.mapping.serial + 1,
        credential: sign(&person.credential, &person.authority),
    };
    let withdrawal = Withdrawal(sign(&withdrawal, &person.holder));
    client.withdraw(withdrawal, None).await.unwrap().outcome.unwrap();
    assert_eq!(client.tokens().await.unwrap().total(), 1);
}

#[tokio::test]
async fn tokens_are_used_once_they_are_old_enough() {
    let (net, issuer) = (net([1, 0, 0]).await, honest(100).await);
    let client = client(&net, &issuer).build().unwrap();
    client.refill_tokens(8, &|_| {}).await.unwrap();
    let stock = client.tokens().await.unwrap();
    let next = stock.keys[0].next.unwrap();
    assert_eq!((stock.usable(), stock.total()), (0, 8));
    let refused = client.lookup(ask(NUMBER)).await.unwrap_err();
    let Error::Tokens(TokensError::NoneUsable { next: Some(said), .. }) = refused else {
        panic!("{refused}")
    };
    assert_eq!(said, next);
    net.clock.set(next.unix());
    assert_eq!(client.lookup(ask(NUMBER)).await.unwrap().outcome(), Outcome::OneService);
    assert_eq!(client.tokens().await.unwrap().total(), 7);
}

/// The client's side of `kill -9` between spending and answer: a client with the same folder goes on.
#[tokio::test]
async fn a_client_that_was_killed_loses_what_was_on_its_way_and_nothing_else() {
    let (mut net, issuer) = (net([1, 0, 0]).await, honest(100).await);
    let folder = tempfile::tempdir().unwrap();
    let start = |net: &Net| {
        client(net, &issuer)
            .fresh_tokens()
            .storage(FolderStorage::new(folder.path().join("state")))
            .build()
            .unwrap()
    };
    let first = start(&net);
    first.refill_tokens(3, &|_| {}).await.unwrap();
    net.stop_gateway().await;
    assert!(first.lookup(ask(NUMBER)).await.is_err());
    drop(first);
    net.restart_gateway().await.unwrap();
    let next = start(&net);
    assert_eq!(next.tokens().await.unwrap().total(), 2);
    assert_eq!(next.lookup(ask(NUMBER)).await.unwrap().outcome(), Outcome::OneService);
    assert_eq!(next.tokens().await.unwrap().total(), 1);
}

/// A copied folder is the one way to the same token twice, and the client says so.
#[tokio::test]
async fn a_copy_of_the_wallet_is_refused_what_the_wallet_used() {
    let (net, issuer) = (net([1, 0, 0]).await, honest(100).await);
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let of = |folder: &tempfile::TempDir| {
        client(&net, &issuer)
            .fresh_tokens()
            .storage(FolderStorage::new(folder.path().join("state")))
            .build()
            .unwrap()
    };
    of(&folder).refill_tokens(1, &|_| {}).await.unwrap();
    let place = copy.path().join("state");
    drop(FolderStorage::new(&place).lock().unwrap());
    for file in fs::read_dir(folder.path().join("state")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), place.join(file.file_name())).unwrap();
    }
    assert!(of(&folder).lookup(ask(NUMBER)).await.is_ok());
    let refused = of(&copy).lookup(ask(NUMBER)).await.unwrap_err();
    assert!(matches!(refused, Error::Directory(DirectoryError::Unpaid)), "{refused}");
}
