//! Valid telephone numbers of many countries, each once, in constant memory: for every region the
//! library's example of a mobile number with its last digits run through in a scattered order.

use discreet_protocol::identifier::Csi;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};

/// Countries on all continents, with numbering plans of all shapes.
const REGIONS: [&str; 24] = [
    "US", "DE", "GB", "FR", "IT", "ES", "NL", "PL", "SE", "CH", "BR", "AR", "MX", "IN", "CN", "JP", "KR",
    "ID", "AU", "NZ", "ZA", "NG", "EG", "TR",
];
/// Digits that are run through.
const SUFFIX: u32 = 6;

/// An endless supply, in the order of [`REGIONS`], until the plans are exhausted.
pub(crate) struct Numbers {
    plans: Vec<Plan>,
    turn: usize,
}

/// One region's numbers: a fixed beginning and all endings, scattered by a step that is coprime
/// to their count.
struct Plan {
    beginning: String,
    next: u64,
    start: u64,
    step: u64,
}

impl Numbers {
    /// The supply of `seed`: another seed, another order.
    pub(crate) fn new(seed: u64) -> Self {
        let plans = REGIONS.iter().enumerate().filter_map(|(index, region)| {
            let scattered = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(index as u64 * 7_919);
            Plan::new(region.parse().ok()?, scattered)
        });
        Self { plans: plans.collect(), turn: 0 }
    }
}

impl Plan {
    fn new(region: Region, scattered: u64) -> Option<Self> {
        let example =
            PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, PhoneNumberType::Mobile).ok()?;
        let number = PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::E164).into_owned();
        let beginning = number.get(..number.len().checked_sub(SUFFIX as usize)?)?.to_owned();
        let count = 10u64.pow(SUFFIX);
        // Neither even nor a multiple of five: coprime to a power of ten.
        let step = (scattered >> 8) % (count / 10) * 10 + 3;
        Some(Self { beginning, next: 0, start: scattered % count, step })
    }

    fn next(&mut self) -> Option<Csi> {
        let count = 10u64.pow(SUFFIX);
        while self.next < count {
            let ending = (self.start + self.next * self.step) % count;
            self.next += 1;
            let number = format!("{}{ending:06}", self.beginning);
            if PHONE_NUMBER_UTIL.parse(&number, None).is_ok_and(|it| PHONE_NUMBER_UTIL.is_valid_number(&it)) {
                return Csi::phone(&number).ok();
            }
        }
        None
    }
}

impl Iterator for Numbers {
    type Item = Csi;

    fn next(&mut self) -> Option<Csi> {
        for _ in 0..self.plans.len() {
            let count = self.plans.len();
            let plan = self.plans.get_mut(self.turn % count)?;
            self.turn += 1;
            if let Some(csi) = plan.next() {
                return Some(csi);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_are_valid_distinct_and_of_twenty_countries_at_least() {
        let (mut seen, mut codes) = (HashSet::new(), HashSet::new());
        for csi in Numbers::new(1).take(2_400) {
            let number = PHONE_NUMBER_UTIL.parse(csi.value(), None).unwrap();
            assert!(PHONE_NUMBER_UTIL.is_valid_number(&number));
            codes.insert(number.country_code);
            assert!(seen.insert(csi.uri()), "twice");
        }
        assert!(codes.len() >= 20, "{}", codes.len());
    }

    #[test]
    fn a_seed_repeats_its_numbers_and_another_does_not() {
        let take = |seed| Numbers::new(seed).take(50).map(|csi| csi.uri()).collect::<Vec<_>>();
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }
}
