//! What lies on the disk of a directory names nobody: neither the database, nor its log, nor its
//! free pages, nor the tombstone journal, of people who are there or who have left.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::end_to_end::NOW;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_client::Withdrawal;
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::statement::sign;
use discreet_protocol::withdrawal;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use tests::world::{DOMAIN, domain, phone};
use tests::{Net, Person, World};

/// People who stay, and people who leave again.
const STAYING: u32 = 40;
const LEAVING: u32 = 80;

fn person(world: &World, n: u32) -> Person {
    world.person(&phone(&format!("+1415555{n:04}")), 0)
}

/// Everything about a person that must not lie in clear, in every form it could take.
fn canaries(person: &Person) -> Vec<Vec<u8>> {
    let uri = person.mapping.reaches[0].uri.as_str();
    let digits = person.mapping.csi.value().trim_start_matches('+');
    let user = uri.rsplit('/').next().unwrap();
    let key = person.credential.holder.to_bytes();
    let mut forms = Vec::new();
    for text in [digits, user, uri] {
        forms.push(text.as_bytes().to_vec());
        forms.push(text.bytes().rev().collect());
        forms.push(hex::encode(text).into_bytes());
        forms.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        forms.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    // Packed decimal, in both orders of nibbles.
    let nibbles: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
    forms.push(nibbles.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect());
    forms.push(nibbles.chunks_exact(2).map(|pair| pair[1] << 4 | pair[0]).collect());
    for bytes in [&key[..], &person.credential.id[..]] {
        forms.push(bytes.to_vec());
        forms.push(hex::encode(bytes).into_bytes());
        forms.push(hex::encode_upper(bytes).into_bytes());
    }
    // Base64 of a text depends on where it begins; these are its three phases, without the edges.
    for text in [digits, uri] {
        for phase in 0..3 {
            let shifted = [&[0; 2][..phase], text.as_bytes()].concat();
            let encoded = URL_SAFE_NO_PAD.encode(&shifted[..shifted.len() / 3 * 3]);
            forms.push(encoded.as_bytes()[4 * phase.min(1)..].to_vec());
        }
    }
    forms
}

/// The first canary that is in one of the directory's files.
fn found<'a>(folder: &Path, people: impl Iterator<Item = &'a Person>) -> Option<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("directory.db"));
    let files: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    assert!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 100_000);
    let canaries = Canaries::of(people);
    files.iter().find_map(|(path, bytes)| {
        let canary = canaries.first_in(bytes)?;
        Some(format!("{} holds {}", path.display(), hex::encode(canary)))
    })
}

/// Many byte strings to be found in one pass: by their first four bytes, of which all have more.
struct Canaries(HashMap<[u8; 4], Vec<Vec<u8>>>);

impl Canaries {
    fn of<'a>(people: impl Iterator<Item = &'a Person>) -> Self {
        let mut by_start: HashMap<_, Vec<_>> = HashMap::new();
        for canary in people.flat_map(canaries) {
            by_start.entry(*canary.first_chunk().unwrap()).or_default().push(canary);
        }
        Self(by_start)
    }

    fn first_in(&self, bytes: &[u8]) -> Option<&Vec<u8>> {
        (0..bytes.len()).find_map(|at| {
            let rest = &bytes[at..];
            let canaries = self.0.get(rest.first_chunk()?)?;
            canaries.iter().find(|canary| rest.starts_with(canary))
        })
    }
}

#[tokio::test]
async fn the_files_of_a_directory_name_nobody_published_or_withdrawn() {
    let mut net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    let client = net.client().build().unwrap();
    let people: Vec<_> = (0..STAYING + LEAVING).map(|n| person(&net.world, n)).collect();
    for person in &people {
        let mapping = VerifiableMapping::new(person.signed_mapping(), person.signed_status());
        client.publish(mapping, None).await.unwrap().outcome.unwrap();
    }
    for person in people.iter().skip(STAYING as usize) {
        let claims = withdrawal::Withdrawal {
            csi: person.mapping.csi.clone(),
            audience: vec![domain(DOMAIN)],
            tag: None,
            serial: person.mapping.serial + 1,
            credential: sign(&person.credential, &person.authority),
        };
        let withdrawal = Withdrawal(sign(&claims, &person.holder));
        client.withdraw(withdrawal, None).await.unwrap().outcome.unwrap();
    }
    // With the log in use, and once more when everything is closed.
    assert!(net.folder().join("directory.db-wal").exists());
    assert_eq!(found(net.folder(), people.iter()), None);
    net.stop_gateway().await;
    assert_eq!(found(net.folder(), people.iter()), None);
    // The statuses of those who left were deleted: the search has seen free pages, too. Their number
    // stands in the file's header (SQLite file format, §1.3).
    let header = fs::read(net.folder().join("directory.db")).unwrap();
    let free = u32::from_be_bytes(header[36..40].try_into().unwrap());
    assert!(free > 0, "no page is free");
}

#[tokio::test]
async fn the_search_finds_what_lies_there_in_clear() {
    let net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    let people: Vec<_> = (0..50).map(|n| person(&net.world, n)).collect();
    let forms = canaries(&people[7]);
    for (at, form) in forms.iter().enumerate() {
        let plain = [vec![0xa5; 100_000], form.clone(), vec![0x5a; 10]].concat();
        fs::write(net.folder().join("directory.db.planted"), plain).unwrap();
        assert!(found(net.folder(), people.iter()).is_some(), "form {at}");
    }
}
