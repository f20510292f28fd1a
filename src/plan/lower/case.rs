//! The cases: their conditions, steps, and which of them need which.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, suggest};
use crate::plan::lower::lowering::{Lowering, Position};
use crate::plan::lower::names::{Members, Names};
use crate::plan::lower::suite::severity;
use crate::plan::model::{Case, Step};
use crate::source::Span;
use crate::spec::schema::{CaseSpec, Text};

impl Lowering<'_> {
    /// The cases; `collectors` are the suite's own, which come after those of a case.
    pub(super) fn cases(&mut self, names: &Names, collectors: &[Step]) -> Vec<Case> {
        self.check_case_names();
        let needs = self.needs();
        let spec = self.spec;
        spec.cases
            .iter()
            .zip(needs)
            .filter_map(|(case, needs)| self.case(case, needs, names, collectors))
            .collect()
    }

    /// Reports would show two cases of one name as one.
    fn check_case_names(&mut self) {
        let mut first_of: BTreeMap<&str, Span> = BTreeMap::new();
        let spec = self.spec;
        for case in &spec.cases {
            let Some(name) = &case.name else { continue };
            if let Some(first) = first_of.get(name.value.as_str()) {
                let diagnostic = Diagnostic::new(
                    format!("two cases are called `{}`", name.value),
                    self.place(name.span),
                )
                .secondary(self.place(*first), "this is the first");
                self.diagnostics.push(diagnostic);
            }
            first_of.entry(&name.value).or_insert(name.span);
        }
    }

    /// Which cases each case needs, by their places in the suite.
    fn needs(&mut self) -> Vec<Vec<usize>> {
        let spec = self.spec;
        let mut needs = Vec::new();
        for case in &spec.cases {
            let mut needed = Vec::new();
            for need in &case.needs {
                if let Some(place) = self.case_named(need)
                    && !needed.contains(&place)
                {
                    needed.push(place);
                }
            }
            needs.push(needed);
        }
        self.check_ring(&needs);
        needs
    }

    /// The place in the suite of the case that has this name in the file.
    pub(super) fn case_named(&mut self, wanted: &Text) -> Option<usize> {
        let spec = self.spec;
        let cases = spec.cases.iter();
        let names: Vec<_> = cases
            .map(|case| case.name.as_ref().map(|name| name.value.as_str()))
            .collect();
        let place = names
            .iter()
            .position(|name| *name == Some(wanted.value.as_str()));
        if place.is_none() {
            self.push(
                wanted.span,
                format!("there is no case `{}`", wanted.value),
                suggest(&wanted.value, names.into_iter().flatten()),
            );
        }
        place
    }

    /// Cases that need each other would wait for ever. One ring is told, the first.
    fn check_ring(&mut self, needs: &[Vec<usize>]) {
        let Some(ring) = first_ring(needs) else {
            return;
        };
        let cases = &self.spec.cases;
        let name = |index: &usize| {
            let name = cases[*index].name.as_ref();
            name.map(|name| format!("`{}`", name.value))
                .unwrap_or_default()
        };
        let first = ring.first().copied().unwrap_or_default();
        let words: Vec<_> = ring.iter().chain([&first]).map(name).collect();
        let span = cases[first]
            .needs
            .first()
            .map_or(cases[first].span, |need| need.span);
        let message = if ring.len() == 1 {
            format!("the case {} needs itself", words[0])
        } else {
            format!("these cases need each other: {}", words.join(" → "))
        };
        self.push(span, message, None);
    }

    fn case(
        &mut self,
        spec: &CaseSpec,
        needs: Vec<usize>,
        names: &Names,
        collectors: &[Step],
    ) -> Option<Case> {
        let requires = self.requirements(&spec.requires, names);
        let (matrix, names) = self.matrix(&spec.matrix, names);
        let cells = self.condition(spec.cells.as_ref(), &names);
        let name = self.template(spec.name.as_ref(), &names);
        // a case's own name is made before it is known
        let mut inner = names.with("case", Members::known(&["name"]));
        let when = self.condition(spec.when.as_ref(), &inner);
        self.position = Position::Case;
        let steps = self.steps(&spec.steps, &mut inner);
        // what the steps captured is told, as far as they came
        let properties = self.named_templates(&spec.properties, &inner);
        self.position = Position::Around("onFailure");
        let mut on_failure = self.steps(&spec.on_failure, &mut inner.clone());
        on_failure.extend(collectors.iter().cloned());
        self.position = Position::Around("finally");
        let finally = self.steps(&spec.finally, &mut inner);
        Some(Case {
            matrix,
            cells,
            when,
            requires,
            needs,
            serial: spec.serial,
            retries: spec.retries,
            severity: spec.severity.map(severity),
            cluster: self.cluster(spec.cluster.as_ref()),
            properties,
            steps,
            on_failure,
            finally,
            timeout: self.timeout(spec.timeout.as_ref()),
            place: self.place(spec.span),
            name: name?,
        })
    }
}

/// A ring of cases that need each other, beginning with its first in the file.
fn first_ring(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    // without recursion: a chain may be as long as a file
    (0..needs.len()).find_map(|start| {
        let mut came_from = vec![None; needs.len()];
        let mut open: Vec<usize> = needs[start].iter().rev().copied().collect();
        for next in &needs[start] {
            came_from[*next].get_or_insert(start);
        }
        while let Some(case) = open.pop() {
            if case == start {
                let mut ring = vec![start];
                let mut at = came_from[start]?;
                while at != start {
                    ring.insert(1, at);
                    at = came_from[at]?;
                }
                return Some(ring);
            }
            for next in needs[case].iter().rev() {
                if came_from[*next].is_none() {
                    came_from[*next] = Some(case);
                    open.push(*next);
                }
            }
        }
        None
    })
}
