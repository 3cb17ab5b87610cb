//! A gateway that knows from elsewhere who knows whom.

use super::Adversary;
use crate::unlinkability::population::Contacts;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtGateway, Public, Views};

/// Only who has a person in the address book asks about that person, and only by the own issuer. Nothing
/// in the system hides that: it measures how much a popular person hides the askers, and how little another does.
#[derive(Clone, Copy, Debug)]
pub struct GatewayWithContacts;

impl Adversary for GatewayWithContacts {
    type View<'a> = (&'a [AtGateway], &'a Contacts, &'a Public);
    const SEES: &'static str = "gateways, and from elsewhere everybody's address book and provider";
    const GAME: Game = Game::ClientOfArrival;

    fn look(views: &Views) -> Self::View<'_> {
        (&views.gateway, &views.contacts, &views.public)
    }

    fn weigh(&self, (rows, contacts, public): &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let row = &rows[challenge.subject as usize];
        let weigh = |client: &u32| {
            let book = contacts.of(*client);
            let could = public.issuer_of(*client) == row.issuer && book.contains(&row.identifier);
            // Clients with small books ask about each contact as often as those with large ones, if not oftener.
            if could { 1.0 } else { 0.0 }
        };
        challenge.candidates.iter().map(weigh).collect()
    }
}
