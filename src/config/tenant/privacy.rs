//! Reads the privacy settings: how agents are labelled, and whether people's names are kept.

use std::fmt::{self, Write as _};
use std::path::Path;

use ring::hmac;
use secrecy::ExposeSecret as _;

use super::secret::{self, AGENT_LABEL_KEY, Secret};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys::TENANT;
use crate::config::parse::fields::{Fields, from_defaults};
use crate::presence::AgentId;

/// The least bytes of a key. Ids are short numbers, so a guessed key reveals the id of every label.
const MIN_KEY_BYTES: usize = 16;

/// The bytes of the HMAC in a label. Among 100,000 agents, the probability of a collision is about 1 in 4 billion.
const LABEL_BYTES: usize = 8;

/// The privacy settings of page and metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Privacy {
    /// How agents are labelled.
    pub agent_label: AgentLabel,
    /// Whether names are shown. If not, configured names are discarded on reading.
    pub show_names: bool,
    /// Whether single agents are shown; if not, only teams are.
    pub per_agent: bool,
}

/// How agents are labelled.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentLabel {
    /// By id.
    Id,
    /// By pseudonym, which does not reveal the id without the key and is stable for the same key.
    Hmac(Box<Pseudonyms>),
}

/// Ids → pseudonyms, by HMAC-SHA256.
#[derive(Debug, Clone)]
pub struct Pseudonyms {
    key: hmac::Key,
    /// The key as it was configured.
    pub secret: Secret,
}

// === impl Privacy ===

impl Default for Privacy {
    fn default() -> Self {
        from_defaults(TENANT, |fields, diagnostics| read(fields, Path::new(""), None, diagnostics))
    }
}

impl Privacy {
    /// Whether names of people are needed to be shown.
    pub const fn keeps_names(&self) -> bool {
        self.show_names && self.per_agent
    }

    /// Whether nothing that is logged or shown may have an agent's id.
    pub const fn hides_ids(&self) -> bool {
        !self.per_agent || matches!(self.agent_label, AgentLabel::Hmac(_))
    }

    /// The label of the agent with this id.
    pub fn label(&self, id: &AgentId) -> AgentId {
        match &self.agent_label {
            AgentLabel::Id => AgentId::clone(id),
            AgentLabel::Hmac(pseudonyms) => pseudonyms.of(id),
        }
    }

    /// Writes the settings as keys of a tenant.
    pub(crate) fn write(&self, yaml: &mut String) -> fmt::Result {
        match &self.agent_label {
            AgentLabel::Id => writeln!(yaml, "    agent_label: id")?,
            AgentLabel::Hmac(pseudonyms) => {
                writeln!(yaml, "    agent_label: hmac")?;
                pseudonyms.secret.write(yaml, &AGENT_LABEL_KEY)?;
            }
        }
        writeln!(yaml, "    show_names: {}", self.show_names)?;
        writeln!(yaml, "    per_agent: {}", self.per_agent)
    }
}

// === impl Pseudonyms ===

impl Pseudonyms {
    /// Pseudonyms by `secret`.
    pub fn new(secret: Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        Self { key, secret }
    }

    fn of(&self, id: &str) -> AgentId {
        let tag = hmac::sign(&self.key, id.as_bytes());
        let digits = tag.as_ref().iter().take(LABEL_BYTES).flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect::<String>().into()
    }
}

/// For reloads, which compare settings; not constant-time, so not for checking a presented key.
impl PartialEq for Pseudonyms {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

/// The privacy settings in `fields`; `None` where they are invalid.
pub(crate) fn read(
    fields: &Fields<'_>,
    base_dir: &Path,
    world_readable: Option<Place>,
    diagnostics: &mut Diagnostics,
) -> Option<Privacy> {
    let agent_label = read_label(fields, base_dir, world_readable, diagnostics);
    let show_names = fields.flag("show_names", diagnostics);
    let per_agent = fields.flag("per_agent", diagnostics);
    Some(Privacy { agent_label: agent_label?, show_names: show_names?, per_agent: per_agent? })
}

fn read_label(
    fields: &Fields<'_>,
    base_dir: &Path,
    world_readable: Option<Place>,
    diagnostics: &mut Diagnostics,
) -> Option<AgentLabel> {
    let hashed = fields.value("agent_label").and_then(|value| {
        value.parse("`id` or `hmac`", diagnostics, |text| match text {
            "id" => Ok(false),
            "hmac" => Ok(true),
            _ => Err(Problem::new(format!("unknown label {}", quoted(text)), "write `id` or `hmac`")),
        })
    });
    let given = fields.get("agent_label_key").or_else(|| fields.get("agent_label_key_file"));
    match (hashed?, given) {
        (false, None) => Some(AgentLabel::Id),
        (false, Some(key)) => {
            let remedy = "write `agent_label: hmac` beside it, or remove it";
            key.report(Problem::new("is of no use while labels are ids", remedy), diagnostics);
            None
        }
        (true, given) => {
            let secret = secret::read(fields, &AGENT_LABEL_KEY, base_dir, world_readable, diagnostics)?;
            // One of the keys exists, because there is a secret.
            let key = given?;
            if secret.expose_secret().len() < MIN_KEY_BYTES {
                let message = format!("is shorter than {MIN_KEY_BYTES} bytes, so that it can be guessed");
                key.report(Problem::new(message, "write what `openssl rand -hex 32` prints"), diagnostics);
                return None;
            }
            Some(AgentLabel::Hmac(Box::new(Pseudonyms::new(secret))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_label_is_a_truncated_hmac_sha256() {
        let with = |key: &str| Privacy {
            agent_label: AgentLabel::Hmac(Box::new(Pseudonyms::new(key.into()))),
            ..Privacy::default()
        };
        let id = AgentId::from("what do ya want for nothing?");
        // RFC 4231, test case 2.
        assert_eq!(&*with("Jefe").label(&id), "5bdcc146bf60754e");
        assert_ne!(with("Jeff").label(&id), with("Jefe").label(&id));
        assert_eq!(Privacy::default().label(&id), id);
        assert_ne!(with("Jeff"), with("Jefe"));
        assert!(!format!("{:?}", with("Jefe")).contains("Jefe"));
    }
}
