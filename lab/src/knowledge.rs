//! `lab knowledge`: the table "Who learns what" of DESIGN.md, measured on the real programs.
//!
//! Every client has things that nobody else has: an address, an account, whom it asks about, the answer, the
//! moment. Afterwards everything that each party had is searched for them: what it received and sent inside
//! TLS, header fields decoded; its log at the most verbose level; its metrics; its files; and for the gateway
//! what its keys open. A party that knows what it must not, and one that does not know what it must, fail the
//! command.

use crate::files;
use crate::stress::bar;
use anyhow::{Context, Result, ensure};
use clap::Args;
use matrix::{Matrix, measure};
use network::{GatewayFolder, Network};
use person::{Person, people};
use plant::Plant;
use record::{Party, Record};
use serde_json::json;
use spelling::Canary;
use std::path::PathBuf;

pub(crate) use matrix::Verdict;
pub(crate) use person::What;

mod detector;
mod matrix;
mod network;
mod opened;
mod person;
mod plant;
mod promise;
mod record;
mod spelling;

/// Fewest clients: a form that may be found by chance counts from three on.
const MIN_CLIENTS: u16 = 3;
/// Most clients: each takes more than a second.
const MAX_CLIENTS: u16 = 200;

#[derive(Args)]
pub(crate) struct Options {
    /// Folder for the matrix, `knowledge.json`; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print the matrix as one line of JSON
    #[arg(long)]
    json: bool,
    /// How many clients, each with one lookup
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(MIN_CLIENTS as i64..=MAX_CLIENTS as i64))]
    clients: u16,
    /// What names, addresses and numbers come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plant a leak, to see that it is caught; may be given several times. The command then succeeds if exactly
    /// the planted leaks are found
    #[arg(long, value_enum, value_name = "KIND")]
    plant: Vec<Plant>,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    if let Some(out) = &options.out {
        crate::create_folder(out)?;
    }
    let mut people = people(options.seed, options.clients.into())?;
    let (mut record, gateway) = collect(&mut people, &options.plant).await?;
    opened::issued(&mut people, &record)?;
    opened::open(&mut people, &mut record, &gateway.path)?;
    drop::<GatewayFolder>(gateway);
    for plant in &options.plant {
        plant.put(&people, &mut record);
    }
    let matrix = measure(&people, &record, &parties(&people))?;
    let broken = matrix.broken();
    let document = json!({ "matrix": matrix, "seed": options.seed, "broken": broken });
    if let Some(out) = &options.out {
        files::write(&out.join("knowledge.json"), format!("{document:#}\n").as_bytes())?;
    }
    if options.json {
        println!("{document}");
    } else {
        print(&matrix, &broken);
    }
    judge(&matrix, &broken, &options.plant)
}

fn parties(people: &[Person]) -> Vec<Party> {
    let mut parties = vec![Party::ProviderRelay, Party::OtherRelay, Party::Gateway];
    parties.extend(network::issuers_of(people).into_iter().map(Party::Issuer));
    parties.extend([Party::Authority, Party::ClientLink, Party::GatewayLink, Party::Colluding]);
    parties
}

/// Runs everything, one client after the other, and stops it.
async fn collect(people: &mut [Person], plants: &[Plant]) -> Result<(Record, GatewayFolder)> {
    let network = Network::start(people, plants).await?;
    let bar = bar(2 * people.len() as u64, "clients");
    for person in people.iter_mut() {
        network.enrol(person).await.context("an enrolment failed")?;
        let bearer = network.refill(person).await.context("a token was not issued")?;
        person.found.push((What::Account, Canary::Text(bearer)));
        bar.inc(1);
    }
    for person in people.iter_mut() {
        person.moment = Some(network.look_up(person).await.context("a lookup failed")?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    network.end().await
}

fn print(matrix: &Matrix, broken: &[String]) {
    println!("{}\n", matrix.table().join("\n"));
    println!(
        "{} clients; {} spellings of what is theirs, searched for in {} KB",
        matrix.clients,
        matrix.forms,
        matrix.bytes / 1024
    );
    for sentence in broken {
        println!("  {sentence}");
    }
}

/// Whether all is as promised; with planted leaks, whether just these are found.
fn judge(matrix: &Matrix, broken: &[String], plants: &[Plant]) -> Result<()> {
    if plants.is_empty() {
        ensure!(broken.is_empty(), "not as promised: {}", broken.join("; "));
        return Ok(());
    }
    let mut expected = Vec::new();
    for plant in plants {
        match plant.leaks() {
            Some((party, what, place)) => {
                ensure!(matrix.leaks(party, what, place), "not caught: {plant:?} at {party}");
                expected.push((party, what));
            }
            None => ensure!(!broken.is_empty(), "not caught: {plant:?}"),
        }
    }
    if plants.iter().all(|plant| plant.leaks().is_some()) {
        let all = matrix.parties.iter().flat_map(|row| row.cells.iter().map(move |cell| (row.party, cell)));
        for (party, cell) in all.filter(|(_, cell)| matches!(cell.verdict, Verdict::Leak | Verdict::Missing))
        {
            ensure!(expected.contains(&(party, cell.what)), "not planted: {}", broken.join("; "));
        }
    }
    println!("caught: all {} that were planted", plants.len());
    Ok(())
}
