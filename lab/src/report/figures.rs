//! Figures as people read them: few digits, a unit, an interval in brackets.

use lab::unlinkability::results::Estimate;
use lab::unlinkability::scenario::Mix;

/// Stands for what is no figure.
pub(super) const NONE: &str = "–";

/// Between three digits of a large number: narrow, and no line ends there.
const THIN: char = '\u{202f}';

/// A whole number in groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// A share or a probability.
pub(super) fn share(value: f64) -> String {
    signless(format!("{value:.3}"))
}

/// The same with its interval.
pub(super) fn share_within(it: Estimate) -> String {
    format!("{} ({} to {})", share(it.value), share(it.low), share(it.high))
}

/// How much better than blind: with its sign.
pub(super) fn advantage_within(it: Estimate) -> String {
    let sign = if it.value >= 0.0005 { "+" } else { "" };
    format!("{sign}{}", share_within(it))
}

/// A size of a set, or another number without a unit.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => NONE.to_owned(),
        size if size >= 999.5 => {
            let sign = if value < 0.0 { "−" } else { "" };
            format!("{sign}{}", count(size.round() as u64))
        }
        size if size >= 99.95 => signless(format!("{value:.0}")),
        size if size >= 0.995 || size == 0.0 => signless(format!("{value:.1}")),
        size if size >= 0.0095 => signless(format!("{value:.2}")),
        _ => signless(format!("{value:.4}")),
    }
}

/// The same with its interval.
pub(super) fn number_within(it: Estimate) -> String {
    format!("{} ({} to {})", number(it.value), number(it.low), number(it.high))
}

/// A duration.
pub(super) fn milliseconds(value: f64) -> String {
    match value {
        _ if !value.is_finite() => NONE.to_owned(),
        _ if value < 999.5 => format!("{value:.0} ms"),
        _ => format!("{} s", shortest(value / 1000.0)),
    }
}

/// A number without needless digits: `5`, `2.5`, `0.12`.
pub(super) fn shortest(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.095 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    signless(text.to_owned())
}

/// The settings of a mix, short enough for a label.
pub(super) fn mix(mix: &Mix) -> String {
    let most = milliseconds(mix.max_delay_ms() as f64);
    match mix {
        Mix::Off => "no mix".to_owned(),
        Mix::Pool { size, .. } => format!("pool {size}, ≤ {most}"),
        Mix::Batch { size, .. } => format!("batch {size}, ≤ {most}"),
        Mix::Exponential { mean_ms, .. } => format!("exp {}, ≤ {most}", milliseconds(*mean_ms as f64)),
    }
}

/// What a line's end has room for.
pub(super) fn mix_label(mix: &Mix) -> String {
    self::mix(mix).split(',').next().unwrap_or_default().to_owned()
}

/// An adversary's name in words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ").replace('/', ", ")
}

/// A real minus, and none before nothing.
fn signless(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|digit| matches!(digit, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_few_digits() {
        assert_eq!([count(7), count(999), count(1_234_567)], ["7", "999", "1\u{202f}234\u{202f}567"]);
        assert_eq!([share(0.12345), share(-0.0001), share(-0.25)], ["0.123", "0.000", "−0.250"]);
        assert_eq!(
            [number(0.0), number(15.04), number(123.4), number(4096.2)],
            ["0.0", "15.0", "123", "4\u{202f}096"]
        );
        assert_eq!([number(0.004), number(f64::INFINITY)], ["0.0040", "–"]);
        assert_eq!(
            [milliseconds(62.4), milliseconds(1000.0), milliseconds(2500.0)],
            ["62 ms", "1 s", "2.5 s"]
        );
        assert_eq!([shortest(0.1205), shortest(20.0), shortest(100.0)], ["0.12", "20", "100"]);
        let estimate = |value| Estimate { value, low: value - 0.1, high: value + 0.1 };
        assert_eq!(advantage_within(estimate(0.5)), "+0.500 (0.400 to 0.600)");
        assert_eq!(advantage_within(estimate(0.0)), "0.000 (−0.100 to 0.100)");
        assert_eq!(words("tagging/keys_compared"), "tagging, keys compared");
    }

    #[test]
    fn a_mix_is_told_in_a_few_words() {
        let exponential = Mix::Exponential { mean_ms: 2000, max_delay_ms: 10_000 };
        assert_eq!(mix(&exponential), "exp 2 s, ≤ 10 s");
        assert_eq!(mix_label(&exponential), "exp 2 s");
        assert_eq!(mix_label(&Mix::Pool { size: 16, max_delay_ms: 500 }), "pool 16");
        assert_eq!(mix_label(&Mix::Off), "no mix");
    }
}
