//! Opening a request and sealing its answer, by criterion, so that a change shows against the last run.
//! The ratios that DESIGN.md promises come from `ratios`, which measures all in turns.

use criterion::{Criterion, criterion_group, criterion_main};

mod contenders;

fn open(criterion: &mut Criterion) {
    for mut contender in contenders::all() {
        criterion.bench_function(&contender.name, |bencher| bencher.iter(|| (contender.run)()));
    }
}

criterion_group!(benches, open);
criterion_main!(benches);
