//! The verbs that look at objects: get, assert, absent, events, can.

use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::Names;
use crate::plan::model::{
    Absent, Assert, AssertCheck, Can, CountExpectation, Events, Get, Since, Verb,
};
use crate::spec::schema::{
    AbsentSpec, AssertCheckSpec, AssertSpec, CanSpec, CountSpec, EventsSpec, GetRawSpec, TargetSpec,
};

impl Lowering<'_> {
    pub(super) fn get(&mut self, spec: &TargetSpec, names: &Names) -> Option<Verb> {
        Some(Verb::Get(Get::Object(self.target(spec, names)?)))
    }

    pub(super) fn get_raw(&mut self, spec: &GetRawSpec, names: &Names) -> Option<Verb> {
        self.check_path(spec.path.as_ref());
        let path = self.template(spec.path.as_ref(), names);
        let expect = self.http_expectation(&spec.expect, names);
        Some(Verb::Get(Get::Raw {
            path: path?,
            expect,
        }))
    }

    pub(super) fn assert(&mut self, spec: &AssertSpec, names: &Names) -> Option<Verb> {
        let target = spec
            .target
            .as_ref()
            .map(|target| self.target(target, names));
        let mut checks = Vec::new();
        for check in &spec.checks {
            checks.push(match check {
                AssertCheckSpec::Each(check) => {
                    AssertCheck::Each(self.expected_of_object(check, names))
                }
                AssertCheckSpec::Any(check) => {
                    AssertCheck::Any(self.expected_of_object(check, names))
                }
                AssertCheckSpec::None(check) => {
                    AssertCheck::None(self.expected_of_object(check, names))
                }
                AssertCheckSpec::Count(count) => AssertCheck::Count(counted(*count)),
                AssertCheckSpec::Values(that) => {
                    AssertCheck::Values(self.condition(Some(that), names)?)
                }
            });
        }
        let hold = self.positive_duration(spec.hold.as_ref(), HOLD);
        Some(Verb::Assert(Assert {
            // one that is wrong is not none
            target: target.map_or(Some(None), |target| target.map(Some))?,
            checks,
            hold,
            allow_empty: spec.allow_empty,
        }))
    }

    pub(super) fn absent(&mut self, spec: &AbsentSpec, names: &Names) -> Option<Verb> {
        let target = self.target(&spec.target, names);
        if let Some(filter) = target.as_ref().and_then(|target| target.filter.as_ref()) {
            self.warn_unguarded(filter);
        }
        let hold = self.positive_duration(spec.hold.as_ref(), HOLD);
        Some(Verb::Absent(Absent {
            target: target?,
            hold,
        }))
    }

    pub(super) fn events(&mut self, spec: &EventsSpec, names: &Names) -> Option<Verb> {
        let target = spec
            .target
            .as_ref()
            .map(|target| self.target(target, names));
        let namespace = self.namespace_of(spec.namespace.as_ref(), names);
        let reason = self.template(spec.reason.as_ref(), names);
        let since = match &spec.since {
            Some(text) if text.value == "run" => Some(Since::Run),
            since => self.duration(since.as_ref()).map(Since::Ago),
        };
        Some(Verb::Events(Events {
            // one that is wrong is not none
            target: target.map_or(Some(None), |target| target.map(Some))?,
            namespace,
            kind: spec.kind.map(str::to_owned),
            reason,
            since,
            count: spec.count.map(counted),
        }))
    }

    pub(super) fn can(&mut self, spec: &CanSpec, names: &Names) -> Option<Verb> {
        let who = self.identity(spec.who.as_ref(), names);
        let name = self.template(spec.name.as_ref(), names);
        let namespace = self.namespace_of(spec.namespace.as_ref(), names);
        let verb = self.template(spec.verb.as_ref(), names);
        let resource = self.template(spec.resource.as_ref(), names);
        Some(Verb::Can(Can {
            who,
            verb: verb?,
            resource: resource?,
            name,
            namespace,
            allowed: spec.allowed,
        }))
    }
}

const HOLD: &str = "to hold for no time is to hold once: leave `for` out";

fn counted(spec: CountSpec) -> CountExpectation {
    CountExpectation {
        min: spec.min,
        max: spec.max,
    }
}
