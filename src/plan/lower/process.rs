//! The verbs that run programs, and the logs of those that pods run.

use crate::diagnostic::{Diagnostic, nearest};
use crate::kinds::{self, BuiltIn};
use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::Names;
use crate::plan::lower::target::Written;
use crate::plan::model::{
    Command, Exec, LineChoice, LocalProcess, Logs, RunPod, Script, Since, Verb,
};
use crate::spec::schema::{
    CommandSpec, ExecSpec, LineChoiceSpec, LocalProcessSpec, LogsSpec, RunSpec, ScriptSpec,
    TargetSpec, Text,
};
use crate::template::Template;

impl Lowering<'_> {
    pub(super) fn exec(&mut self, spec: &ExecSpec, names: &Names) -> Option<Verb> {
        self.check_pods(&spec.target, "exec");
        let target = self.target(&spec.target, names);
        let container = self.template(spec.container.as_ref(), names);
        let command = spec
            .command
            .as_ref()
            .map(|words| self.templates(words, names));
        let stdin = self.template(spec.stdin.as_ref(), names);
        let expect = self.process_expectation(&spec.expect, names);
        Some(Verb::Exec(Exec {
            target: target?,
            each: spec.each,
            container,
            command: command?,
            stdin,
            expect,
        }))
    }

    pub(super) fn logs(&mut self, spec: &LogsSpec, names: &Names) -> Option<Verb> {
        let target = match &spec.target.target {
            Some(_) => {
                self.check_pods(&spec.target, "logs");
                self.target(&spec.target, names)
            }
            None => {
                let pods = self.literal("pod", spec.target.span);
                self.target_of(&spec.target, Some(pods), names)
            }
        };
        let container = self.template(spec.container.as_ref(), names);
        let since = match &spec.since {
            Some(text) if text.value == "run" => Some(Since::Run),
            since => self
                .positive_duration(
                    since.as_ref(),
                    "no log is that young: leave `since` out for all of it",
                )
                .map(Since::Ago),
        };
        let lines = spec
            .lines
            .as_ref()
            .map(|lines| self.line_choice(lines, names));
        let expect = self.text_expectation(&spec.expect, names);
        Some(Verb::Logs(Logs {
            target: target?,
            container,
            since,
            previous: spec.previous,
            tail: spec.tail,
            timestamps: spec.timestamps,
            lines,
            expect,
        }))
    }

    fn line_choice(&mut self, spec: &LineChoiceSpec, names: &Names) -> LineChoice {
        let containing = self.template(spec.containing.as_ref(), names);
        let matching = self.template(spec.matching.as_ref(), names);
        self.check_part(containing.as_ref(), "empty text is in every line");
        self.check_pattern(matching.as_ref());
        LineChoice {
            containing,
            matching,
            first: spec.first,
        }
    }

    /// Pods are named, chosen by a selector, or found by what owns them.
    fn check_pods(&mut self, spec: &TargetSpec, verb: &str) {
        let Some(target) = &spec.target else { return };
        let (kind, is_named) = match self.written(target) {
            Some(Written::Named(kind)) => (kind, true),
            Some(Written::Kind(kind)) => (kind, false),
            Some(Written::Unknown) | None => return,
        };
        let built_in = kinds::named(kind);
        let is_pod = built_in.is_some_and(BuiltIn::is_pod);
        // what a group of its own brings may own pods as well
        let is_owner = built_in.map_or(kind.contains('.'), BuiltIn::owns_pods);
        if !is_pod && !is_owner {
            let all = kinds::spellings(|kind| kind.is_pod() || kind.owns_pods());
            let help = match nearest(kind, all.iter().map(String::as_str)) {
                Some(kind) => format!("did you mean `{kind}`?"),
                None => format!(
                    "{}: pod/NAME, deployment/NAME and the like, or pod with a selector",
                    if verb == "exec" {
                        "it runs in"
                    } else {
                        "it reads"
                    }
                ),
            };
            self.push(
                target.span,
                format!("a `{kind}` has no pods for `{verb}`"),
                Some(help),
            );
        } else if is_pod && !is_named && spec.selector.is_none() {
            self.push(
                target.span,
                format!("`{verb}` needs to know which pods"),
                Some("write pod/NAME, or a `selector` beside the target".to_owned()),
            );
        } else if !is_pod && !is_named {
            let mut diagnostic = Diagnostic::new(
                format!("`{verb}` needs the name of the {kind}"),
                self.place(target.span),
            )
            .help(format!("write {kind}/NAME, or target pod and a `selector`"));
            if let Some(selector) = &spec.selector {
                diagnostic =
                    diagnostic.secondary(self.place(selector.span), "a selector is for pods");
            }
            self.diagnostics.push(diagnostic);
        }
    }

    pub(super) fn run(&mut self, spec: &RunSpec, names: &Names) -> Option<Verb> {
        let image = self.template(spec.image.as_ref(), names);
        let command = self.templates(spec.command.as_deref().unwrap_or_default(), names);
        let env = self.environment(&spec.env, names);
        let namespace = self.namespace_of(spec.namespace.as_ref(), names);
        let pod = spec.spec.as_ref().map(|pod| self.tree(pod, names));
        let expect = self.process_expectation(&spec.expect, names);
        Some(Verb::Run(RunPod {
            image: image?,
            command,
            env,
            namespace,
            spec: pod,
            expect,
        }))
    }

    pub(super) fn command(&mut self, spec: &CommandSpec, names: &Names) -> Option<Verb> {
        let args = spec.args.as_ref().map(|args| match spec.raw {
            true => args.iter().map(|arg| self.taken_as_it_is(arg)).collect(),
            false => self.templates(args, names),
        });
        let process = self.local_process(&spec.process, names);
        Some(Verb::Command(Command {
            args: args?,
            process,
        }))
    }

    pub(super) fn script(&mut self, spec: &ScriptSpec, names: &Names) -> Option<Verb> {
        if let Some(text) = &spec.text
            && text.value.trim().is_empty()
        {
            self.push(text.span, "the script is empty".to_owned(), None);
        }
        let text = match (&spec.text, spec.raw) {
            (Some(text), true) => Some(self.taken_as_it_is(text)),
            (text, _) => self.template(text.as_ref(), names),
        };
        let shell = match &spec.shell {
            Some(shell) => self.constant(shell),
            None => Some("sh".to_owned()),
        };
        let process = self.local_process(&spec.process, names);
        Some(Verb::Script(Script {
            text: text?,
            shell: shell?,
            process,
        }))
    }

    fn taken_as_it_is(&self, text: &Text) -> Template {
        Template::literal(&text.value, self.place(text.span))
    }

    fn local_process(&mut self, spec: &LocalProcessSpec, names: &Names) -> LocalProcess {
        LocalProcess {
            env: self.environment(&spec.env, names),
            cwd: self.template(spec.cwd.as_ref(), names),
            stdin: self.template(spec.stdin.as_ref(), names),
            expect: self.process_expectation(&spec.expect, names),
        }
    }

    fn environment(&mut self, env: &[(Text, Text)], names: &Names) -> Vec<(String, Template)> {
        for (name, _) in env {
            if name.value.is_empty() || name.value.contains(['=', '\0']) {
                self.push(
                    name.span,
                    format!("`{}` is not the name of a variable", name.value),
                    None,
                );
            }
        }
        self.named_templates(env, names)
    }
}
