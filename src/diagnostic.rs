//! What is wrong with a text that a user wrote, and how it is shown: the lines
//! quoted, a label on the place, a help line.
//!
//! Terminal and reports share the renderer. Finding mistakes is the business of
//! `spec` and `plan`.

use std::cmp::Ordering;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::source::{Place, SourceFile, Span};
use crate::template::TemplateError;

/// One mistake and its place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// What is wrong, in a line.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to say at the place itself.
    pub label: Option<String>,
    /// Other places that have to do with it, and what to say there.
    pub secondary: Vec<(Place, String)>,
    /// How to mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A message at its place.
    pub fn new(message: impl Into<String>, place: Place) -> Self {
        Self {
            message: message.into(),
            place,
            label: None,
            secondary: Vec::new(),
            help: None,
        }
    }

    /// Says something at the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn secondary(mut self, place: Place, label: impl Into<String>) -> Self {
        self.secondary.push((place, label.into()));
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says how to mend it, where there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The mistake in one line, as editors and logs read it:
    /// `file:line:column: message`.
    pub fn one_line(&self) -> String {
        printable(&format!("{}: {}", self.place, self.message))
    }

    /// By file, then by place in it.
    fn order(&self, other: &Self) -> Ordering {
        (&self.place.file.name, self.place.span)
            .cmp(&(&other.place.file.name, other.place.span))
            .then_with(|| self.message.cmp(&other.message))
    }
}

impl From<TemplateError> for Diagnostic {
    fn from(error: TemplateError) -> Self {
        Self::new(error.message, error.place).maybe_help(error.help)
    }
}

/// Sorts by file and place, and drops what is said twice: a text that an anchor
/// repeats is wrong once.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(Diagnostic::order);
    diagnostics.dedup_by(|a, b| a.order(b) == Ordering::Equal);
}

/// The diagnostics for people, sorted by file and place: each with
/// `file:line:column`, the lines quoted, labels and help. `width` is that of the
/// terminal, in columns. Ends in a newline unless there are none.
pub fn render(diagnostics: &[Diagnostic], color: bool, width: usize) -> String {
    let mut sorted = diagnostics.to_vec();
    sort(&mut sorted);
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
    .term_width(width.max(40));
    sorted
        .iter()
        .map(|diagnostic| format!("{}\n", renderer.render(&[group(diagnostic)])))
        .collect::<Vec<_>>()
        .join("\n")
}

fn group(diagnostic: &Diagnostic) -> Group<'static> {
    let main = &diagnostic.place.file;
    let is_same_file = |file: &SourceFile| file == &**main;
    let (near, far): (Vec<_>, Vec<_>) = diagnostic
        .secondary
        .iter()
        .partition(|(place, _)| is_same_file(&place.file));
    let primary = (
        diagnostic.place.span,
        diagnostic.label.as_deref(),
        AnnotationKind::Primary,
    );
    let mut marks = vec![primary];
    marks.extend(
        near.iter()
            .map(|(place, label)| (place.span, Some(label.as_str()), AnnotationKind::Context)),
    );
    let mut group = Level::ERROR
        .primary_title(printable(&diagnostic.message))
        .element(snippet(main, &marks));
    for (place, label) in far {
        let mark = (place.span, Some(label.as_str()), AnnotationKind::Context);
        group = group.element(snippet(&place.file, &[mark]));
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(printable(help))),
        None => group,
    }
}

/// The marked lines of a file. Only these are handed on: the renderer walks all
/// that it gets, and a file may be large and have many mistakes.
fn snippet(
    file: &SourceFile,
    marks: &[(Span, Option<&str>, AnnotationKind)],
) -> Snippet<'static, annotate_snippets::Annotation<'static>> {
    let ranges: Vec<_> = marks
        .iter()
        .map(|(span, ..)| visible(&file.text, *span))
        .collect();
    let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
    let last = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    let start = file.text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = file.text[last..]
        .find('\n')
        .map_or(file.text.len(), |at| last + at);
    let annotations: Vec<_> = marks
        .iter()
        .zip(ranges)
        .map(|((_, label, kind), range)| {
            let annotation = kind.span(range.start - start..range.end - start);
            match label {
                Some(label) => annotation.label(printable(label)),
                None => annotation,
            }
        })
        .collect();
    Snippet::source(file.text[start..end].to_owned())
        .path(printable(&file.name))
        .line_start(file.position(start).line)
        .annotations(annotations)
}

/// The part of a span that can be shown: inside the text, on character borders,
/// and of its first line only, since a block of text is known by how it begins.
fn visible(text: &str, span: Span) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let end = floor(span.end).max(start);
    let line_end = text[start..end].find(['\n', '\r']);
    start..line_end.map_or(end, |at| start + at)
}

/// Names and values of users come with whatever they hold; a terminal gets none
/// of its control characters.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// The candidate that somebody who wrote `name` may have meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let written = fold(name);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            let meant = fold(candidate);
            let longer = written.chars().count().max(meant.chars().count());
            (strsim::osa_distance(&written, &meant), longer, candidate)
        })
        // a third of the letters may be wrong; of two letters none may
        .filter(|(distance, longer, _)| *distance <= longer / 3)
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., candidate)| candidate)
}

/// "did you mean `x`?", or else what there is: "there is `a`, `b`".
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<_> = candidates.into_iter().collect();
    if let Some(candidate) = nearest(name, candidates.iter().copied()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    (!candidates.is_empty()).then(|| format!("known here: {}", candidates.join(", ")))
}
