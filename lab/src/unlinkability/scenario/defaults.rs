//! What a scenario leaves out: a phone's day, two relays, one gateway, no mixing, everybody watching.

use super::super::adversary::Name;
use super::{Adversaries, Behaviour, Changes, Delay, Network, Population, Refill, Tokens};

impl Default for Population {
    fn default() -> Self {
        Self { contacts: 40.0, popularity: 1.0, issuers: 3 }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            messages_per_day: 20.0,
            favourites: 1.0,
            diurnal: 0.0,
            refresh_after_hours: 168.0,
            tokens_per_day: 150,
            refresh_permille: 600,
            cover_permille: 100,
            new_books: 0.0,
            first_within_hours: 24.0,
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        let delay = |median_ms, spread| Delay { median_ms, spread };
        Self {
            relays: 2,
            gateways: 1,
            client_relay: delay(40.0, 0.5),
            relay_gateway: delay(10.0, 0.2),
            answering: delay(2.0, 0.3),
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        // As `discreet tokens get` does with a timer once a day.
        Self {
            refill: Refill::Timer,
            batch: 100,
            every_hours: 24.0,
            fetch_spread_secs: 3600,
            low_water: 20,
            min_age_secs: 3600,
        }
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self { publishes_per_day: 0.05, delay_secs: 3600 }
    }
}

impl Default for Adversaries {
    fn default() -> Self {
        Self {
            run: Name::ALL.to_vec(),
            challenges: 1000,
            candidates: 64,
            resamples: 200,
            excerpt_hours: 1.0,
            flood_per_second: 100.0,
            tagged: 0.1,
            meddling: 0.05,
        }
    }
}
