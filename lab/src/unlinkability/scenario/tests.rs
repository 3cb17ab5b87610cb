//! What a scenario may say, and the sentence for what it may not.

use super::*;
use std::fs;
use std::path::Path;

const LEAST: &str = "seed = 1\nclients = 100\nhours = 24\n";

fn said(text: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let said = Scenario::load(file.path()).unwrap_err().to_string();
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    said.replace(&file.path().display().to_string(), "FILE")
}

#[test]
fn the_samples_can_be_run() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let samples = fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path());
    let samples: Vec<_> = samples.filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
    assert!(samples.len() >= 5, "{samples:?}");
    for path in samples {
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        // What is written with every default filled in reads as the same.
        assert_eq!(toml::from_str::<Scenario>(&toml::to_string(&scenario).unwrap()).unwrap(), scenario);
    }
}

#[test]
fn rejects_a_missing_file() {
    let said = Scenario::load(Path::new("no-such.toml")).unwrap_err().to_string();
    assert_eq!(said, "cannot read no-such.toml: No such file or directory (os error 2)");
}

#[test]
fn rejects_unknown_fields_and_missing_ones_by_name() {
    let unknown = said(&format!("{LEAST}[behaviour]\nmessages_a_day = 3\n"));
    assert!(unknown.starts_with("FILE, line 5: unknown field `messages_a_day`"), "{unknown}");
    let unknown =
        said(&format!("{LEAST}[mix]\nstrategy = \"pool\"\nsize = 3\nmax_delay_ms = 10\nmean_ms = 4\n"));
    assert!(unknown.contains("unknown field `mean_ms`"), "{unknown}");
    assert!(said("seed = 1\nhours = 2\n").contains("missing field `clients`"));
    assert!(
        said(&format!("{LEAST}[adversaries]\nrun = [\"everybody\"]\n"))
            .contains("unknown variant `everybody`")
    );
}

#[test]
fn rejects_impossible_numbers_by_the_field() {
    let rate = said(&format!("{LEAST}[behaviour]\nmessages_per_day = -1\n"));
    assert_eq!(rate, "behaviour.messages_per_day must be 0 to 10000, not -1");
    let nan = said(&format!("{LEAST}[population]\npopularity = nan\n"));
    assert_eq!(nan, "population.popularity must be 0 to 3, not NaN");
    assert!(said("seed = 1\nclients = 1\nhours = 1\n").starts_with("clients must be 2 to 1000000"));
    let shares = said(&format!("{LEAST}[behaviour]\nrefresh_permille = 900\ncover_permille = 200\n"));
    assert!(shares.contains("behaviour.cover_permille") && shares.contains("1100"), "{shares}");
    let mix = said(&format!("{LEAST}[mix]\nstrategy = \"exponential\"\nmean_ms = 500\nmax_delay_ms = 100\n"));
    assert!(mix.contains("mean_ms must be"), "{mix}");
    let much = said("seed = 1\nclients = 1000000\nhours = 720\n");
    assert!(much.contains("lower one of them"), "{much}");
}
