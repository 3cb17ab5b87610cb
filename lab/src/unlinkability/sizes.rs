//! What sizes tell, for each place where they are seen. Who and whom come from the truth.

use super::engine::Run;
use super::results::{Direction, SizeFigures};
use super::statistics::information::{distinct, mutual};
use super::view::Exchange;

/// One line for each view and direction.
pub fn figures(run: &Run, resamples: usize, seed: u64) -> Vec<SizeFigures> {
    let views = &run.views;
    let first = |it: &Exchange| views.first_hop.get(it.first_hop as usize).map(|row| [row.up, row.down]);
    let second = |it: &Exchange| views.second_hop.get(it.second_hop as usize).map(|row| [row.up, row.down]);
    let gateway = |it: &Exchange| views.gateway.get(it.gateway as usize).map(|row| [row.up, row.down]);
    let mut figures = of(run, "first_hop", first, resamples, seed);
    figures.extend(of(run, "second_hop", second, resamples, seed));
    figures.extend(of(run, "gateway", gateway, resamples, seed));
    figures
}

fn of(
    run: &Run,
    view: &str,
    sizes: impl Fn(&Exchange) -> Option<[u16; 2]>,
    resamples: usize,
    seed: u64,
) -> Vec<SizeFigures> {
    let rows: Vec<_> = run.truth.exchanges.iter().filter_map(|it| Some((sizes(it)?, it))).collect();
    let line = |place: usize, direction| {
        let pairs = |of: fn(&Exchange) -> u32| {
            let pairs = rows.iter().map(|(sizes, it)| (u32::from(sizes[place]), of(it)));
            mutual(&pairs.collect::<Vec<_>>(), resamples, seed)
        };
        SizeFigures {
            view: view.to_owned(),
            direction,
            distinct: distinct(rows.iter().map(|(sizes, _)| u32::from(sizes[place]))),
            information_who: pairs(|it| it.client),
            information_whom: pairs(|it| it.identifier),
        }
    };
    vec![line(0, Direction::Up), line(1, Direction::Down)]
}
