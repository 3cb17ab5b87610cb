//! Who knows whom: address books drawn by a Zipf law, or taken from a trace. Person `n` is the one whose
//! identifier has number `n`; small numbers are popular.

use super::randomness::{Purpose, stream};
use super::scenario::Scenario;
use rand::{Rng, RngExt};
use rayon::prelude::*;

/// All address books, one behind the other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Contacts {
    /// Where each book begins in `people`, and where the last ends.
    starts: Vec<usize>,
    people: Vec<u32>,
}

impl Contacts {
    /// The books of a scenario's population.
    pub fn draw(scenario: &Scenario) -> Self {
        let population = &scenario.population;
        let popularity = Zipf::new(scenario.clients as usize, population.popularity);
        let books: Vec<Vec<u32>> = (0..scenario.clients)
            .into_par_iter()
            .map(|owner| {
                let mut rng = stream(scenario.seed, Purpose::Contacts, owner.into());
                book(owner, scenario.clients, population.contacts, &popularity, &mut rng)
            })
            .collect();
        Self::from_books(&books)
    }

    /// These books, in the order of their owners.
    pub fn from_books(books: &[Vec<u32>]) -> Self {
        let mut starts = vec![0];
        starts.extend(books.iter().scan(0, |end, book| {
            *end += book.len();
            Some(*end)
        }));
        Self { starts, people: books.concat() }
    }

    /// How many owners there are.
    pub fn clients(&self) -> u32 {
        // Never truncates: owners are numbered by u32.
        (self.starts.len().saturating_sub(1)) as u32
    }

    /// How many entries all books have.
    pub fn entries(&self) -> usize {
        self.people.len()
    }

    /// The book of an owner, favourites first; empty for somebody who has none.
    pub fn of(&self, client: u32) -> &[u32] {
        let at = client as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&start), Some(&end)) => &self.people[start..end],
            _ => &[],
        }
    }
}

/// The Zipf law: number `k`, from 0, comes with a weight of `(k + 1)` to the minus exponent.
#[derive(Clone, Debug)]
pub struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    /// For so many numbers.
    pub fn new(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
        let cumulated = weights.map(|weight| {
            sum += weight;
            sum
        });
        Self { cumulated: cumulated.collect() }
    }

    /// One of the numbers.
    pub fn draw(&self, rng: &mut impl Rng) -> usize {
        let sum = self.cumulated.last().copied().unwrap_or(0.0);
        let drawn = rng.random::<f64>() * sum;
        self.cumulated.partition_point(|&upto| upto <= drawn).min(self.cumulated.len().saturating_sub(1))
    }
}

/// Draws of a contact that is in the book already before a book stays smaller than it was to be.
const TRIES: usize = 20;

fn book(owner: u32, clients: u32, mean: f64, popularity: &Zipf, rng: &mut impl Rng) -> Vec<u32> {
    // Geometric from 1 on.
    let size = if mean <= 1.0 {
        1.0
    } else {
        ((1.0 - rng.random::<f64>()).ln() / (1.0 - 1.0 / mean).ln()).floor() + 1.0
    };
    let size = (size as usize).min(clients as usize - 1);
    let mut seen = std::collections::HashSet::with_capacity(size);
    let mut book = Vec::with_capacity(size);
    for _ in 0..size * TRIES {
        if book.len() == size {
            break;
        }
        let person = popularity.draw(rng) as u32;
        if person != owner && seen.insert(person) {
            book.push(person);
        }
    }
    // Popular people came first; whom the owner likes is another matter.
    for last in (1..book.len()).rev() {
        book.swap(last, rng.random_range(0..=last));
    }
    book
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_draws_follow_their_weights() {
        let (zipf, mut rng) = (Zipf::new(3, 1.0), stream(1, Purpose::Contacts, 0));
        let mut counts = [0; 3];
        (0..110_000).for_each(|_| counts[zipf.draw(&mut rng)] += 1);
        // 1, 1/2 and 1/3 of 11/6: 60,000, 30,000 and 20,000.
        assert!(counts.iter().zip([60_000, 30_000, 20_000]).all(|(a, b): (&i32, i32)| (a - b).abs() < 800));
    }

    #[test]
    fn a_book_has_others_only_and_each_once() {
        let zipf = Zipf::new(50, 1.2);
        let sizes = (0..2_000).map(|seed| {
            let book = book(7, 50, 8.0, &zipf, &mut stream(seed, Purpose::Contacts, 0));
            let mut sorted = book.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert!(sorted.len() == book.len() && !book.contains(&7) && !book.is_empty());
            book.len()
        });
        let mean = sizes.sum::<usize>() as f64 / 2_000.0;
        assert!((7.0..9.0).contains(&mean), "{mean}");
    }
}
