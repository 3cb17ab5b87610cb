//! The folder of a run: what each party saw, what happened, and the figures, each in a file of its own. It is
//! made beside its place under another name and moved there when it is whole: an interrupted run leaves none.

use super::engine::Run;
use super::results::{AdversaryResult, Direction, Results, SizeFigures};
use super::view::Views;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use thiserror::Error;

/// A folder in the making. Dropped, it is gone.
#[derive(Debug)]
pub struct Folder {
    place: PathBuf,
    unfinished: TempDir,
}

/// Why there is no folder.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Something else is there already.
    #[error("{0} is there already; name another folder, or let --force replace the figures in it")]
    Taken(PathBuf),
    /// What is there was not made by a run.
    #[error("{0} holds no results.json, so it is not replaced")]
    NotOurs(PathBuf),
    /// The disk.
    #[error("cannot write {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of a file.
    #[error("cannot write {path}: {source}")]
    Csv {
        /// Where.
        path: PathBuf,
        /// What.
        source: csv::Error,
    },
}

/// What tells a folder of ours from another.
const RESULTS: &str = "results.json";

impl Folder {
    /// Begins a folder that will be at `place`.
    ///
    /// # Errors
    ///
    /// When there is something already, unless `force` and it is a run's; when nothing can be written there.
    pub fn begin(place: &Path, force: bool) -> Result<Self, FolderError> {
        if place.exists() {
            if !force {
                return Err(FolderError::Taken(place.to_owned()));
            }
            if !place.join(RESULTS).is_file() {
                return Err(FolderError::NotOurs(place.to_owned()));
            }
        }
        let parent = match place.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let io = |source| FolderError::Io { path: parent.to_owned(), source };
        fs::create_dir_all(parent).map_err(io)?;
        let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(parent).map_err(io)?;
        Ok(Self { place: place.to_owned(), unfinished })
    }

    /// Where it is being made.
    pub fn path(&self) -> &Path {
        self.unfinished.path()
    }

    /// Writes the views, each to its file, and the truth to another.
    ///
    /// # Errors
    ///
    /// When the disk is full.
    pub fn write_run(&self, run: &Run) -> Result<(), FolderError> {
        let Views { first_hop, second_hop, relay, gateway, issuer, contacts, .. } = &run.views;
        let books = (0..contacts.clients())
            .flat_map(|owner| contacts.of(owner).iter().map(move |&person| Entry { owner, person }));
        // Two at a time, as the machine has cores for.
        let ((first, second), (third, fourth)) = rayon::join(
            || (self.rows("first_hop.csv", first_hop), self.rows("second_hop.csv", second_hop)),
            || (self.rows("relay.csv", relay), self.rows("gateway.csv", gateway)),
        );
        let (fifth, sixth) = rayon::join(
            || self.rows("truth.csv", &run.truth.exchanges),
            || self.rows("issuer.csv", issuer).and(self.rows("contacts.csv", books)),
        );
        first.and(second).and(third).and(fourth).and(fifth).and(sixth)
    }

    /// Writes the figures and moves the folder to its place.
    ///
    /// # Errors
    ///
    /// When the disk is full, or something has come to its place meanwhile.
    pub fn finish(self, results: &Results) -> Result<(), FolderError> {
        let json = serde_json::to_vec_pretty(results).map_err(|error| self.io(RESULTS, error.into()))?;
        fs::write(self.path().join(RESULTS), json).map_err(|source| self.io(RESULTS, source))?;
        self.rows("adversaries.csv", results.adversaries.iter().map(Line::from))?;
        let points = results.adversaries.iter().flat_map(|it| {
            it.roc.iter().map(|[fpr, tpr]| RocPoint {
                adversary: &it.name,
                false_positives: *fpr,
                true_positives: *tpr,
            })
        });
        self.rows("roc.csv", points)?;
        self.rows("mixes.csv", &results.mixes)?;
        self.rows("sizes.csv", results.sizes.iter().map(SizeLine::from))?;
        let io = |source| FolderError::Io { path: self.place.clone(), source };
        // The old one steps aside, so that at no time there is half of either.
        let aside = self.unfinished.path().with_extension("old");
        let replaced = self.place.exists();
        if replaced {
            fs::rename(&self.place, &aside).map_err(io)?;
        }
        let moved = fs::rename(self.unfinished.path(), &self.place);
        if replaced && moved.is_err() {
            fs::rename(&aside, &self.place).map_err(io)?;
        } else if replaced {
            fs::remove_dir_all(&aside).map_err(io)?;
        }
        moved.map_err(io)
    }

    fn rows<R: Serialize>(&self, name: &str, rows: impl IntoIterator<Item = R>) -> Result<(), FolderError> {
        let path = self.path().join(name);
        let csv = |source| FolderError::Csv { path: path.clone(), source };
        let file = BufWriter::new(File::create(&path).map_err(|source| self.io(name, source))?);
        let mut writer = csv::Writer::from_writer(file);
        for row in rows {
            writer.serialize(row).map_err(csv)?;
        }
        let mut file = writer.into_inner().map_err(|error| self.io(name, error.into_error()))?;
        file.flush().map_err(|source| self.io(name, source))
    }

    fn io(&self, name: &str, source: std::io::Error) -> FolderError {
        FolderError::Io { path: self.path().join(name), source }
    }
}

/// Removes a folder in the making from outside, while somebody may be at work in it. It is moved away first: what
/// has come to its place by then is whole, and stays.
pub fn discard(unfinished: &Path) {
    let gone = unfinished.with_extension("gone");
    if fs::rename(unfinished, &gone).is_ok() {
        // The process is about to end: there is nobody to tell.
        let _ = fs::remove_dir_all(&gone);
    }
}

/// A contact in an address book.
#[derive(Serialize)]
struct Entry {
    owner: u32,
    person: u32,
}

#[derive(Serialize)]
struct RocPoint<'a> {
    adversary: &'a str,
    false_positives: f64,
    true_positives: f64,
}

/// A line of `adversaries.csv`.
#[derive(Serialize)]
struct Line<'a> {
    adversary: &'a str,
    challenges: u64,
    candidates: f64,
    blind: f64,
    success: f64,
    success_low: f64,
    success_high: f64,
    advantage: f64,
    advantage_low: f64,
    advantage_high: f64,
    auc: f64,
    auc_low: f64,
    auc_high: f64,
    tpr_at_fpr_1e3: f64,
    tpr_low: f64,
    tpr_high: f64,
    set_by_entropy: f64,
    set_by_entropy_low: f64,
    set_by_entropy_high: f64,
    set_by_min_entropy: f64,
    set_by_min_entropy_low: f64,
    set_by_min_entropy_high: f64,
    rounds_median: Option<f64>,
    rounds_median_low: Option<f64>,
    rounds_median_high: Option<f64>,
    disclosed: Option<f64>,
    disclosed_low: Option<f64>,
    disclosed_high: Option<f64>,
    lost: u64,
}

impl<'a> From<&'a AdversaryResult> for Line<'a> {
    fn from(it: &'a AdversaryResult) -> Self {
        Self {
            adversary: &it.name,
            challenges: it.challenges,
            candidates: it.candidates,
            blind: it.blind,
            success: it.success.value,
            success_low: it.success.low,
            success_high: it.success.high,
            advantage: it.advantage.value,
            advantage_low: it.advantage.low,
            advantage_high: it.advantage.high,
            auc: it.auc.value,
            auc_low: it.auc.low,
            auc_high: it.auc.high,
            tpr_at_fpr_1e3: it.tpr_at_fpr_1e3.value,
            tpr_low: it.tpr_at_fpr_1e3.low,
            tpr_high: it.tpr_at_fpr_1e3.high,
            set_by_entropy: it.set_by_entropy.value,
            set_by_entropy_low: it.set_by_entropy.low,
            set_by_entropy_high: it.set_by_entropy.high,
            set_by_min_entropy: it.set_by_min_entropy.value,
            set_by_min_entropy_low: it.set_by_min_entropy.low,
            set_by_min_entropy_high: it.set_by_min_entropy.high,
            rounds_median: it.rounds.as_ref().and_then(|rounds| rounds.median),
            rounds_median_low: it.rounds.as_ref().and_then(|rounds| rounds.median_low),
            rounds_median_high: it.rounds.as_ref().and_then(|rounds| rounds.median_high),
            disclosed: it.rounds.as_ref().map(|rounds| rounds.disclosed.value),
            disclosed_low: it.rounds.as_ref().map(|rounds| rounds.disclosed.low),
            disclosed_high: it.rounds.as_ref().map(|rounds| rounds.disclosed.high),
            lost: it.lost,
        }
    }
}

/// A line of `sizes.csv`.
#[derive(Serialize)]
struct SizeLine<'a> {
    view: &'a str,
    direction: Direction,
    distinct: u64,
    information_who: f64,
    information_who_low: f64,
    information_who_high: f64,
    information_whom: f64,
    information_whom_low: f64,
    information_whom_high: f64,
}

impl<'a> From<&'a SizeFigures> for SizeLine<'a> {
    fn from(it: &'a SizeFigures) -> Self {
        let (who, whom) = (it.information_who, it.information_whom);
        Self {
            view: &it.view,
            direction: it.direction,
            distinct: it.distinct,
            information_who: who.value,
            information_who_low: who.low,
            information_who_high: who.high,
            information_whom: whom.value,
            information_whom_low: whom.low,
            information_whom_high: whom.high,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_place_that_is_taken_and_never_replaces_what_is_not_a_run() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("run");
        fs::create_dir(&place).unwrap();
        assert!(matches!(Folder::begin(&place, false), Err(FolderError::Taken(_))));
        assert!(matches!(Folder::begin(&place, true), Err(FolderError::NotOurs(_))));
        fs::write(place.join(RESULTS), "{}").unwrap();
        drop(Folder::begin(&place, true).unwrap());
        let left: Vec<_> = fs::read_dir(parent.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["run"], "dropped, it is gone");
    }

    #[test]
    fn what_is_discarded_is_gone_and_what_is_whole_stays() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, place) =
            (Folder::begin(&parent.path().join("a"), false).unwrap(), parent.path().join("b"));
        let finished = parent.path().join(".unfinished-b");
        fs::create_dir(&finished).unwrap();
        fs::rename(&finished, &place).unwrap();
        discard(folder.path());
        discard(&finished);
        let left: Vec<_> = fs::read_dir(parent.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["b"]);
    }
}
