//! YAML, behind one door: the only module that knows serde-saphyr.
//!
//! Suites are read into a tree of [`Node`]s in which every key and value keeps
//! its place, so that a reader can go on after a mistake and report all of them
//! at once; manifests are read as kubectl reads them, into plain JSON values.
//! What the tree means is for `spec` to say.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Options};

use crate::source::{SourceFile, Span, Spanned};

/// A value of a suite file with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What stands there.
    pub kind: NodeKind,
    /// Where.
    pub span: Span,
}

/// What a [`Node`] can be.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`; `yes` and `no` are strings in suites.
    Bool(bool),
    /// An integer or a float.
    Number(serde_json::Number),
    /// Text, quoted or plain.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file, its keys unique.
    Map(Vec<(Spanned<String>, Node)>),
}

impl NodeKind {
    /// What it is, in the words of a message: "a string".
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The value without places.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(value) => Value::Bool(*value),
            NodeKind::Number(value) => Value::Number(value.clone()),
            NodeKind::String(value) => Value::String(value.clone()),
            NodeKind::List(items) => items.iter().map(Node::to_value).collect(),
            NodeKind::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.value.clone(), value.to_value()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// A text that is not YAML as we read it.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// What is wrong, without a place.
    pub message: String,
    /// Where, as far as the parser knows.
    pub span: Span,
    /// How to mend it, where a beginner's mistake is recognised.
    pub help: Option<String>,
}

/// The documents of a suite file; empty ones are skipped.
///
/// # Errors
/// Broken syntax, duplicate keys, tags of one's own, and an alias bomb, each with
/// its place. The parser stops at the first of them.
pub fn documents(file: &SourceFile) -> Result<Vec<Node>, YamlError> {
    read::<Tree>(&file.text, suite_options())
        .map(|trees| trees.into_iter().map(|tree| tree.0).collect())
}

/// One value of the suite dialect, for `--set name=VALUE`.
///
/// # Errors
/// As [`documents`]; more than one document is an error too.
pub fn value(text: &str) -> Result<Value, YamlError> {
    let mut trees = read::<Tree>(text, suite_options())?;
    match trees.len() {
        0 => Ok(Value::Null),
        1 => Ok(trees.remove(0).0.to_value()),
        _ => Err(YamlError {
            message: "one value was expected, not several documents".to_owned(),
            span: Span::default(),
            help: None,
        }),
    }
}

/// The documents of a manifest as kubectl reads them: `yes` is true, `010` is 8.
/// A `kind: List` is taken apart.
///
/// # Errors
/// As [`documents`].
pub fn manifests(text: &str) -> Result<Vec<Value>, YamlError> {
    let documents = read::<Value>(text, manifest_options())?;
    Ok(documents.into_iter().flat_map(items_of_list).collect())
}

/// Where each document of a manifest begins, in the order of [`manifests`] before
/// a `kind: List` is taken apart. Nothing where the text cannot be read.
pub fn manifest_spans(text: &str) -> Vec<Span> {
    let trees = read::<Tree>(text, manifest_options()).unwrap_or_default();
    trees
        .into_iter()
        .map(|Tree(node)| match &node.kind {
            NodeKind::Map(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
            _ => node.span,
        })
        .collect()
}

/// The items of a `kind: List`, or the one object itself.
pub fn items_of_list(object: Value) -> Vec<Value> {
    let is_list = object["kind"] == "List" && object["apiVersion"] == "v1";
    match object {
        Value::Object(mut list) if is_list => match list.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        object => vec![object],
    }
}

fn suite_options() -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
    }
}

fn manifest_options() -> Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
    }
}

fn read<'de, T: Deserialize<'de>>(text: &'de str, options: Options) -> Result<Vec<T>, YamlError> {
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| explain(text, &error))
}

fn explain(text: &str, error: &serde_saphyr::Error) -> YamlError {
    let span = error
        .location()
        .map(|location| {
            location.span().byte_offset().map_or_else(
                || offset_of(text, location.line() as usize, location.column() as usize),
                |start| {
                    let start = start as usize;
                    let length = location.span().byte_len().unwrap_or(0) as usize;
                    Span::new(start, (start + length).max(start))
                },
            )
        })
        .unwrap_or_default();
    let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let mut message = strip_place(&message);
    // the parser knows where an alias stands, and not what it is called
    if message.contains("unknown value")
        && let Some(name) = alias_at(text, span)
    {
        message = format!("there is no anchor for the alias `*{name}`");
    }
    YamlError {
        message,
        help: beginners_help(text, span),
        span,
    }
}

/// The name of the alias at a place.
fn alias_at(text: &str, span: Span) -> Option<&str> {
    let name = text.get(span.start..)?.strip_prefix('*')?;
    let is_end = |c: char| c.is_whitespace() || ",[]{}".contains(c);
    let name = &name[..name.find(is_end).unwrap_or(name.len())];
    (!name.is_empty()).then_some(name)
}

/// Messages of the parser may end in their own "at line 3, column 4".
fn strip_place(message: &str) -> String {
    let end = message.find(" at line ").unwrap_or(message.len());
    message[..end].trim().to_owned()
}

/// What YAML does to beginners, told by the line on which the parser gave up.
fn beginners_help(text: &str, span: Span) -> Option<String> {
    let mut at = span.start.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or("");
    let indent = line.len() - line.trim_start().len();
    if line[..indent].contains('\t') {
        return Some("YAML is indented with spaces: replace the tab".to_owned());
    }
    // `{{ x }}` is a map with a map for a key
    let is_template = [": {{", "- {{", "[{{", ", {{"]
        .iter()
        .any(|start| line.contains(start));
    if is_template {
        return Some("quote a value that begins with `{{`: \"{{ … }}\"".to_owned());
    }
    // `'a' in b` is a quoted scalar and something behind it
    let (key, value) = line.split_once(": ")?;
    let is_condition = matches!(key.trim_start_matches([' ', '-']), "that" | "if");
    let value = value.trim();
    let (quote, other) = match value.chars().next()? {
        '\'' => ('\'', '"'),
        '"' => ('"', '\''),
        start @ ('@' | '`' | '%' | '*' | '&' | '!') => {
            return Some(format!("quote a value that begins with `{start}`"));
        }
        // `>=1.30` begins a block of text
        '>' if !value[1..].starts_with(['-', '+']) => {
            return Some(format!("quote a value that begins with `>`: {value:?}"));
        }
        _ => return None,
    };
    let has_rest = value[1..]
        .find(quote)
        .is_some_and(|end| end + 2 < value.len());
    (is_condition && has_rest && !value.contains(other))
        .then(|| format!("quote the whole expression: {other}{value}{other}"))
}

fn offset_of(text: &str, line: usize, column: usize) -> Span {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let within: usize = text[line_start..]
        .chars()
        .take(column.saturating_sub(1))
        .map(char::len_utf8)
        .sum();
    Span::new(line_start + within, line_start + within)
}

fn span_of(location: serde_saphyr::Location) -> Span {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(0) as usize;
    Span::new(start, start + span.byte_len().unwrap_or(0) as usize)
}

/// A [`Node`] on its way out of the parser.
struct Tree(Node);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self(Node {
            span: span_of(spanned.defined),
            kind: spanned.value.0,
        }))
    }
}

struct Kind(NodeKind);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor).map(Kind)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = NodeKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<NodeKind, E> {
        Ok(NodeKind::Null)
    }

    fn visit_none<E>(self) -> Result<NodeKind, E> {
        Ok(NodeKind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeKind, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeKind, E> {
        Ok(NodeKind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeKind, E> {
        Ok(NodeKind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeKind, E> {
        Ok(NodeKind::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<NodeKind, E> {
        serde_json::Number::from_f64(value)
            .map(NodeKind::Number)
            .ok_or_else(|| E::custom("`.nan` and `.inf` are no numbers here"))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeKind, E> {
        Ok(NodeKind::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<NodeKind, A::Error> {
        let mut items = Vec::new();
        while let Some(Tree(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(NodeKind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeKind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Tree>()? {
            let name = match key.0.kind {
                NodeKind::String(name) => name,
                NodeKind::Number(number) => number.to_string(),
                NodeKind::Bool(value) => value.to_string(),
                NodeKind::Null => "null".to_owned(),
                NodeKind::List(_) | NodeKind::Map(_) => {
                    return Err(de::Error::custom("a key of a map is a string"));
                }
            };
            let Tree(value) = map.next_value()?;
            entries.push((Spanned::new(name, key.0.span), value));
        }
        Ok(NodeKind::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_one(text: &str) -> Node {
        let mut documents = documents(&SourceFile::new("a.yaml", text)).unwrap();
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    }

    fn refused(text: &str) -> (String, (usize, usize), Option<String>) {
        let file = SourceFile::new("a.yaml", text);
        let error = documents(&file).unwrap_err();
        let position = file.position(error.span.start);
        (error.message, (position.line, position.column), error.help)
    }

    #[test]
    fn suites_keep_strings_that_yaml_1_1_would_not() {
        assert_eq!(
            read_one("[yes, 010, 1_0, 1.5, 7, true, ~]").to_value(),
            json!(["yes", "010", "1_0", 1.5, 7, true, null])
        );
    }

    #[test]
    fn manifests_are_read_as_kubectl_reads_them() {
        assert_eq!(
            manifests("a: yes\nb: 010\n---\n---\nc: 1\n"),
            Ok(vec![json!({"a": true, "b": 8}), json!({"c": 1})])
        );
        assert_eq!(
            manifests("{apiVersion: v1, kind: List, items: [{a: 1}, {b: 2}]}"),
            Ok(vec![json!({"a": 1}), json!({"b": 2})])
        );
    }

    #[test]
    fn keys_and_values_keep_their_places() {
        let text = "a: {b: 'x'}\nc: &y 1\nd: *y\n";
        let NodeKind::Map(entries) = read_one(text).kind else {
            panic!("a map");
        };
        let quoted: Vec<_> = entries
            .iter()
            .map(|(key, value)| (&text[key.span.range()], &text[value.span.range()]))
            .collect();
        assert_eq!(quoted[1..], [("c", "1"), ("d", "1")]);
        let NodeKind::Map(inner) = &entries[0].1.kind else {
            panic!("a map");
        };
        assert_eq!(&text[inner[0].1.span.range()], "'x'");
    }

    #[test]
    fn what_is_not_yaml_has_its_place() {
        let (message, place, _) = refused("a: 1\na: 2\n");
        assert_eq!(message, "duplicate mapping key `a` is not allowed here");
        assert_eq!(place, (2, 1));
        assert_eq!(refused("a: !mine 1\n").0, "unsupported tag `!mine`");
        assert_eq!(refused("a: b: c\n").1, (1, 5));
        let (message, place, _) = refused("a: &x 1\nb: [*y, *x]\n");
        assert_eq!(message, "there is no anchor for the alias `*y`");
        assert_eq!(place, (2, 5));
    }

    #[test]
    fn an_unquoted_template_is_explained() {
        let (_, place, help) = refused("a: 1\nb: {{ x }}\n");
        assert_eq!(place.0, 2);
        assert!(
            help.unwrap()
                .starts_with("quote a value that begins with `{{`")
        );
    }

    #[test]
    fn mistakes_of_beginners_are_explained() {
        let help = |text| refused(text).2.unwrap_or_default();
        assert_eq!(
            help("- that: 'a' in b\n"),
            "quote the whole expression: \"'a' in b\""
        );
        assert_eq!(
            help("if: \"a\" in b\n"),
            "quote the whole expression: '\"a\" in b'"
        );
        assert_eq!(
            help("a:\n\tb: 1\n"),
            "YAML is indented with spaces: replace the tab"
        );
        assert_eq!(help("a: @x\n"), "quote a value that begins with `@`");
        assert_eq!(help("a: 'x' y\n"), "");
    }

    #[test]
    fn anchors_merge() {
        assert_eq!(
            read_one("d: &d {a: 1, b: 2}\nx: {<<: *d, b: 3}\n").to_value()["x"],
            json!({"b": 3, "a": 1})
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let item = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{item}]\n"));
        }
        assert!(documents(&SourceFile::new("a.yaml", text)).is_err());
    }
}
