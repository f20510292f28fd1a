//! What a field that is not known here was most likely meant to be: words of other test runners, of
//! kubectl, and fields that stand one level higher or lower. Tried before the nearest known name,
//! which would often be of another meaning.

/// What stands in a verb, and is easily written beside it.
const IN_VERBS: [&str; 27] = [
    "target",
    "namespace",
    "allNamespaces",
    "selector",
    "where",
    "match",
    "that",
    "each",
    "any",
    "none",
    "count",
    "for",
    "until",
    "unless",
    "command",
    "container",
    "stdin",
    "args",
    "env",
    "cwd",
    "shell",
    "text",
    "file",
    "template",
    "manifest",
    "url",
    "service",
];

/// What the fields of an object's identity are called in manifests.
const IDENTITY: [&str; 5] = ["apiVersion", "kind", "resource", "resources", "ref"];

const ON_FAILURE: &str = "what looks at a failure is `onFailure` of the case or of the suite, \
                          beside its `steps` or `cases`";
const FINALLY: &str = "`finally` of the case is for that, beside its `steps`; what steps have made \
                       goes by itself";
const VALUE: &str = "a value gets a name by `capture` beside a step that gives it; without one, \
                     write {assert: {that: \"true\"}, capture: {x: \"{{ … }}\"}}";
const CHANGE: &str = "`apply` makes an object what a manifest says, `patch` changes a part of it";
const TIMEOUTS: &str = "write {defaults: {timeouts: {…}}} in the `spec` of the suite";
const INPUTS: &str = "values from outside are `inputs`, those of steps are captured";
const OFF: &str = "`if: \"false\"` switches a case off; `skip` in a step says why";

/// How it is said here, by what has the field (`a step`) and its name.
pub(super) fn hint(what: &str, name: &str) -> Option<String> {
    let words = match (what, name) {
        ("a step", "catch" | "onFailure" | "on_failure" | "collectors") => ON_FAILURE,
        ("a step", "finally" | "cleanup" | "defer") => FINALLY,
        ("a step", "set" | "let" | "var" | "vars" | "bindings" | "outputs" | "with") => VALUE,
        ("a step", "describe") => "`get` gives an object whole, `events` what happened to it",
        ("a step", "update" | "replace" | "edit" | "scale" | "label" | "annotate") => CHANGE,
        ("a step", "podLogs" | "podlogs" | "log") => "the logs of pods are read by `logs`",
        ("a step", "proxy" | "request" | "curl") => "`http` sends a request",
        ("a step", "steps" | "try") => {
            "steps stand in the list one after another; those of \
                                        several cases are used by `use`"
        }
        ("a step", "check" | "outcome") => "what is expected of a verb is said by `expect`",
        ("a step", "retries") => "a step is tried again by `retry: {attempts: 3, delay: 1s}`",
        ("a step", "needs" | "serial" | "severity" | "matrix" | "properties") => {
            return Some(format!("`{name}` belongs to the case, beside its `steps`"));
        }
        ("a step" | "a case" | "`spec`", "timeouts") => TIMEOUTS,
        ("a step" | "a case", "description" | "title") => "its `name` is what reports show",
        ("a case", "retry") => {
            "`retry` is for a step; `retries: 2` repeats a whole case that does not pass"
        }
        ("a case" | "`spec`", "catch" | "on_failure" | "collectors") => ON_FAILURE,
        ("a case", "cleanup" | "teardown" | "after") => FINALLY,
        ("a case", "setup" | "before" | "try") => {
            "steps before it are the first of its `steps`; \
                                                   `setup` of the suite is for all cases"
        }
        ("a case", "skip" | "disabled" | "enabled") => OFF,
        ("`spec`", "skip" | "disabled" | "enabled") => {
            "`requires: [{that: …, reason: …}]` skips a suite; `--select` chooses by labels"
        }
        ("`spec`", "finally" | "cleanup" | "after") => "`teardown` is what always comes at the end",
        ("`spec`", "before") => "`setup` comes before the cases",
        ("`spec`", "steps" | "tests" | "testDirs") => {
            "steps stand in a case: cases: [{name: …, steps: […]}]"
        }
        ("`spec`", "bindings" | "vars" | "variables" | "values" | "parameters") => INPUTS,
        ("`spec`", "retries") => "`retries` belongs to a case; `--retries` is for all of them",
        ("`spec`", "scenarios") => "`matrix` of a case repeats it: {rows: [{…}, {…}]}",
        ("`spec`", "parallel") => "`concurrency` bounds the cases, --parallel-suites the suites",
        ("`spec`", "name" | "labels") => {
            return Some(format!("`{name}` stands in `metadata`"));
        }
        _ => return None,
    };
    Some(words.to_owned())
}

/// A field beside a verb that stands in it. Some verbs may be written without their map.
pub(super) fn in_verb(verb: &str, is_bare: bool, name: &str) -> Option<String> {
    if !IN_VERBS.contains(&name) {
        return None;
    }
    Some(match (verb, is_bare) {
        ("script", true) => format!("write script: {{text: …, {name}: …}}"),
        ("command", true) => format!("write command: {{args: […], {name}: …}}"),
        _ => format!("`{name}` stands in `{verb}`, not beside it"),
    })
}

/// The identity of an object, as manifests write it, in a verb that has a target.
pub(super) fn identity(name: &str) -> Option<String> {
    IDENTITY
        .contains(&name)
        .then(|| "`target` names an object: KIND/NAME, such as deployment/web".to_owned())
}
