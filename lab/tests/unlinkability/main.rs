//! The laboratory against what is known without it: closed forms, planted secrets, and itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use lab::unlinkability::adversary::{Name, StatisticalDisclosure, game};
use lab::unlinkability::command::{measure, population};
use lab::unlinkability::engine::{self, Interference, Run, Silent};
use lab::unlinkability::population::Contacts;
use lab::unlinkability::referee::{Challenge, Posed};
use lab::unlinkability::results::{AdversaryResult, Estimate, Mode, Results, Summary};
use lab::unlinkability::scenario::Scenario;
use lab::unlinkability::view::{AtGateway, Exchange, FirstHop, Kind, NEVER, NO_ROW, Public, Truth, Views};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

mod real_time;

fn scenario(text: &str) -> Scenario {
    let scenario: Scenario = toml::from_str(text).unwrap();
    scenario.check().unwrap();
    scenario
}

/// Runs a scenario and lets its adversaries play.
fn experiment(text: &str) -> Results {
    let mut scenario = scenario(text);
    let (contacts, real) = population(&mut scenario).unwrap();
    let run = engine::run(&scenario, &contacts, real.as_ref(), Interference::None, &Silent);
    measure(&scenario, &contacts, real.as_ref(), &run, Mode::VirtualTime, &Silent)
}

fn result<'a>(results: &'a Results, name: &str) -> &'a AdversaryResult {
    let found = results.adversaries.iter().find(|it| it.name == name).unwrap();
    assert_eq!(found.note, None);
    found
}

fn holds(estimate: &Estimate, value: f64) -> bool {
    estimate.low <= value && value <= estimate.high
}

#[test]
fn without_mixing_at_low_load_both_hops_link_nearly_always() {
    let results = experiment(
        "seed = 1\nclients = 200\nhours = 24\n[adversaries]\nrun = [\"both_hops\"]\nchallenges = 500\nresamples = 50",
    );
    let found = result(&results, "both_hops");
    assert!(found.success.value > 0.99 && found.auc.value > 0.99, "{found:?}");
    assert!(found.set_by_entropy.value < 1.05 && found.tpr_at_fpr_1e3.value > 0.98, "{found:?}");
}

#[test]
fn a_bounded_delay_at_low_load_hides_next_to_nothing() {
    let results = experiment(
        "seed = 2\nclients = 20\nhours = 48\n[population]\ncontacts = 5\n[mix]\nstrategy = \"exponential\"\n\
         mean_ms = 1000\nmax_delay_ms = 5000\n[adversaries]\nrun = [\"both_hops\"]\nchallenges = 500\nresamples = 50",
    );
    let found = result(&results, "both_hops");
    assert!(found.success.value > 0.97, "{:?}", found.success);
    assert!(results.mixes.iter().all(|mix| mix.effective_pool < 1.1), "{:?}", results.mixes);
}

#[test]
fn a_threshold_mix_of_n_is_linked_once_in_n() {
    // So loaded that every batch fills: 2,000 clients, about 55 lookups each a day, five minutes to wait.
    let results = experiment(
        "seed = 3\nclients = 2000\nhours = 12\n[network]\nrelays = 1\n[mix]\nstrategy = \"batch\"\nsize = 8\n\
         max_delay_ms = 300000\n[adversaries]\nrun = [\"both_hops\"]\nchallenges = 1000\nresamples = 30",
    );
    let found = result(&results, "both_hops");
    assert!(holds(&found.success, 0.125), "{:?}", found.success);
    assert!((found.set_by_entropy.value - 8.0).abs() < 0.3, "{:?}", found.set_by_entropy);
    assert!(results.mixes.iter().all(|mix| (mix.effective_pool - 8.0).abs() < 1e-6), "{:?}", results.mixes);
}

#[test]
fn exponential_delay_holds_arrivals_times_mean() {
    let results = experiment(
        "seed = 4\nclients = 10000\nhours = 2\n[behaviour]\nmessages_per_day = 0\n[network]\nrelays = 1\n\
         [changes]\npublishes_per_day = 0\n[mix]\nstrategy = \"exponential\"\nmean_ms = 3000\n\
         max_delay_ms = 60000\n[adversaries]\nrun = []",
    );
    let arrivals = (results.summary.lookups + results.summary.covers) as f64 / (2.0 * 3600.0);
    for mix in &results.mixes {
        let wanted = arrivals * 3.0;
        assert!((mix.mean_held / wanted - 1.0).abs() < 0.03, "{} and not {wanted}", mix.mean_held);
        assert!((mix.mean_delay_ms / 3000.0 - 1.0).abs() < 0.03, "{}", mix.mean_delay_ms);
    }
    assert_eq!(results.mixes.len(), 2);
}

#[test]
fn a_seed_gives_every_figure_bit_for_bit_on_any_number_of_threads() {
    let text = "seed = 5\nclients = 300\nhours = 6\n[mix]\nstrategy = \"pool\"\nsize = 4\nmax_delay_ms = 20000\n\
                [adversaries]\nchallenges = 60\nresamples = 30\nflood_per_second = 3";
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| serde_json::to_string(&experiment(text)).unwrap())
    };
    let once = on(1);
    assert_eq!(once, on(3));
    assert_ne!(once, serde_json::to_string(&experiment(&text.replace("seed = 5", "seed = 6"))).unwrap());
    // Every adversary has played, those with two variants twice.
    let results: Results = serde_json::from_str(&once).unwrap();
    assert_eq!(results.adversaries.len(), Name::ALL.len() + 1);
}

/// Numbers that are no integers to six digits: the last ones depend on the exp, ln and pow of the platform.
fn to_six_digits(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            let short = format!("{:.5e}", number.as_f64().unwrap());
            *value = short.into();
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(to_six_digits),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(to_six_digits),
        _ => {}
    }
}

/// Whoever changes what the figures of a seed are, changes them for everybody who cited some: this says so. The new
/// digest is in the message.
#[test]
fn a_small_run_gives_the_figures_it_gave_before() {
    let text = "seed = 16\nclients = 200\nhours = 24\n[mix]\nstrategy = \"exponential\"\nmean_ms = 2000\n\
                max_delay_ms = 10000\n[adversaries]\nchallenges = 50\nresamples = 20\nflood_per_second = 1";
    let mut results = serde_json::to_value(experiment(text)).unwrap();
    // It alone changes with every release.
    results["version"].take();
    to_six_digits(&mut results);
    let digest = hex::encode(Sha256::digest(results.to_string()));
    assert_eq!(digest, "fa75786c672841d81d4ee4fa988044dea77d5b147852377b46b7f9639cd0d1f2");
}

#[test]
fn pacing_leaves_a_relay_nothing_and_asking_on_demand_does_not() {
    let adversary = "[adversaries]\nrun = [\"relay_alone\"]\nchallenges = 800\nresamples = 100";
    let common = "seed = 6\nclients = 400\nhours = 48\n[population]\ncontacts = 8\n";
    let paced = experiment(&format!(
        "{common}[behaviour]\nrefresh_after_hours = 6\nmessages_per_day = 0\n{adversary}"
    ));
    let paced = result(&paced, "relay_alone");
    assert!((paced.auc.value - 0.5).abs() < 0.03, "{:?}", paced.auc);
    let on_demand = experiment(&format!(
        "{common}[behaviour]\nrefresh_after_hours = 6\nmessages_per_day = 60\nrefresh_permille = 0\ncover_permille = 0\n{adversary}"
    ));
    let on_demand = result(&on_demand, "relay_alone");
    assert!(on_demand.auc.low > 0.6, "{:?}", on_demand.auc);
}

#[test]
fn tokens_fetched_when_needed_name_their_account_and_those_of_a_timer_do_not() {
    let adversary = "[adversaries]\nrun = [\"issuer_and_gateway\"]\nchallenges = 500\nresamples = 50";
    let of = |tokens: &str| {
        let results =
            experiment(&format!("seed = 7\nclients = 1000\nhours = 72\n[tokens]\n{tokens}\n{adversary}"));
        (result(&results, "issuer_and_gateway").clone(), results.summary)
    };
    let (needed, summary) =
        of("refill = \"on_demand\"\nbatch = 1\nlow_water = 0\nfetch_spread_secs = 0\nmin_age_secs = 0");
    assert!(needed.success.low > 0.95, "{:?}", needed.success);
    // One for each but for those of before the run.
    assert!(summary.issuances > summary.lookups / 2, "{summary:?}");
    let (timed, summary) = of("");
    assert!(holds(&timed.advantage, 0.0) && timed.auc.value < 0.55, "{timed:?}");
    // A batch a day for each, whatever is used; hardly anybody runs out.
    assert_eq!(summary.issuances.div_ceil(1000), 3);
    assert!(summary.hurried < summary.lookups / 100, "{summary:?}");
}

#[test]
fn keys_of_their_own_tell_clients_apart_unless_they_compare_keys() {
    let results = experiment(
        "seed = 8\nclients = 500\nhours = 12\n[adversaries]\nrun = [\"tagging\", \"gateway_alone\"]\n\
         challenges = 500\nresamples = 50\ntagged = 1.0\nexcerpt_hours = 12",
    );
    let open = result(&results, "tagging/keys_not_compared");
    assert!(open.success.value > 0.999 && open.auc.value > 0.999, "{open:?}");
    // With every client tagged, all that compare keys stay silent: nothing is left to link.
    let compared = results.adversaries.iter().find(|it| it.name == "tagging/keys_compared").unwrap();
    assert!(compared.note.is_some() && compared.challenges == 0, "{compared:?}");
    assert!(result(&results, "gateway_alone").success.value < 0.1);
}

#[test]
fn flooding_takes_a_threshold_mix_apart_and_not_an_exponential_one() {
    let of = |mix: &str| {
        let results = experiment(&format!(
            "seed = 9\nclients = 3000\nhours = 2\n[network]\nrelays = 1\n[mix]\n{mix}\n[adversaries]\n\
             run = [\"flooding\", \"both_hops\"]\nchallenges = 300\nresamples = 30\nflood_per_second = 100\nexcerpt_hours = 0.5"
        ));
        let of = |name| result(&results, name).set_by_min_entropy.value;
        (of("flooding"), of("both_hops"))
    };
    let (flooded, calm) = of("strategy = \"batch\"\nsize = 16\nmax_delay_ms = 40000");
    assert!(flooded < 2.0 && calm > 10.0, "{flooded} {calm}");
    let (flooded, calm) = of("strategy = \"exponential\"\nmean_ms = 5000\nmax_delay_ms = 30000");
    assert!(flooded > 0.5 * calm, "{flooded} {calm}");
}

#[test]
fn what_was_taught_links_about_as_well_as_what_was_told() {
    let results = experiment(
        "seed = 10\nclients = 3000\nhours = 4\n[mix]\nstrategy = \"exponential\"\nmean_ms = 2000\n\
         max_delay_ms = 10000\n[adversaries]\nrun = [\"both_hops\", \"trained\"]\nchallenges = 1000\nresamples = 50",
    );
    let (told, taught) = (result(&results, "both_hops"), result(&results, "trained"));
    assert!(
        (told.success.value - taught.success.value).abs() < 0.08,
        "{:?} {:?}",
        told.success,
        taught.success
    );
    assert!(taught.auc.value > 0.8, "{:?}", taught.auc);
}

#[test]
fn sizes_tell_nothing_of_who_or_whom() {
    let results = experiment("seed = 11\nclients = 200\nhours = 6\n[adversaries]\nrun = []");
    assert_eq!(results.sizes.len(), 6);
    for size in &results.sizes {
        assert_eq!(size.distinct, 1);
        assert!(size.information_who.high.abs() < 1e-12 && size.information_whom.high.abs() < 1e-12);
    }
}

/// Rounds of a second: in every other one client 0 asks about person 0, and `others` ask about one of `people`.
fn planted(rounds: u64, others: u32, people: u32, seed: u64) -> Run {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut first_hop, mut gateway, mut exchanges) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let at = round * 1000;
        for client in u32::from(round % 2 == 1)..=others {
            let identifier = if client == 0 { 0 } else { rng.random_range(0..people) };
            let row = exchanges.len() as u32;
            first_hop.push(FirstHop { at, answered: at + 900, client, relay: 0, up: 4096, down: 8192 });
            let (publish, issuer, key, up, down) = (false, 0, 0, 4096, 8192);
            let at = at + 500;
            gateway.push(AtGateway { at, relay: 0, gateway: 0, identifier, publish, issuer, key, up, down });
            exchanges.push(Exchange {
                sent: at,
                client,
                identifier,
                kind: Kind::Lookup,
                first_hop: row,
                second_hop: NO_ROW,
                gateway: row,
                issuer: NO_ROW,
            });
        }
    }
    let scenario = scenario("seed = 1\nclients = 300\nhours = 1");
    let public = Public {
        mix: scenario.mix,
        network: scenario.network,
        clients: others + 1,
        issuers: 1,
        horizon_ms: 1000,
        refresh_after_ms: 1,
        tokens: scenario.tokens,
    };
    let (second_hop, relay, issuer) = (Vec::new(), Vec::new(), Vec::new());
    let views =
        Views { first_hop, second_hop, relay, gateway, issuer, contacts: Contacts::default(), public };
    Run { views, truth: Truth { exchanges }, summary: Summary::default(), mixes: Vec::new(), lost: 0 }
}

#[test]
fn statistical_disclosure_finds_a_planted_favourite_in_about_the_predicted_rounds() {
    let (others, people) = (200u32, 20u32);
    // Danezis 2003, for one favourite, two standard deviations: (2 √((N − 1)/N² · (b − 1)))² rounds.
    let n = f64::from(people);
    let predicted = 4.0 * (n - 1.0) / (n * n) * f64::from(others);
    assert!((predicted - 38.0).abs() < 1.0);
    let mut found = Vec::new();
    for seed in 0..9 {
        let run = planted(1024, others, people, seed);
        let challenge = Challenge { subject: 0, candidates: (0..people).collect(), until: NEVER };
        let posed = Posed { challenge, right: (0..people).map(|person| person == 0).collect() };
        let played = game(&StatisticalDisclosure, &run.views, posed);
        found.push(played.disclosed_after.expect("1024 rounds are plenty") as f64);
    }
    found.sort_by(f64::total_cmp);
    let median = found[4];
    // Rounds are counted in powers of two.
    assert!(predicted / 3.0 < median && median < predicted * 4.0, "{found:?}, predicted {predicted}");
}

/// A folder of its own for a command, and the scenario in it.
fn room(text: &str) -> tempfile::TempDir {
    let room = tempfile::tempdir().unwrap();
    std::fs::write(room.path().join("scenario.toml"), text).unwrap();
    room
}

fn command(room: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.current_dir(room).env_remove("RUST_BACKTRACE").args(["unlinkability", "scenario.toml"]);
    command
}

fn names(room: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(room).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_leaves_a_folder_with_views_truth_and_figures_apart() {
    let room = room(
        "seed = 13\nclients = 60\nhours = 4\n[adversaries]\nchallenges = 20\nresamples = 20\nflood_per_second = 1",
    );
    let output = command(room.path()).args(["--out", "run", "--json"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed: Results = serde_json::from_slice(&output.stdout).unwrap();
    let written = std::fs::read(room.path().join("run/results.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Results>(&written).unwrap(), printed);
    let files = names(&room.path().join("run"));
    let wanted = [
        "adversaries.csv",
        "contacts.csv",
        "first_hop.csv",
        "gateway.csv",
        "issuer.csv",
        "mixes.csv",
        "relay.csv",
        "results.json",
        "roc.csv",
        "second_hop.csv",
        "sizes.csv",
        "truth.csv",
    ];
    assert!(wanted.iter().all(|name| files.iter().any(|file| file == name)), "{files:?}");
    let head = |file: &str| {
        let text = std::fs::read_to_string(room.path().join("run").join(file)).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    // Who asked is in no file of the gateway's, and whom in none of the relay's or the wires'.
    assert_eq!(head("gateway.csv"), "at,relay,gateway,identifier,publish,issuer,key,up,down");
    assert_eq!(head("first_hop.csv"), "at,answered,client,relay,up,down");
    assert!(!head("relay.csv").contains("identifier") && !head("second_hop.csv").contains("client"));
    for columns in
        ["advantage,advantage_low,advantage_high", "rounds_median,rounds_median_low,rounds_median_high"]
    {
        assert!(head("adversaries.csv").contains(columns), "{columns}");
    }
    assert!(head("sizes.csv").contains("information_who,information_who_low,information_who_high"));
    // A second run does not replace the first unless told to.
    let again = command(room.path()).args(["--out", "run"]).output().unwrap();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("--force"));
    assert!(
        command(room.path()).args(["--out", "run", "--force", "--figures-only"]).status().unwrap().success()
    );
    assert!(!names(&room.path().join("run")).contains(&"truth.csv".to_owned()));
    assert_eq!(names(room.path()), ["run", "scenario.toml"]);
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let room = room("seed = 14\nclients = 100000\nhours = 24");
    let mut lab = command(room.path()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while names(room.path()).len() < 2 {
        assert!(Instant::now() < deadline && lab.try_wait().unwrap().is_none(), "the run never began");
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&lab);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(lab.wait().unwrap().code(), Some(130));
    assert_eq!(names(room.path()), ["scenario.toml"]);
}

#[test]
fn rejects_a_wrong_scenario_in_one_sentence() {
    let room = room("seed = 15\nclients = 100\nhours = 24\n[behaviour]\nmessages_per_day = 1e9");
    let output = command(room.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "Error: behaviour.messages_per_day must be 0 to 10000, not 1000000000\n");
    assert_eq!(names(room.path()), ["scenario.toml"]);
}
