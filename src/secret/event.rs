//! Masks events. Every field is named here, so that a new one does not compile until somebody has
//! decided about it.

use crate::event::{
    CaseAttempt, CaseId, CaseResult, Connection, Detail, Diagnosis, Event, EventKind, Explanation,
    Leftover, Problem, SuiteRef,
};

use super::mask::Mask;

impl Mask {
    /// Masks every text of an event: names too, for an input may stand in them.
    pub fn mask_event(&self, event: &mut Event) {
        let Event {
            schema: _,
            time: _,
            kind,
        } = event;
        match kind {
            EventKind::RunStarted {
                run,
                version,
                cleanup,
                suites,
            } => {
                self.clean(run);
                self.clean(cleanup);
                self.clean(version);
                suites.iter_mut().for_each(|suite| self.suite(suite));
            }
            EventKind::Awaiting { what } => self.clean(what),
            EventKind::Connected(connection) => self.connection(connection),
            EventKind::SuiteStarted {
                suite,
                title,
                file,
                namespace,
            } => {
                self.suite(suite);
                self.clean(title);
                self.clean(file);
                self.maybe(namespace);
            }
            EventKind::StageStarted {
                suite,
                stage: _,
                step,
            } => {
                self.suite(suite);
                self.clean(step);
            }
            EventKind::StepWaits { suite, target, why } => {
                self.suite(suite);
                self.clean(target);
                self.clean(why);
            }
            EventKind::StepWaited {
                suite,
                target,
                why,
                took: _,
            } => {
                self.suite(suite);
                self.clean(target);
                self.clean(why);
            }
            EventKind::NodeExcluded {
                suite,
                node,
                reason,
            } => {
                self.suite(suite);
                self.clean(node);
                self.clean(reason);
            }
            EventKind::CasesPlanned { suite, total: _ } => self.suite(suite),
            EventKind::CaseStarted(id) => self.case(id),
            EventKind::StepStarted { case, step } => {
                self.case(case);
                self.clean(step);
            }
            EventKind::StepFinished {
                case,
                step,
                outcome: _,
                took: _,
            } => {
                self.case(case);
                self.clean(step);
            }
            EventKind::CaseRetried(attempt) => {
                let CaseAttempt {
                    id,
                    attempt: _,
                    outcome: _,
                    took: _,
                    why,
                } = attempt;
                self.case(id);
                self.explanation(why);
            }
            EventKind::CaseFinished(result) => self.result(result),
            EventKind::Problem(problem) => self.problem(problem),
            EventKind::Diagnosis(diagnosis) => self.diagnosis(diagnosis),
            EventKind::SuiteFinished { suite, took: _ } => self.suite(suite),
            EventKind::SuiteCleaned { suite } => self.suite(suite),
            EventKind::VerdictReached { took: _ } => {}
            EventKind::Cancelling { reason: _ } => {}
            EventKind::Leftover(leftover) => self.leftover(leftover),
            EventKind::Notice { text } => self.clean(text),
            EventKind::RunFinished { took: _ } => {}
        }
    }

    fn maybe(&self, text: &mut Option<String>) {
        text.iter_mut().for_each(|text| self.clean(text));
    }

    fn suite(&self, suite: &mut SuiteRef) {
        let SuiteRef { index: _, name } = suite;
        self.clean(name);
    }

    fn connection(&self, connection: &mut Connection) {
        let Connection {
            kubeconfig,
            context,
            server,
            version,
            user,
            nodes: _,
        } = connection;
        self.clean(kubeconfig);
        self.maybe(context);
        self.clean(server);
        self.clean(version);
        self.clean(user);
    }

    fn case(&self, id: &mut CaseId) {
        let CaseId {
            suite,
            case: _,
            cell: _,
            name,
        } = id;
        self.suite(suite);
        self.clean(name);
    }

    fn result(&self, result: &mut CaseResult) {
        let CaseResult {
            id,
            outcome: _,
            took: _,
            why,
            properties,
        } = result;
        self.case(id);
        why.iter_mut().for_each(|why| self.explanation(why));
        for (mut name, mut value) in std::mem::take(properties) {
            self.clean(&mut name);
            self.clean(&mut value);
            properties.insert(name, value);
        }
    }

    fn explanation(&self, why: &mut Explanation) {
        let Explanation {
            failure,
            message,
            details,
            place,
            step,
        } = why;
        self.maybe(failure);
        self.clean(message);
        for Detail { title, text } in details {
            self.clean(title);
            self.clean(text);
        }
        self.maybe(place);
        if let Some(step) = step {
            *step = self.mask(step).into();
        }
    }

    fn problem(&self, problem: &mut Problem) {
        let Problem {
            suite,
            stage: _,
            why,
        } = problem;
        suite.iter_mut().for_each(|suite| self.suite(suite));
        self.explanation(why);
    }

    fn diagnosis(&self, diagnosis: &mut Diagnosis) {
        let Diagnosis {
            suite,
            message,
            remedy,
            url,
            cases: _,
        } = diagnosis;
        self.suite(suite);
        self.clean(message);
        self.maybe(remedy);
        self.maybe(url);
    }

    fn leftover(&self, leftover: &mut Leftover) {
        let Leftover {
            suite,
            object,
            reason,
            kept: _,
        } = leftover;
        suite.iter_mut().for_each(|suite| self.suite(suite));
        self.clean(object);
        self.clean(reason);
    }
}
