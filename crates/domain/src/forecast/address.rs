//! Where events go that no destination is named for: a trigger's own address, and the operator's default one. A forecast counts for these as for
//! destinations; no rate holds them back, because none can be said. So that a fleet in which each trigger has an address of its own does not
//! fill memory with quarters of an hour, only the addresses that most triggers send to are counted apart.

use std::collections::{BTreeMap, BTreeSet};

use super::{Load, Receiver};
use crate::id::DestinationId;
use crate::trigger::TriggerHead;

/// How many addresses of triggers' own are counted apart.
pub const ADDRESSES_MAX: usize = 200;

/// The first of the numbers that stand for addresses; below it come the others.
const FIRST: i64 = -2;

/// Where events go for which no destination is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A trigger's own address.
    Own(String),
    /// The operator's default one.
    Default,
}

impl Receiver {
    /// The operator's default address: who foretells what comes there has it among the receivers.
    pub const DEFAULT: Receiver = Receiver { id: DestinationId(-1), rate: None };
}

/// The addresses that are counted apart.
pub(super) struct Addresses<'a> {
    listed: BTreeMap<&'a str, DestinationId>,
    has_default: bool,
    /// How many are not.
    pub(super) unlisted: usize,
}

impl<'a> Addresses<'a> {
    /// Those of these triggers.
    pub(super) fn of(triggers: impl Iterator<Item = &'a TriggerHead>, receivers: &[Receiver]) -> Addresses<'a> {
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for webhook in triggers.filter_map(|head| head.webhook.as_ref()) {
            *uses.entry(webhook.url.as_str()).or_default() += 1;
        }
        let by_use: BTreeSet<_> = uses.iter().map(|(url, count)| (std::cmp::Reverse(*count), *url)).collect();
        let numbers = (i64::MIN..=FIRST).rev().map(DestinationId);
        let listed: BTreeMap<_, _> = by_use.iter().take(ADDRESSES_MAX).map(|(_, url)| *url).zip(numbers).collect();
        let has_default = receivers.contains(&Receiver::DEFAULT);
        Addresses { unlisted: uses.len() - listed.len(), listed, has_default }
    }

    /// Where the events of a trigger go, addresses by the numbers that stand for them.
    pub(super) fn goes_to(&self, head: &TriggerHead) -> Vec<DestinationId> {
        let own = head.webhook.as_ref();
        let listed = own.and_then(|webhook| self.listed.get(webhook.url.as_str())).copied();
        let goes_elsewhere = own.is_some() || !head.destinations.is_empty();
        let default = (self.has_default && !goes_elsewhere).then_some(Receiver::DEFAULT.id);
        listed.into_iter().chain(head.destinations.iter().copied()).chain(default).collect()
    }

    /// All receivers, ascending: these too.
    pub(super) fn receivers(&self, named: &[Receiver]) -> Vec<Receiver> {
        let mut all = named.to_vec();
        all.extend(self.listed.values().map(|id| Receiver { id: *id, rate: None }));
        all.sort_by_key(|receiver| receiver.id);
        all
    }

    /// Takes apart what comes to destinations, and what to addresses: the default one first, then those that most triggers send to.
    pub(super) fn apart(&self, loads: Vec<Load>) -> (Vec<Load>, Vec<(Address, Load)>) {
        let (mut addressed, named): (Vec<Load>, Vec<Load>) =
            loads.into_iter().partition(|load| load.id <= Receiver::DEFAULT.id);
        addressed.reverse();
        let addresses: BTreeMap<DestinationId, &str> = self.listed.iter().map(|(url, id)| (*id, *url)).collect();
        let address = |load: &Load| match addresses.get(&load.id) {
            Some(url) => Address::Own((*url).to_owned()),
            None => Address::Default,
        };
        (named, addressed.into_iter().map(|load| (address(&load), load)).collect())
    }
}
