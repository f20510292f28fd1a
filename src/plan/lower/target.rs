//! Targets: which objects, and what is asked of each.

use crate::diagnostic::Diagnostic;
use crate::kinds;
use crate::partial;
use crate::plan::lower::check;
use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::Names;
use crate::plan::model::{ObjectCheck, Target};
use crate::source::Span;
use crate::spec::schema::{ObjectCheckSpec, TargetSpec, Text};
use crate::template::{Condition, Template, Tree};
use crate::yaml::{Node, NodeKind};

/// What a target says, as far as it is literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written<'t> {
    /// Its kind will be rendered.
    Unknown,
    /// `kind`
    Kind(&'t str),
    /// `kind/name`, of which the name may be rendered.
    Named(&'t str),
}

impl Lowering<'_> {
    /// The objects of a target.
    pub(super) fn target(&mut self, spec: &TargetSpec, names: &Names) -> Option<Target> {
        if let Some(text) = &spec.target {
            self.check_target(spec, text);
        }
        let target = self.template(spec.target.as_ref(), names);
        self.target_of(spec, target, names)
    }

    /// The same, its target made already.
    pub(super) fn target_of(
        &mut self,
        spec: &TargetSpec,
        target: Option<Template>,
        names: &Names,
    ) -> Option<Target> {
        if let (Some(namespace), Some(all)) = (&spec.namespace, spec.all_namespaces) {
            let diagnostic = Diagnostic::new(
                "`namespace` and `allNamespaces` exclude each other",
                self.place(all),
            )
            .secondary(self.place(namespace.span), "this is one namespace");
            self.diagnostics.push(diagnostic);
        }
        let namespace = self.namespace_of(spec.namespace.as_ref(), names);
        let selector = self.selector(spec.selector.as_ref(), names);
        let filter = spec
            .filter
            .as_ref()
            .map(|filter| self.object_check(filter, names));
        Some(Target {
            target: target?,
            namespace,
            all_namespaces: spec.all_namespaces.is_some(),
            selector,
            filter,
        })
    }

    fn check_target(&mut self, spec: &TargetSpec, text: &Text) {
        let Some(Written::Named(kind)) = self.written(text) else {
            return;
        };
        let name = text.value.split_once('/').map_or("", |(_, name)| name);
        if let Some(problem) = check::object_name_problem(kinds::named(kind), name) {
            self.push(
                text.span,
                format!("no object can be called `{name}`"),
                Some(problem),
            );
        }
        let one = format!("`{}` is one object", text.value);
        if let Some(selector) = &spec.selector {
            let diagnostic = Diagnostic::new(
                "`selector` chooses among the objects of a kind",
                self.place(selector.span),
            )
            .secondary(self.place(text.span), one.clone())
            .help("leave the name or the selector out");
            self.diagnostics.push(diagnostic);
        }
        if let Some(all) = spec.all_namespaces {
            let diagnostic = Diagnostic::new(
                "`allNamespaces` is for the objects of a kind",
                self.place(all),
            )
            .secondary(self.place(text.span), one);
            self.diagnostics.push(diagnostic);
        }
    }

    /// Reads a target as far as it is literal; nothing where it names no object.
    pub(super) fn written<'t>(&mut self, target: &'t Text) -> Option<Written<'t>> {
        let text = target.value.as_str();
        let rendered = text.find("{{").or_else(|| text.find("{%"));
        let is_kind = |kind: &str| {
            !kind.is_empty()
                && kind
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        };
        match (text.split_once('/'), rendered) {
            (Some((kind, _)), Some(rendered)) if rendered < kind.len() => Some(Written::Unknown),
            (None, Some(_)) => Some(Written::Unknown),
            (Some((kind, name)), rendered)
                if is_kind(kind)
                    && !name.is_empty()
                    && (rendered.is_some() || !name.contains('/')) =>
            {
                Some(Written::Named(kind))
            }
            (None, None) if is_kind(text) => Some(Written::Kind(text)),
            _ => {
                self.push(
                    target.span,
                    format!("`{text}` names no object"),
                    Some("a target is written kind or kind/name, as for kubectl".to_owned()),
                );
                None
            }
        }
    }

    pub(super) fn selector(&mut self, text: Option<&Text>, names: &Names) -> Option<Template> {
        let text = text?;
        if text.value.trim().is_empty() {
            self.push(
                text.span,
                "an empty selector would choose everything".to_owned(),
                Some("a selector is written like app=web,tier!=cache".to_owned()),
            );
        } else if let Some(problem) = check::selector_problem(&text.value) {
            self.push(
                text.span,
                format!("nothing has the labels of `{}`", text.value),
                Some(problem),
            );
        }
        self.template(Some(text), names)
    }

    /// The namespace of something; one that no namespace can be called would hold nothing for ever.
    pub(super) fn namespace_of(&mut self, text: Option<&Text>, names: &Names) -> Option<Template> {
        let namespace = kinds::named("namespace");
        if let Some(text) = text
            && let Some(problem) = check::object_name_problem(namespace, &text.value)
        {
            self.push(
                text.span,
                format!("no namespace can be called `{}`", text.value),
                Some(problem),
            );
        }
        self.template(text, names)
    }

    /// `match` and `that`, which see the object.
    pub(super) fn object_check(&mut self, spec: &ObjectCheckSpec, names: &Names) -> ObjectCheck {
        let names = names.with_object();
        if let Some(node) = &spec.pattern {
            if matches!(&node.kind, NodeKind::Map(fields) if fields.is_empty()) {
                self.push(
                    node.span,
                    "an empty `match` is matched by every object".to_owned(),
                    Some(
                        "it has the fields that the object must have: {spec: {replicas: 2}}".into(),
                    ),
                );
            }
            let is_map = match &node.kind {
                NodeKind::Map(_) => true,
                NodeKind::String(text) => text.contains("{{"),
                _ => false,
            };
            if !is_map {
                self.push(
                    node.span,
                    format!("`match` takes a map, not {}", node.kind.describe()),
                    Some(
                        "it has the fields that the object must have: {spec: {replicas: 2}}".into(),
                    ),
                );
            }
        }
        ObjectCheck {
            pattern: spec
                .pattern
                .as_ref()
                .map(|pattern| self.pattern(pattern, &names)),
            that: self.condition(spec.that.as_ref(), &names),
        }
    }

    /// The same for what must hold of an object, not for what chooses objects: told where it
    /// would hold without the field that it is about.
    pub(super) fn expected_of_object(
        &mut self,
        spec: &ObjectCheckSpec,
        names: &Names,
    ) -> ObjectCheck {
        let check = self.object_check(spec, names);
        self.warn_unguarded(&check);
        check
    }

    pub(super) fn warn_unguarded(&mut self, check: &ObjectCheck) {
        let Some(found) = check.that.as_ref().and_then(Condition::unguarded) else {
            return;
        };
        let path = found.path;
        self.warnings.push(
            Diagnostic::new(
                format!("this holds too where `{path}` is not set"),
                found.place,
            )
            .help(format!(
                "write `{path} is defined and …` where it must be there, or say what nothing \
                     means: `{path} | default(…)`"
            ))
            .warning(),
        );
    }

    /// A partial match, its operators checked.
    pub(super) fn pattern(&mut self, node: &Node, names: &Names) -> Tree {
        if let Err(error) = partial::check_pattern(&node.to_value()) {
            let span = place_in(node, &error.path).unwrap_or(node.span);
            self.push(span, error.message, None);
        }
        self.tree(node, names)
    }
}

/// Where the path of a pattern leads, such as `spec.replicas.$gte`: the key, or
/// the item. As far as it can be followed.
fn place_in(node: &Node, path: &str) -> Option<Span> {
    let mut node = node;
    let mut rest = path;
    let mut span = None;
    while !rest.is_empty() {
        let (next, found, behind) = match &node.kind {
            NodeKind::Map(entries) => entries.iter().find_map(|(key, value)| {
                let plain = rest.strip_prefix('.').unwrap_or(rest);
                let quoted = format!("[{:?}]", key.value);
                let behind = plain
                    .strip_prefix(key.value.as_str())
                    .or_else(|| rest.strip_prefix(quoted.as_str()))?;
                let is_whole = behind.is_empty() || behind.starts_with(['.', '[']);
                is_whole.then_some((value, key.span, behind))
            })?,
            NodeKind::List(items) => {
                let (index, behind) = rest.strip_prefix('[')?.split_once(']')?;
                let item = items.get(index.parse::<usize>().ok()?)?;
                (item, item.span, behind)
            }
            _ => return span,
        };
        // a list or map that is an item has no extent: what holds it stands for it
        if found != Span::default() {
            span = Some(found);
        }
        node = next;
        rest = behind;
    }
    match &node.kind {
        NodeKind::Map(entries) => entries
            .iter()
            .find(|(key, _)| key.value.starts_with('$'))
            .map(|(key, _)| key.span)
            .or(span),
        _ => span,
    }
}
