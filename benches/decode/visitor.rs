//! The least that a program must do to add up seconds: a visitor of serde's, for any JSON library, which takes every record
//! at its word.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Seconds by agent, then by state, as a map of both takes nearly twice as long where rows come by time.
#[derive(Default)]
pub(crate) struct Sums {
    agents: HashMap<String, usize>,
    seconds: Vec<Vec<(usize, f64)>>,
    states: Vec<String>,
}

/// Where in an answer the visitor is.
#[derive(Clone, Copy)]
enum Place {
    Answer,
    Records,
    Record,
    States(Option<usize>),
    Entry(Option<usize>),
}

/// Reads what is at a place into the sums.
struct Add<'s>(&'s mut Sums, Place);

/// Reads a name and finds its number.
struct Named<'s>(&'s mut Sums, fn(&mut Sums, &str) -> usize);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    Data,
    AgentId,
    States,
    State,
    Duration,
    #[serde(other)]
    Other,
}

// === impl Sums ===

impl Sums {
    /// Adds everything that the answer of a presence report says.
    pub(crate) fn read<'de, D: Deserializer<'de>>(&mut self, answer: D) -> Result<(), D::Error> {
        Add(self, Place::Answer).deserialize(answer)
    }

    /// How many pairs of agent and state there are.
    pub(crate) fn pairs(&self) -> usize {
        self.seconds.iter().map(Vec::len).sum()
    }

    fn agent(&mut self, id: &str) -> usize {
        if let Some(&known) = self.agents.get(id) {
            return known;
        }
        self.agents.insert(id.to_owned(), self.seconds.len());
        self.seconds.push(Vec::new());
        self.seconds.len() - 1
    }

    fn state(&mut self, name: &str) -> usize {
        self.states.iter().position(|known| known == name).unwrap_or_else(|| {
            self.states.push(name.to_owned());
            self.states.len() - 1
        })
    }

    fn add(&mut self, agent: usize, state: usize, seconds: f64) {
        let Some(times) = self.seconds.get_mut(agent) else { return };
        match times.iter_mut().find(|(known, _)| *known == state) {
            Some((_, sum)) => *sum += seconds,
            None => times.push((state, seconds)),
        }
    }
}

// === impl Add ===

impl<'de> DeserializeSeed<'de> for Add<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.1 {
            Place::Records | Place::States(_) => deserializer.deserialize_seq(self),
            Place::Answer | Place::Record | Place::Entry(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Add<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a presence report")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(sums, place) = self;
        let inside = match place {
            Place::States(agent) => Place::Entry(agent),
            _ => Place::Record,
        };
        while list.next_element_seed(Add(sums, inside))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(sums, place) = self;
        let (mut agent, mut state, mut seconds) = (None, None, 0.0);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Data => map.next_value_seed(Add(sums, Place::Records))?,
                Key::AgentId => agent = Some(map.next_value_seed(Named(sums, Sums::agent))?),
                Key::States => map.next_value_seed(Add(sums, Place::States(agent)))?,
                Key::State => state = Some(map.next_value_seed(Named(sums, Sums::state))?),
                Key::Duration => seconds = map.next_value()?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if let (Place::Entry(Some(agent)), Some(state)) = (place, state) {
            sums.add(agent, state, seconds);
        }
        Ok(())
    }
}

// === impl Named ===

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Named<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<usize, E> {
        Ok(self.1(self.0, name))
    }
}
