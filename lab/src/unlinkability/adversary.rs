//! Those who want to know. An adversary is a type that says what it is given, and how likely it holds each
//! candidate of a challenge. It gets its view and nothing else: the truth has a type that no method here takes.
//! `lab/UNLINKABILITY.md` shows how to write one.

use super::engine::{self, Interference, Run, Silent};
use super::population::Contacts;
use super::referee::{Challenge, Game, Posed, Referee};
use super::results::AdversaryResult;
use super::scenario::Scenario;
use super::score::{Played, Player, is_disclosed, score};
use super::trace::Messages;
use super::view::Views;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

mod both_hops;
mod dishonest_relay;
mod flooding;
mod gateway;
mod gateway_with_contacts;
mod issuer_and_gateway;
mod publish_time;
#[cfg(test)]
pub mod queue;
mod relay;
mod statistical_disclosure;
mod tagging;
mod trained;

pub use both_hops::BothHops;
pub use dishonest_relay::DishonestRelay;
pub use flooding::Flooding;
pub use gateway::GatewayAlone;
pub use gateway_with_contacts::GatewayWithContacts;
pub use issuer_and_gateway::IssuerAndGateway;
pub use publish_time::PublishTime;
pub use relay::RelayAlone;
pub use statistical_disclosure::StatisticalDisclosure;
pub use tagging::Tagging;
pub use trained::Trained;

/// Somebody who sees a part and guesses the rest.
pub trait Adversary: Sync {
    /// What it is given.
    type View<'a>: Sync;
    /// The same in words.
    const SEES: &'static str;
    /// What it must tell.
    const GAME: Game;
    /// What a round is, if patience helps it.
    const ROUND: Option<&'static str> = None;

    /// Its part of what was seen.
    fn look(views: &Views) -> Self::View<'_>;

    /// How likely it holds each candidate, in their order. Weights of at least zero; their sum does not matter.
    fn weigh(&self, view: &Self::View<'_>, challenge: &Challenge) -> Vec<f64>;

    /// Learns from a run of its own, where it set the questions itself.
    fn learn(&mut self, _view: &Self::View<'_>, _lessons: &[Posed]) {}

    /// When the rounds about a subject ended.
    fn rounds(&self, _view: &Self::View<'_>, _challenge: &Challenge) -> Vec<u64> {
        Vec::new()
    }
}

/// The adversaries, as scenarios and results name them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// [`RelayAlone`].
    RelayAlone,
    /// [`GatewayAlone`].
    GatewayAlone,
    /// [`GatewayWithContacts`].
    GatewayWithContacts,
    /// [`BothHops`].
    BothHops,
    /// [`Trained`].
    Trained,
    /// [`Tagging`].
    Tagging,
    /// [`DishonestRelay`].
    DishonestRelay,
    /// [`Flooding`].
    Flooding,
    /// [`IssuerAndGateway`].
    IssuerAndGateway,
    /// [`StatisticalDisclosure`].
    StatisticalDisclosure,
    /// [`PublishTime`].
    PublishTime,
}

/// Where adversaries play: a run, and what is needed to make others of the same kind.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The settings.
    pub scenario: &'a Scenario,
    /// The population.
    pub contacts: &'a Contacts,
    /// A trace's messages.
    pub real: Option<&'a Messages>,
    /// The run that those who only look on are given.
    pub run: &'a Run,
    /// The same for its games.
    pub referee: Referee<'a>,
    /// Whether runs can be made in virtual time; else those who interfere or learn cannot play.
    pub can_run: bool,
}

/// Seeds of runs of their own, beside the scenario's.
const INTERFERED: u64 = 1;
const LESSONS: u64 = 2;
/// Games an adversary learns from, for each that it plays.
const LESSONS_PER_GAME: usize = 2;

impl Name {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::RelayAlone,
        Self::GatewayAlone,
        Self::GatewayWithContacts,
        Self::BothHops,
        Self::Trained,
        Self::Tagging,
        Self::DishonestRelay,
        Self::Flooding,
        Self::IssuerAndGateway,
        Self::StatisticalDisclosure,
        Self::PublishTime,
    ];

    /// As written in scenarios and results.
    pub fn text(self) -> &'static str {
        match self {
            Self::RelayAlone => "relay_alone",
            Self::GatewayAlone => "gateway_alone",
            Self::GatewayWithContacts => "gateway_with_contacts",
            Self::BothHops => "both_hops",
            Self::Trained => "trained",
            Self::Tagging => "tagging",
            Self::DishonestRelay => "dishonest_relay",
            Self::Flooding => "flooding",
            Self::IssuerAndGateway => "issuer_and_gateway",
            Self::StatisticalDisclosure => "statistical_disclosure",
            Self::PublishTime => "publish_time",
        }
    }

    /// Lets it play.
    pub fn play(self, stage: &Stage<'_>) -> Vec<AdversaryResult> {
        let text = self.text();
        let variant = |variant| format!("{text}/{variant}");
        match self {
            Self::RelayAlone => vec![stage.look_on(text, &RelayAlone)],
            Self::GatewayAlone => vec![stage.look_on(text, &GatewayAlone)],
            Self::GatewayWithContacts => vec![stage.look_on(text, &GatewayWithContacts)],
            Self::BothHops => vec![stage.look_on(text, &BothHops)],
            Self::IssuerAndGateway => vec![stage.look_on(text, &IssuerAndGateway)],
            Self::StatisticalDisclosure => vec![stage.look_on(text, &StatisticalDisclosure)],
            Self::PublishTime => vec![stage.look_on(text, &PublishTime)],
            _ if !stage.can_run => Vec::new(),
            Self::Trained => vec![stage.learn(text, Trained::default())],
            Self::Tagging => [("keys_compared", true), ("keys_not_compared", false)]
                .map(|(name, checked)| {
                    stage.interfere(&variant(name), &Tagging, Interference::Tagging { checked })
                })
                .into(),
            Self::DishonestRelay => vec![stage.interfere(text, &DishonestRelay, Interference::Meddling)],
            Self::Flooding => vec![stage.interfere(text, &Flooding, Interference::Flood)],
        }
    }
}

impl Stage<'_> {
    /// Plays on what the run showed.
    pub fn look_on<A: Adversary>(&self, name: &str, adversary: &A) -> AdversaryResult {
        self.play(name, adversary, self.run, &self.referee)
    }

    /// Plays on a run of its own, which it changes.
    fn interfere<A: Adversary>(&self, name: &str, adversary: &A, how: Interference) -> AdversaryResult {
        let run = self.another(INTERFERED, how);
        self.play(name, adversary, &run, &Referee::new(&run))
    }

    /// Plays after lessons from a run with another seed.
    fn learn<A: Adversary>(&self, name: &str, mut adversary: A) -> AdversaryResult {
        let run = self.another(LESSONS, Interference::None);
        let options = &self.scenario.adversaries;
        let count = options.challenges * LESSONS_PER_GAME;
        let lessons = Referee::new(&run).pose(
            A::GAME,
            count,
            options.candidates,
            self.scenario.seed.wrapping_add(LESSONS),
        );
        adversary.learn(&A::look(&run.views), &lessons);
        self.look_on(name, &adversary)
    }

    fn another(&self, seed: u64, interference: Interference) -> Run {
        engine::run(&self.scenario.excerpt(seed), self.contacts, self.real, interference, &Silent)
    }

    fn play<A: Adversary>(
        &self,
        name: &str,
        adversary: &A,
        run: &Run,
        referee: &Referee<'_>,
    ) -> AdversaryResult {
        let (options, seed) = (&self.scenario.adversaries, self.scenario.seed);
        let posed = referee.pose(A::GAME, options.challenges, options.candidates, seed);
        let view = A::look(&run.views);
        let played: Vec<_> = posed.into_par_iter().map(|posed| game_on(adversary, &view, posed)).collect();
        let player = Player {
            name: name.to_owned(),
            sees: A::SEES.to_owned(),
            game: A::GAME.question().to_owned(),
            rounds: A::ROUND,
            lost: run.lost,
        };
        score(player, &played, options.resamples, seed)
    }
}

/// Plays one game on what was seen, to the end and, where it has rounds, after 1, 2, 4 … of them.
pub fn game<A: Adversary>(adversary: &A, views: &Views, posed: Posed) -> Played {
    game_on(adversary, &A::look(views), posed)
}

fn game_on<A: Adversary>(adversary: &A, view: &A::View<'_>, posed: Posed) -> Played {
    let Posed { challenge, right } = posed;
    let weights = adversary.weigh(view, &challenge);
    let ends = adversary.rounds(view, &challenge);
    // After 1, 2, 4 … rounds: the first of those after which it was right to the end.
    let counts =
        std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|count| *count <= ends.len());
    let mut disclosed_after = None;
    for count in counts {
        let until = ends[count - 1] + 1;
        let weights = adversary.weigh(view, &Challenge { until, ..challenge.clone() });
        match (is_disclosed(&weights, &right), disclosed_after) {
            (true, None) => disclosed_after = Some(count as u64),
            (false, _) => disclosed_after = None,
            _ => {}
        }
    }
    let disclosed_after = disclosed_after.filter(|_| is_disclosed(&weights, &right));
    Played { weights, right, disclosed_after }
}

#[cfg(test)]
mod tests {
    use super::super::population::Contacts;
    use super::*;
    use queue::Queue;

    #[test]
    fn the_example_for_writers_is_this_file() {
        let page = include_str!("../../UNLINKABILITY.md");
        assert!(page.contains(&format!("```rust\n{}```", include_str!("adversary/queue.rs"))));
    }

    #[test]
    fn the_example_is_right_where_nothing_is_mixed() {
        let text = "seed = 1\nclients = 50\nhours = 24\n[population]\ncontacts = 10";
        let scenario: Scenario = toml::from_str(text).unwrap();
        let contacts = Contacts::draw(&scenario);
        let run = engine::run(&scenario, &contacts, None, Interference::None, &Silent);
        let posed = Referee::new(&run).pose(Queue::GAME, 100, 64, 1);
        let right = posed.into_iter().filter(|posed| {
            let played = game(&Queue, &run.views, posed.clone());
            is_disclosed(&played.weights, &played.right)
        });
        assert!(right.count() > 95);
    }

    #[test]
    fn names_are_what_scenarios_say() {
        for name in Name::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.text());
        }
    }
}
