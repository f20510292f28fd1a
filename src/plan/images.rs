//! Which images a suite needs, as far as that is known before a run: a walk over all its
//! steps, with the inputs and what follows from them.
//!
//! Steps under an `if` count, since the run may take them. Pure: reads the plan alone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::known::{Foreseen, Known};
use super::model::{Case, DiagnosisRule, Foreach, Manifests, RunPod, Step, Suite, Use, Verb};
use crate::diagnostic::{self, Diagnostic};
use crate::image::{self, Slot};
use crate::source::Place;
use crate::template::{TemplateError, TextTemplate, Tree, first_unknown, scope_value, unknown_in};
use crate::yaml;

/// The images of a suite.
#[derive(Clone, Debug, Default)]
pub struct NeededImages {
    /// Those that are known, as the suite writes them.
    pub known: BTreeSet<String>,
    /// Where one stands that only the run knows, by place.
    pub unknown: Vec<Diagnostic>,
}

/// The images of all pods that a suite makes: by `run`, and by the manifests of `apply`
/// and `create`. What a program on this machine makes is not known.
pub fn images_of(suite: &Suite) -> NeededImages {
    let mut walk = Walk::default();
    let mut names = Known::default();
    names.set("inputs", scope_value(&json!(suite.inputs)));
    walk.steps(&suite.setup, &mut names);
    for case in &suite.cases {
        walk.case(case, &names);
    }
    for rule in &suite.diagnose {
        walk.rule(rule, &names);
    }
    walk.steps(&suite.teardown, &mut names);
    let mut found = walk.found;
    diagnostic::sort(&mut found.unknown);
    found
}

#[derive(Default)]
struct Walk {
    found: NeededImages,
}

impl Walk {
    fn case(&mut self, case: &Case, names: &Known) {
        for mut names in names.cells(&case.matrix, usize::MAX) {
            if let Some(condition) = &case.cells
                && matches!(
                    names.foresee(|scope| condition.holds(scope)),
                    Foreseen::Known(false)
                )
            {
                continue;
            }
            self.steps(&case.steps, &mut names);
            self.steps(&case.on_failure, &mut names.clone());
            self.steps(&case.finally, &mut names);
        }
    }

    fn rule(&mut self, rule: &DiagnosisRule, names: &Known) {
        let turns = match &rule.each {
            Some((name, tree)) => names.turns(name, tree),
            None => vec![names.clone()],
        };
        for mut names in turns {
            self.steps(&rule.steps, &mut names);
        }
    }

    fn steps(&mut self, steps: &[Step], names: &mut Known) {
        for step in steps {
            self.verb(&step.verb, names);
            for (name, tree) in &step.capture {
                let value = names.value(tree);
                names.give(name, value);
            }
            if step.when.is_some() {
                // whether it gives anything, only the run knows
                let outputs = match &step.verb {
                    Verb::Use(used) => used.outputs.as_slice(),
                    _ => &[],
                };
                for (name, _) in step.capture.iter().chain(outputs) {
                    names.give(name, None);
                }
            }
        }
    }

    fn verb(&mut self, verb: &Verb, names: &mut Known) {
        match verb {
            Verb::Apply(apply) => self.manifests(&apply.manifests, names),
            Verb::Create(create) => self.manifests(&create.manifests, names),
            Verb::Run(run) => self.run_pod(run, names),
            // its look makes nothing
            Verb::During(during) => self.steps(&during.steps, &mut names.clone()),
            Verb::Foreach(foreach) => self.foreach(foreach, names),
            Verb::Use(used) => self.used(used, names),
            // these make no pods, or nobody can know what they make
            Verb::Patch(_)
            | Verb::Delete(_)
            | Verb::Get(_)
            | Verb::Assert(_)
            | Verb::Absent(_)
            | Verb::Wait(_)
            | Verb::Exec(_)
            | Verb::Command(_)
            | Verb::Script(_)
            | Verb::Logs(_)
            | Verb::Events(_)
            | Verb::Http(_)
            | Verb::Can(_)
            | Verb::Skip(_)
            | Verb::Error(_)
            | Verb::Sleep(_) => {}
        }
    }

    fn foreach(&mut self, foreach: &Foreach, names: &Known) {
        for mut turn in names.turns(&foreach.name, &foreach.items) {
            self.steps(&foreach.steps, &mut turn);
        }
    }

    /// Steps that see their own inputs; what they give back may be known too.
    fn used(&mut self, used: &Use, names: &mut Known) {
        let mut inner = names.of_steps(&used.inputs);
        self.steps(&used.steps, &mut inner);
        for (name, output) in &used.outputs {
            names.give(name, inner.value(output));
        }
    }

    fn run_pod(&mut self, run: &RunPod, names: &Known) {
        match names.foresee(|scope| run.image.render_text(scope)) {
            Foreseen::Known(image) => self.known(&image),
            Foreseen::Unknown(path) => self.waits(&path, run.image.place.clone()),
            Foreseen::Wrong(error) => self.found.unknown.push(wrong(error)),
        }
        if let Some(spec) = &run.spec {
            let mut later = Vec::new();
            let mut spec = likely(spec, names, &mut later);
            // a pod has our container alone
            if let Some(fields) = spec.as_object_mut() {
                fields.remove("containers");
            }
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": spec});
            self.inline(pod, &later);
        }
    }

    fn manifests(&mut self, manifests: &Manifests, names: &Known) {
        match manifests {
            Manifests::Template(template) => self.template(template, names),
            Manifests::Files(files) => {
                for manifest in files.iter().flat_map(|(_, objects)| objects) {
                    image::visit(&mut manifest.clone(), &mut |slot| {
                        if let Slot::Image(image) = slot {
                            self.known(image);
                        }
                    });
                }
            }
            Manifests::Inline(tree) => {
                let mut later = Vec::new();
                let value = likely(tree, names, &mut later);
                for manifest in yaml::items_of_list(value) {
                    self.inline(manifest, &later);
                }
            }
        }
    }

    fn template(&mut self, template: &TextTemplate, names: &Known) {
        // most of what a file asks for has nothing to do with its images
        let text = match template.render(&names.scope()) {
            Ok(text) => text,
            Err(error) => {
                let is_wrong = matches!(
                    names.foresee(|scope| template.render(scope)),
                    Foreseen::Wrong(_)
                );
                return self.found.unknown.push(match is_wrong {
                    true => wrong(error),
                    // the engine's words would be about the placeholder
                    false => Diagnostic::new(
                        "an image is known in the run only: this has no value before it",
                        error.place,
                    ),
                });
            }
        };
        let manifests = match yaml::manifests(&text) {
            Ok(manifests) => manifests,
            Err(error) => {
                let message = format!("this does not render to YAML before the run: {error}");
                let unknown = Diagnostic::new(message, template.place_of(""));
                return self.found.unknown.push(unknown);
            }
        };
        for mut manifest in manifests {
            let kind = manifest["kind"].as_str().unwrap_or_default();
            if unknown_in(kind).is_some() {
                self.image(kind, |path| template.place_of(path));
            }
            image::visit(&mut manifest, &mut |slot| match slot {
                Slot::Image(image) => self.image(image, |path| template.place_of(path)),
                Slot::Other(other) => {
                    if let Some(path) = first_unknown(other) {
                        self.waits(path, template.place_of(path));
                    }
                }
            });
        }
    }

    /// A manifest with what `later` tells in the place of what is not known.
    fn inline(&mut self, mut manifest: Value, later: &[Diagnostic]) {
        for part in [&manifest, &manifest["apiVersion"], &manifest["kind"]] {
            self.found.unknown.extend(told_later(part, later));
        }
        image::visit(&mut manifest, &mut |slot| match slot {
            Slot::Image(image) => match told_later(&json!(image), later) {
                Some(unknown) => self.found.unknown.push(unknown),
                None => self.known(image),
            },
            Slot::Other(other) => self.found.unknown.extend(told_later(other, later)),
        });
    }

    fn image(&mut self, image: &str, place: impl Fn(&str) -> Place) {
        match unknown_in(image) {
            Some(path) => self.waits(path, place(path)),
            None => self.known(image),
        }
    }

    fn known(&mut self, image: &str) {
        if !image.is_empty() {
            self.found.known.insert(image.to_owned());
        }
    }

    fn waits(&mut self, path: &str, place: Place) {
        self.found.unknown.push(waits_for(path, place));
    }
}

/// What stands in a value for the diagnostic of this number.
const LATER: char = '\u{e002}';

/// A tree as far as it is known; in the place of each scalar that is not, the number of
/// what is to tell where it matters.
fn likely(tree: &Tree, names: &Known, later: &mut Vec<Diagnostic>) -> Value {
    match tree {
        Tree::Scalar(value) => value.clone(),
        Tree::List(items) => items
            .iter()
            .map(|item| likely(item, names, later))
            .collect(),
        Tree::Map(entries) => entries
            .iter()
            .map(|(key, tree)| (key.clone(), likely(tree, names, later)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Tree::Template(template) => {
            let unknown = match names.foresee(|scope| template.render(scope)) {
                Foreseen::Known(value) => return value,
                Foreseen::Unknown(path) => waits_for(&path, template.place.clone()),
                Foreseen::Wrong(error) => wrong(error),
            };
            later.push(unknown);
            json!(format!("{LATER}{}", later.len() - 1))
        }
    }
}

fn told_later(value: &Value, later: &[Diagnostic]) -> Option<Diagnostic> {
    let number = value.as_str()?.strip_prefix(LATER)?;
    later.get(number.parse::<usize>().ok()?).cloned()
}

fn waits_for(path: &str, place: Place) -> Diagnostic {
    Diagnostic::new(
        format!("an image is known in the run only: it depends on `{path}`"),
        place,
    )
}

fn wrong(error: TemplateError) -> Diagnostic {
    let message = format!("an image cannot be known: {}", error.message);
    Diagnostic::new(message, error.place)
}
