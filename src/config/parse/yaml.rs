//! Parses YAML into a tree with the line of each key and value.
//!
//! Values stay text, because the key decides whether `0123` is a number or an id. An alias is a copy and counts against
//! the limits of nodes and bytes. Messages do not repeat the text of the file.

use std::collections::HashMap;
use std::iter::Sum;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use crate::config::bounds::{MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES};
use crate::config::diagnostics::{Diagnostics, Place, Problem};

/// A value and its place. It has no `Debug`, because it may contain a secret.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: NodeValue,
}

/// What a [`Node`] is.
#[derive(Clone)]
pub(crate) enum NodeValue {
    /// Text; `plain` is unquoted.
    Scalar { text: Box<str>, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file; a key may be in it more than once.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) key: Box<str>,
    pub(crate) node: Node,
}

/// Parses the single document of `text`; reports why if that fails.
pub(crate) fn parse(text: &str, source: Place, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut builder = Builder::new();
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, source.at_line(span.start.line()), diagnostics),
            Err(error) => Err((source.at_line(error.marker().line()), explain(&error))),
        };
        if let Err((place, problem)) = step {
            diagnostics.error(place, "", problem);
            return None;
        }
    }
    let root = builder.root.filter(|root| !root.is_null());
    if root.is_none() {
        diagnostics.error(source, "", Problem::new("is empty", "write at least one tenant under `tenants:`"));
    }
    root
}

/// How much memory values take.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// Values and keys.
    nodes: usize,
    /// Their text.
    bytes: usize,
}

/// A problem that ends the parsing.
type Stop = (Place, Problem);

/// A list or mapping that is not complete yet.
struct Open {
    place: Place,
    anchor: usize,
    value: NodeValue,
    /// The key whose value comes next.
    key: Option<(Place, Box<str>)>,
}

struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    /// The size of everything so far, repeated values included.
    total: Size,
    documents: usize,
    root: Option<Node>,
}

// === impl Node ===

impl Node {
    /// Text without further interpretation, like quoted text.
    pub(crate) fn text(place: Place, text: impl Into<Box<str>>) -> Self {
        Self { place, value: NodeValue::Scalar { text: text.into(), plain: false } }
    }

    /// Whether this is nothing, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, NodeValue::Scalar { text, plain: true } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The size with everything below.
    fn size(&self) -> Size {
        let below = match &self.value {
            NodeValue::Scalar { text, .. } => Size { nodes: 0, bytes: text.len() },
            NodeValue::List(items) => items.iter().map(Self::size).sum(),
            NodeValue::Map(entries) => {
                entries.iter().flat_map(|entry| [Size::of_scalar(&entry.key), entry.node.size()]).sum()
            }
        };
        [below, Size { nodes: 1, bytes: 0 }].into_iter().sum()
    }

    /// How many levels this has, itself included.
    fn depth(&self) -> usize {
        let below = match &self.value {
            NodeValue::Scalar { .. } => None,
            NodeValue::List(items) => items.iter().map(Self::depth).max(),
            NodeValue::Map(entries) => entries.iter().map(|entry| entry.node.depth()).max(),
        };
        1 + below.unwrap_or(0)
    }
}

// === impl Size ===

impl Size {
    fn of_scalar(text: &str) -> Self {
        Self { nodes: 1, bytes: text.len() }
    }
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), |sum, size| Self {
            nodes: sum.nodes.saturating_add(size.nodes),
            bytes: sum.bytes.saturating_add(size.bytes),
        })
    }
}

// === impl Builder ===

impl Builder {
    fn new() -> Self {
        Self { open: Vec::new(), anchors: HashMap::new(), total: Size::default(), documents: 0, root: None }
    }

    fn take(&mut self, event: Event<'_>, place: Place, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((place, Problem::new("a second document begins", "keep one document in the file")));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    refuse_tag(place, diagnostics);
                }
                self.count(Size::of_scalar(&text), place)?;
                let plain = style == ScalarStyle::Plain;
                let node = Node { place, value: NodeValue::Scalar { text: text.into(), plain } };
                self.complete(node, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                if tag.is_some() {
                    refuse_tag(place, diagnostics);
                }
                self.start(NodeValue::List(Vec::new()), place, anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                if tag.is_some() {
                    refuse_tag(place, diagnostics);
                }
                self.start(NodeValue::Map(Vec::new()), place, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { place, anchor, value, .. }) = self.open.pop() {
                    self.complete(Node { place, value }, anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    let message = "an alias stands inside the value that it names";
                    return Err((place, Problem::new(message, "write the value out")));
                };
                let (size, depth) = (node.size(), node.depth());
                // The copy is made only if there is room for it.
                self.count(size, place)?;
                if self.open.len() + depth > MAX_DEPTH {
                    return Err(too_deep(place));
                }
                if let Some(node) = self.anchors.get(&anchor).cloned() {
                    self.complete(node, 0)?;
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn start(&mut self, value: NodeValue, place: Place, anchor: usize) -> Result<(), Stop> {
        self.count(Size { nodes: 1, bytes: 0 }, place)?;
        if self.open.last().is_some_and(|parent| matches!(parent.value, NodeValue::Map(_)) && parent.key.is_none()) {
            return Err(complex_key(place));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(place));
        }
        self.open.push(Open { place, anchor, value, key: None });
        Ok(())
    }

    /// Adds a complete value to the open list or mapping, or sets the root.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor > 0 {
            self.count(node.size(), node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.value {
            NodeValue::List(items) => items.push(node),
            NodeValue::Map(entries) => match (parent.key.take(), node.value) {
                (Some((place, key)), value) => {
                    entries.push(Entry { place, key, node: Node { place: node.place, value } });
                }
                (None, NodeValue::Scalar { text, .. }) => parent.key = Some((node.place, text)),
                (None, NodeValue::List(_) | NodeValue::Map(_)) => return Err(complex_key(node.place)),
            },
            NodeValue::Scalar { .. } => {}
        }
        Ok(())
    }

    fn count(&mut self, size: Size, place: Place) -> Result<(), Stop> {
        self.total = [self.total, size].into_iter().sum();
        let message = if self.total.nodes > MAX_NODES {
            format!("there are more than {MAX_NODES} values, repeated ones included")
        } else if self.total.bytes > MAX_TEXT_BYTES {
            format!("the values have more than {MAX_TEXT_BYTES} bytes, repeated ones included")
        } else {
            return Ok(());
        };
        Err((place, Problem::new(message, "move agents to an `agents_file`")))
    }
}

fn refuse_tag(place: Place, diagnostics: &mut Diagnostics) {
    let remedy = "remove the tag; put a value that begins with `!` in quotes";
    diagnostics.error(place, "", Problem::new("YAML tags such as `!!str` are not read", remedy));
}

fn too_deep(place: Place) -> Stop {
    (place, Problem::new(format!("nests deeper than {MAX_DEPTH} levels"), "see the README for the keys that there are"))
}

fn complex_key(place: Place) -> Stop {
    let remedy = "write keys as plain words, and put a value that begins with `{` in quotes";
    (place, Problem::new("a key is a list or a mapping", remedy))
}

/// The parser's message with a remedy. One of its messages contains a character of the file and is replaced.
fn explain(error: &ScanError) -> Problem {
    let info = error.info();
    if info.starts_with("unexpected character") {
        return Problem::new(
            "not YAML: a value begins with a character that has a meaning of its own",
            "put the value in quotes",
        );
    }
    let remedies = [
        ("tab", "indent with spaces"),
        ("mapping values are not allowed", "check the indentation, and put a value with `: ` in it in quotes"),
        ("unknown anchor", "put a value that begins with `*` in quotes"),
        ("escape", "write single quotes around a value with backslashes"),
        ("quoted scalar", "close the quotes"),
        ("flow sequence", "close the list with `]`"),
        ("flow mapping", "close the mapping with `}`"),
        ("simple key", "write a colon and a space after the key"),
        ("recursion limit", "nest less deeply"),
    ];
    let remedy = remedies
        .into_iter()
        .find(|(part, _)| info.contains(part))
        .map_or("check the indentation and quotes here and in the line above", |(_, remedy)| remedy);
    Problem::new(format!("not YAML: {info}"), remedy)
}
