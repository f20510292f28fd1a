//! The verbs about other steps: during, foreach, skip, error, sleep. `library` does `use`.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::plan::lower::lowering::{Lowering, Position, SETUP};
use crate::plan::lower::names::{Members, Names};
use crate::plan::model::{During, Foreach, Verb};
use crate::source::Span;
use crate::spec::schema::{DuringSpec, ForeachSpec, StepSpec, Text};

impl Lowering<'_> {
    pub(super) fn during(&mut self, spec: &DuringSpec, names: &Names) -> Option<Verb> {
        let every = self.positive_duration(
            spec.every.as_ref(),
            "looks need some time between them, such as 50ms",
        );
        let look = spec.look.as_ref().and_then(|look| {
            self.check_look(look);
            if let Some((name, _)) = look.capture.first() {
                self.push(
                    name.span,
                    "a look that is repeated captures nothing".to_owned(),
                    None,
                );
            }
            self.step(look, &mut names.clone())
        });
        let look = look.map(|mut look| {
            if let Verb::Assert(_) | Verb::Absent(_) = look.verb {
                match look.timeout {
                    None | Some(Duration::ZERO) => {}
                    Some(_) => self.diagnostics.push(
                        Diagnostic::new(
                            "a look that is repeated does not wait",
                            look.place.clone(),
                        )
                        .help("leave its `timeout` out: it looks once each time"),
                    ),
                }
                look.timeout = Some(Duration::ZERO);
            }
            look
        });
        // they see each other's captures, and nothing around sees them
        let steps = self.steps(&spec.steps, &mut names.clone());
        let expect = spec
            .expect
            .as_ref()
            .map(|expect| self.pattern(expect, names));
        Some(Verb::During(During {
            every: every?,
            look: Box::new(look?),
            steps,
            expect,
        }))
    }

    /// A look is a verb with what it expects, and nothing that would make it
    /// something else from time to time.
    fn check_look(&mut self, look: &StepSpec) {
        for (field, is_there) in [
            ("if", look.when.is_some()),
            ("retry", look.retry.is_some()),
            ("failure", look.failure.is_some()),
        ] {
            if is_there {
                self.push(
                    look.span,
                    format!("a look that is repeated takes no `{field}`"),
                    Some(format!("write `{field}` beside `during`")),
                );
            }
        }
    }

    pub(super) fn foreach(&mut self, spec: &ForeachSpec, names: &Names) -> Option<Verb> {
        let items = spec.items.as_ref().map(|items| self.tree(items, names));
        let mut inner = names.clone();
        if let Some(name) = &spec.name {
            self.name(name, "item", Members::Any, false, &mut inner);
        }
        let steps = self.steps(&spec.steps, &mut inner);
        Some(Verb::Foreach(Foreach {
            name: spec.name.as_ref()?.value.clone(),
            items: items?,
            steps,
        }))
    }

    pub(super) fn skip(
        &mut self,
        reason: Option<&Text>,
        span: Span,
        names: &Names,
    ) -> Option<Verb> {
        // in setup it skips every case, for reasons that only steps can find
        if let Position::Around(what) = self.position
            && what != SETUP
        {
            self.push(
                span,
                format!("`skip` ends a case, and `{what}` is none"),
                Some("`requires` skips every case of a suite".to_owned()),
            );
        }
        Some(Verb::Skip(self.template(reason, names)?))
    }

    pub(super) fn error(&mut self, reason: Option<&Text>, names: &Names) -> Option<Verb> {
        Some(Verb::Error(self.template(reason, names)?))
    }

    pub(super) fn sleep(&mut self, time: Option<&Text>) -> Option<Verb> {
        let duration = self.positive_duration(time, "a sleep of nothing is none")?;
        Some(Verb::Sleep(duration))
    }
}
