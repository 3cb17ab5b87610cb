//! `lab sweep`: one scenario many times, with other values for some of its fields: what delay and load buy is seen
//! only between runs. Each run is a folder as `lab unlinkability` makes it, with figures only.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use lab::unlinkability::command::experiment;
use lab::unlinkability::folder::{Folder, discard};
use lab::unlinkability::scenario::Scenario;
use std::path::PathBuf;
use std::str::FromStr;
use tokio::task::spawn_blocking;
use toml::{Table, Value};

/// Most runs of a sweep: as many as a report shows.
const MAX_RUNS: usize = 64;

#[derive(Args)]
pub(crate) struct Options {
    /// The scenario; `lab/scenarios` has examples
    scenario: PathBuf,
    /// A field and its values as TOML, such as `clients=[200,1000]` or
    /// `mix=[{strategy="off"},{strategy="exponential",mean_ms=1000,max_delay_ms=5000}]`; given several times,
    /// each combination is run
    #[arg(long, required = true, value_name = "FIELD=[VALUES]")]
    vary: Vec<Vary>,
    /// Folder for the runs' folders; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Replace the folders of earlier runs
    #[arg(long)]
    force: bool,
}

/// A field and what it is set to, one after the other.
#[derive(Clone, Debug)]
struct Vary {
    field: String,
    values: Vec<Value>,
}

impl FromStr for Vary {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (field, values) =
            text.split_once('=').context("a field, then =, then values: clients=[200,1000]")?;
        let table: Table = toml::from_str(&format!("values = {values}"))
            .map_err(|error| anyhow::anyhow!("{field}: {}", error.message()))?;
        match table.get("values") {
            Some(Value::Array(values)) if !values.is_empty() => {
                Ok(Self { field: field.trim().to_owned(), values: values.clone() })
            }
            _ => bail!("{field}: values stand in brackets, with commas: [1, 2]"),
        }
    }
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let scenarios = scenarios(&Scenario::load(&options.scenario)?, &options.vary)?;
    crate::create_folder(&options.out)?;
    // Before there is anything to clean up.
    let stopped = discreet_serve::stop_signal();
    // All places are checked before the first run, which may take long.
    let folders = scenarios.iter().enumerate().map(|(number, _)| {
        let place = options.out.join(format!("{:02}", number + 1));
        Folder::begin(&place, options.force)
    });
    let folders = folders.collect::<Result<Vec<_>, _>>()?;
    let unfinished: Vec<_> = folders.iter().map(|folder| folder.path().to_owned()).collect();
    let work = spawn_blocking(move || run_all(scenarios, folders));
    tokio::select! {
        done = work => {
            let total = done.context("a run broke off")??;
            println!("{total} runs written to {}; `lab report --results` draws them", options.out.display());
            Ok(())
        }
        () = stopped => {
            // The work cannot be stopped from outside; the process ends, and with it what was half done.
            unfinished.iter().for_each(|folder| discard(folder));
            eprintln!("interrupted; the runs in {} are whole", options.out.display());
            std::process::exit(130)
        }
    }
}

/// Runs them one after the other, each into its folder, and returns how many there were.
fn run_all(scenarios: Vec<(Scenario, String)>, folders: Vec<Folder>) -> Result<usize> {
    let total = scenarios.len();
    for (number, ((mut scenario, name), folder)) in scenarios.into_iter().zip(folders).enumerate() {
        eprintln!("run {} of {total}: {name}", number + 1);
        let results = experiment(&mut scenario, &folder, true)?;
        folder.finish(&results)?;
    }
    Ok(total)
}

/// All combinations, the last field changing fastest, and what is special to each.
fn scenarios(base: &Scenario, vary: &[Vary]) -> Result<Vec<(Scenario, String)>> {
    let count = vary.iter().fold(1usize, |count, vary| count.saturating_mul(vary.values.len()));
    ensure!(count <= MAX_RUNS, "{count} runs are too many: a report shows {MAX_RUNS} at most");
    let mut all = vec![(Table::try_from(base).context("the scenario has no form in TOML")?, String::new())];
    for Vary { field, values } in vary {
        let mut next = Vec::new();
        for (table, name) in &all {
            for value in values {
                let mut table = table.clone();
                set(&mut table, field, value.clone())?;
                let name = if name.is_empty() { String::new() } else { format!("{name}, ") };
                next.push((table, format!("{name}{field} = {value}")));
            }
        }
        all = next;
    }
    all.into_iter()
        .map(|(table, name)| {
            let scenario: Scenario = table
                .try_into()
                .map_err(|error: toml::de::Error| anyhow::anyhow!("{name}: {}", error.message()))?;
            scenario.check().with_context(|| name.clone())?;
            Ok((scenario, name))
        })
        .collect()
}

/// Sets a field of a table, or of a table in it: `mix.size`.
fn set(table: &mut Table, field: &str, value: Value) -> Result<()> {
    match field.split_once('.') {
        None => {
            table.insert(field.to_owned(), value);
            Ok(())
        }
        Some((inner, rest)) => match table.get_mut(inner) {
            Some(Value::Table(inner)) => set(inner, rest, value),
            _ => bail!("the scenario has no table {inner}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::unlinkability::scenario::Mix;

    fn base() -> Scenario {
        toml::from_str("seed = 1\nclients = 10\nhours = 1\n").unwrap()
    }

    fn vary(texts: &[&str]) -> Result<Vec<(Scenario, String)>> {
        let vary = texts.iter().map(|text| text.parse()).collect::<Result<Vec<Vary>>>()?;
        scenarios(&base(), &vary)
    }

    #[test]
    fn each_combination_is_run() {
        let mixes = r#"mix=[{strategy="off"},{strategy="pool",size=4,max_delay_ms=900}]"#;
        let all = vary(&["clients=[20,30]", mixes]).unwrap();
        let told: Vec<_> = all.iter().map(|(scenario, _)| (scenario.clients, scenario.mix)).collect();
        let pool = Mix::Pool { size: 4, max_delay_ms: 900 };
        assert_eq!(told, [(20, Mix::Off), (20, pool), (30, Mix::Off), (30, pool)]);
        assert_eq!(all[0].1, r#"clients = 20, mix = { strategy = "off" }"#);
        let (scenario, _) = &vary(&["behaviour.messages_per_day=[3.5]"]).unwrap()[0];
        assert_eq!(scenario.behaviour.messages_per_day, 3.5);
    }

    #[test]
    fn rejects_what_no_scenario_has() {
        let said = |texts: &[&str]| format!("{:#}", vary(texts).unwrap_err());
        assert!(said(&["people=[1]"]).contains("people"), "{}", said(&["people=[1]"]));
        assert!(said(&["crowd.size=[1]"]).contains("no table crowd"));
        assert!(said(&["clients=[1]"]).contains("clients must be 2 to 1000000, not 1"));
        assert!(said(&["clients=5"]).contains("in brackets"));
        assert!(said(&["clients"]).contains("then ="));
        let many = format!("seed=[{}]", "1,".repeat(65));
        assert!(said(&[&many]).contains("65 runs are too many"));
    }
}
