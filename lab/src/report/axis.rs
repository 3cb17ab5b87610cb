//! An axis: where a value lies on it, and which values are written beside it.

use super::figures::shortest;

/// One axis of a plot.
#[derive(Debug)]
pub(super) struct Axis {
    /// What it shows, with its unit.
    pub(super) label: &'static str,
    low: f64,
    high: f64,
    is_log: bool,
}

/// Ticks a linear axis has, about.
const TICKS: f64 = 5.0;
/// Decades up to which 2 and 5 are written, too.
const FEW_DECADES: f64 = 2.0;

impl Axis {
    /// From `low` to `high`, even steps.
    pub(super) fn linear(label: &'static str, low: f64, high: f64) -> Self {
        Self { label, low, high: if high > low { high } else { low + 1.0 }, is_log: false }
    }

    /// Even factors, from the 1, 2 or 5 below the values to the one above.
    pub(super) fn log_around(label: &'static str, values: impl Iterator<Item = f64>) -> Self {
        let values = values.filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = values
            .fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self::log(label, 1.0, 10.0);
        }
        let (low, high) = (round(low, false), round(high, true));
        Self::log(label, low, if high > low { high } else { low * 10.0 })
    }

    /// From `low` to `high`, both above zero, even factors.
    pub(super) fn log(label: &'static str, low: f64, high: f64) -> Self {
        Self { label, low, high, is_log: true }
    }

    /// From zero over all values, even steps.
    pub(super) fn from_zero(label: &'static str, values: impl Iterator<Item = f64>) -> Self {
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let axis = Self::linear(label, 0.0, most);
        let step = axis.step();
        Self { high: (axis.high / step * 0.999_999).ceil() * step, ..axis }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high one, and never outside.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = if self.is_log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Values between two neighbours, so that what is straight between them is drawn bent where the axis bends it.
    pub(super) fn between(&self, from: f64, to: f64) -> Vec<f64> {
        let steps = (self.place(from) - self.place(to)).abs() * 40.0;
        if !self.is_log || steps < 2.0 {
            return Vec::new();
        }
        let from = from.max(self.low);
        let factor = (to / from).powf(1.0 / steps.ceil());
        (1..steps.ceil() as i32).map(|step| from * factor.powi(step)).collect()
    }

    /// The values written beside it, and as what.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if self.is_log {
            self.factors().into_iter().map(|value| (value, factor(value))).collect()
        } else {
            self.steps().into_iter().map(|value| (value, shortest(value))).collect()
        }
    }

    fn factors(&self) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let each: &[f64] =
            if (self.high / self.low).log10() <= FEW_DECADES { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let all = (first..=last).flat_map(|decade| each.iter().map(move |one| one * 10f64.powi(decade)));
        all.filter(|value| *value <= self.high * 1.001 && *value >= self.low * 0.999).collect()
    }

    fn steps(&self) -> Vec<f64> {
        let step = self.step();
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step * 1.000_001).floor() as i64);
        (first..=last).map(|number| number as f64 * step).collect()
    }

    fn step(&self) -> f64 {
        let rough = (self.high - self.low) / TICKS;
        let decade = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|one| one * decade);
        steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough)
    }
}

/// What is written beside an axis of factors: small ones as powers, which are shorter.
fn factor(value: f64) -> String {
    let power = value.log10().round() as i32;
    match power {
        -4 if is_near(value, 1e-4) => "10⁻⁴".to_owned(),
        -3 if is_near(value, 1e-3) => "10⁻³".to_owned(),
        -2 if is_near(value, 1e-2) => "10⁻²".to_owned(),
        _ => shortest(value),
    }
}

fn is_near(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() < 1e-6
}

/// To 1, 2 or 5 times a power of ten, downwards or upwards.
fn round(value: f64, is_up: bool) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let ratio = value / decade;
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = if is_up {
        steps.into_iter().find(|step| *step >= ratio * 0.999_999)
    } else {
        steps.into_iter().rev().find(|step| *step <= ratio * 1.000_001)
    };
    step.unwrap_or(ratio) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(written(&Axis::linear("", 0.0, 1.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(written(&Axis::from_zero("", [3.0, 19.7].into_iter())), ["0", "5", "10", "15", "20"]);
        assert_eq!(written(&Axis::log("", 1e-4, 1.0)), ["10⁻⁴", "10⁻³", "10⁻²", "0.1", "1"]);
        assert_eq!(written(&Axis::log_around("", [0.12, 0.7].into_iter())), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(written(&Axis::log_around("", [1.2, 4000.0].into_iter())), ["1", "10", "100", "1000"]);
        let sets = Axis::log_around("", [1.0, 60.0].into_iter());
        assert_eq!(written(&sets), ["1", "2", "5", "10", "20", "50", "100"]);
    }

    #[test]
    fn values_lie_where_they_belong_and_never_outside() {
        let axis = Axis::log("", 1.0, 100.0);
        assert_eq!([1.0, 10.0, 100.0].map(|value| axis.place(value)), [0.0, 0.5, 1.0]);
        assert_eq!([0.0, -1.0, f64::NAN, 1e9].map(|value| axis.place(value)), [0.0, 0.0, 0.0, 1.0]);
        // Nothing to show, and one value only.
        for values in [&[][..], &[f64::NAN, 0.0], &[10.0]] {
            assert!(Axis::log_around("", values.iter().copied()).ticks().len() > 1);
            assert!(Axis::from_zero("", values.iter().copied()).ticks().len() > 1);
        }
    }

    #[test]
    fn a_straight_line_is_bent_on_an_axis_of_factors() {
        let between = Axis::log("", 1e-4, 1.0).between(0.0, 1.0);
        assert!(between.len() > 30 && between.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(Axis::linear("", 0.0, 1.0).between(0.0, 1.0).is_empty());
    }
}
