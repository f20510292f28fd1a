//! What templates and conditions mean, by example.

use serde_json::{Value, json};

use super::*;
use crate::source::{Place, SourceFile, Span};

fn place(text: &str) -> Place {
    Place {
        file: SourceFile::new("suite.yaml", text),
        span: Span::new(0, text.len()),
    }
}

fn render(source: &str, scope: Value) -> Result<Value, String> {
    Template::parse(source, place(source))
        .and_then(|template| template.render(&scope_value(&scope)))
        .map_err(|error| error.message)
}

fn render_file(source: &str, scope: Value) -> Result<String, String> {
    TextTemplate::parse(SourceFile::new("x.yaml.j2", source))
        .and_then(|template| template.render(&scope_value(&scope)))
        .map_err(|error| format!("{}: {}", error.place, error.message))
}

#[test]
fn one_expression_keeps_its_type() {
    let scope = || json!({"n": 3, "l": [1], "s": "x"});
    assert_eq!(render("{{ n }}", scope()), Ok(json!(3)));
    assert_eq!(render(" {{- l -}} ", scope()), Ok(json!([1])));
    assert_eq!(render("{{ n }}{{ s }}", scope()), Ok(json!("3x")));
    assert_eq!(render("a {{ n + 1 }}", scope()), Ok(json!("a 4")));
    assert_eq!(render("{{ '}}' }}", scope()), Ok(json!("}}")));
    assert_eq!(render("plain } text", scope()), Ok(json!("plain } text")));
}

#[test]
fn white_space_around_an_expression_stays_where_it_is_text() {
    let scope = || json!({"n": 3, "l": [1], "s": "x"});
    assert_eq!(render("{{ s }}\n", scope()), Ok(json!("x\n")));
    assert_eq!(render(" {{- s -}}\n", scope()), Ok(json!("x")));
    assert_eq!(render(" {{- s }}\n", scope()), Ok(json!("x\n")));
    assert_eq!(render("\n{{ l }}\n", scope()), Ok(json!([1])));
    let text = |source: &str| {
        let template = Template::parse(source, place(source)).unwrap();
        template.render_text(&scope_value(&scope())).unwrap()
    };
    assert_eq!(text("{{ n }}\n"), "3\n");
    assert_eq!(text(" {{ s -}} "), " x");
}

#[test]
fn what_a_shell_writes_is_no_comment() {
    for source in [
        "echo ${#x} ${y%%#}; echo end",
        "echo ${#x}",
        "{# kept #}",
        "a {#",
    ] {
        assert_eq!(render(source, json!({})), Ok(json!(source)), "{source}");
    }
    assert_eq!(
        render("echo ${#x} {{ a }} ${y%%#}", json!({"a": 1})),
        Ok(json!("echo ${#x} 1 ${y%%#}"))
    );
    assert_eq!(
        render_file("a: 1\n{# of the file #}\nb: 2 {# c #}\n", json!({})),
        Ok("a: 1\nb: 2 \n".to_owned())
    );
    let error = render_file("a: 1\nb: echo ${#x} ${y%%#}\n", json!({})).unwrap_err();
    assert!(
        error.starts_with("x.yaml.j2:2:9: `{#` begins a comment"),
        "{error}"
    );
    assert_eq!(
        render_file("b: {% raw %}${#x} ${y%%#}{% endraw %}\n", json!({})),
        Ok("b: ${#x} ${y%%#}\n".to_owned())
    );
}

#[test]
fn a_template_of_another_language_is_told_how_to_stay() {
    let text = "|\n  set -e\n  kubectl get -o go-template='{{ .metadata.name }}'\n";
    let value = "set -e\nkubectl get -o go-template='{{ .metadata.name }}'\n";
    let error = Template::parse(value, place(text)).unwrap_err();
    assert_eq!(error.message, "unexpected `.`");
    assert_eq!(error.place.to_string(), "suite.yaml:3:34");
    assert!(error.help.unwrap().contains("{% raw %}"));
}

/// A block takes a newline along only where it has a line of its own.
#[test]
fn lines_stay_lines() {
    let scope = || json!({"a": true, "l": [1, 2]});
    for (source, expected) in [
        ("echo {% if a %}x{% endif %}\necho y\n", "echo x\necho y\n"),
        (
            "echo {% raw %}{{ x }}{% endraw %}\nend\n",
            "echo {{ x }}\nend\n",
        ),
        ("  {% if a %}b: 1{% endif %}\n", "  b: 1\n"),
        ("a\n  {% if a %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc\n"),
        (
            "{% for x in l %}{% if a %}\n{{ x }}\n{% endif %}{% endfor %}\n",
            "1\n2\n",
        ),
        ("{% if a -%}\n x {%- endif %}\ny", "x\ny"),
        ("a {% if a %}\nb{% endif %}", "a \nb"),
        ("{% set x = [\n  1 < 2,\n] %}\n{{ x[0] }}\n", "true\n"),
    ] {
        assert_eq!(render(source, scope()), Ok(json!(expected)), "{source:?}");
        let file = render_file(source, scope());
        assert_eq!(file, Ok(expected.to_owned()), "{source:?}");
    }
    let file = "a: 1 {# x #}\n{# y #}\nb: {{ 1 < z }}\n";
    assert_eq!(
        render_file(file, json!({})),
        Err("x.yaml.j2:3:11: `z` is not set".to_owned())
    );
}

#[test]
fn a_value_is_not_rendered_again() {
    assert_eq!(
        render("{{ x }}", json!({"x": "{{ y }}"})),
        Ok(json!("{{ y }}"))
    );
}

#[test]
fn a_node_stands_for_its_name() {
    let scope = Scope::from_pairs([(
        "node",
        Named::scope_value("node1", [("ip", json!("10.0.0.1"))]),
    )]);
    let text = |source: &str| {
        Template::parse(source, place(source))
            .and_then(|template| template.render_text(&scope))
            .unwrap()
    };
    assert_eq!(text("on {{ node }}"), "on node1");
    assert_eq!(text("{{ node }}"), "node1");
    assert_eq!(text("{{ node.ip }}"), "10.0.0.1");
    assert_eq!(text("{{ node.name }}"), "node1");
}

#[test]
fn what_is_not_there_is_an_error() {
    assert!(render("{{ x }}", json!({})).is_err());
    assert!(render("a {{ x.y }}", json!({"x": {}})).is_err());
    assert!(render("{{ x.y }}", json!({"x": {}})).is_err());
    assert!(render("{% for %}", json!({})).is_err());
}

#[test]
fn endless_work_ends() {
    let error = render(
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        json!({}),
    );
    assert_eq!(error, Err("the template does too much work".to_owned()));
}

#[test]
fn names_are_told() {
    let template = Template::parse("{{ a.b }} {{ c }}", place("")).unwrap();
    assert_eq!(template.names().into_iter().collect::<Vec<_>>(), ["a", "c"]);
    let source = "{{ a.b.items() }} {{ c.keys() }} {{ d.keys }}";
    let template = Template::parse(source, place("")).unwrap();
    let paths: Vec<_> = template.paths().into_iter().collect();
    assert_eq!(paths, ["a.b", "c", "d.keys"]);
}

#[test]
fn a_condition_has_no_braces() {
    let error = Condition::parse("{{ x }}", place("{{ x }}")).unwrap_err();
    assert_eq!(
        error.help.as_deref(),
        Some("a condition is an expression already: remove the braces")
    );
    let condition = Condition::parse("nodes | length >= 2", place("")).unwrap();
    assert!(
        condition
            .holds(&scope_value(&json!({"nodes": [1, 2]})))
            .unwrap()
    );
    assert!(
        !condition
            .holds(&scope_value(&json!({"nodes": [1]})))
            .unwrap()
    );
}

#[test]
fn a_value_cannot_change_the_yaml_around_it() {
    let file = "image: {{ image }}\n";
    assert_eq!(
        render_file(file, json!({"image": "busybox:1.28"})),
        Ok("image: busybox:1.28\n".to_owned())
    );
    for evil in [
        "a\nb: c", "a: b", "a #", "{a}", "\"", "'", "- a", "&a", "a:", "[", "a,b",
    ] {
        assert!(
            render_file(file, json!({"image": evil})).is_err(),
            "{evil:?}"
        );
        let quoted = render_file("image: {{ image | tojson }}", json!({"image": evil}))
            .unwrap_or_else(|error| panic!("{evil:?}: {error}"));
        let parsed = crate::yaml::manifests(&quoted).unwrap();
        assert_eq!(parsed, [json!({"image": evil})]);
    }
    assert!(render_file(file, json!({"image": [1]})).is_err());
    assert!(render_file(file, json!({"image": null})).is_err());
}

#[test]
fn errors_in_a_file_have_their_line() {
    let error = render_file("a: 1\nb: {{ x }}\n", json!({})).unwrap_err();
    assert!(error.starts_with("x.yaml.j2:2:"), "{error}");
}

fn object() -> Scope {
    scope_value(&json!({
        "object": {
            "kind": "Pod",
            "metadata": {"name": "a", "labels": {"app/x": "y"}, "annotations": null},
            "spec": {"memory": "512Mi", "replicas": 3, "paused": false, "list": [1, 2]},
            "status": {
                "ready": 2,
                "started": "2026-11-23T20:00:00Z",
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        },
        "empty": {},
        "version": "v1.34.4+rke2r1",
        "n": 3,
        "flag": true,
    }))
}

fn evaluate(source: &str) -> Result<Verdict, TemplateError> {
    Condition::parse(source, place(source))?.evaluate(&object())
}

fn expression(source: &str) -> Result<Value, String> {
    let template = format!("{{{{ {source} }}}}");
    Template::parse(template.as_str(), place(&template))
        .and_then(|template| template.render(&object()))
        .map_err(|error| error.message)
}

#[test]
fn conditions_that_hold() {
    for source in [
        "'512Mi' | quantity < '1Gi' | quantity",
        "not '512Mi' | quantity >= '1Gi' | quantity",
        "'1Gi' | quantity == '1024Mi' | quantity",
        "'1Gi' | quantity in ['1024Mi' | quantity]",
        "object.spec.memory | quantity == '0.5Gi' | quantity",
        "object.spec.replicas | quantity > '2500m' | quantity",
        "'6m' | duration > '5m' | duration",
        "'1h0m0s' | duration == '60m' | duration",
        "version | version >= '1.30' | version",
        "(version | version).minor >= 34",
        "(version | version).build == 'rke2r1'",
        "now() - object.status.started | time > '-36500d' | duration",
        "'2026-01-02T00:00:00Z' | time - '2026-01-01T00:00:00Z' | time == '1d' | duration",
        "'2026-01-01T00:00:00Z' | time + '1d' | duration == '2026-01-02T00:00:00Z' | time",
        "('90s' | duration).seconds == 90",
        "1 < 2 < 3",
        "not (1 < 2 < 2)",
        "1 < n <= 3 != 4",
        "5 - 2 - 1 == 2",
        "5 - (2 - 1) == 4",
        "'a' + 'b' == 'ab'",
        "[1] + [2] == object.spec.list",
        "1 + 2 * 3 == 7",
        "[1, 2] < [1, 3]",
        "object.metadata.name < object.kind or true",
        "'app/x' in object.metadata.labels",
        "'z' not in object.metadata.labels",
        "object.status.conditions | selectattr('type', '==', 'Ready') | list | length == 1",
        "object.spec.list | select('>', 1) | list == [2]",
        "object.spec.list | length >= 2",
        "nothing if false else true",
        "n is gt 2",
        "object.status.ready|default(0) >= 2",
        "object.status.missing|default(0) >= 0",
        "'x y' | shellquote == \"'x y'\"",
        "'bm9kZQ==' | b64decode == 'node'",
        "('{\"a\": [1]}' | fromjson).a[0] == 1",
        "('a: {b: x}' | fromyaml).a.b == 'x'",
        "'a\\nb\\n' | lines == ['a', 'b']",
        "'port 80' | regex('[0-9]+') == '80'",
        "'port 80' | regex('([a-z]+) ([0-9]+)') == ['port', '80']",
        "('port 80' | regex('(?P<port>[0-9]+)')).port | int == 80",
        "'port' | regex('[0-9]+') is none",
        "'port 80' | regex('[0-9]+') | int > 79",
    ] {
        let source = source.replace("nothing if", "n == 4 if");
        match evaluate(&source) {
            Ok(verdict) => assert!(verdict.holds, "{source}"),
            Err(error) => panic!("{source}: {error}"),
        }
    }
}

#[test]
fn a_field_that_is_not_set_is_nothing_at_any_depth() {
    for (source, holds) in [
        ("empty.status.readyReplicas == 3", false),
        ("empty.status.readyReplicas >= 3", false),
        ("empty.status.readyReplicas <= 3", false),
        ("3 > empty.status.readyReplicas", false),
        ("not empty.status.readyReplicas == 3", true),
        ("not empty.status.readyReplicas >= 3", true),
        ("empty.status.readyReplicas != 3", true),
        ("empty.a == empty.b", false),
        ("empty.a == none", true),
        ("empty.a is none", true),
        ("empty.a is not none", false),
        ("empty.a is defined", false),
        ("empty.a in ['x']", false),
        ("empty.a not in ['x']", true),
        ("'x' in empty.metadata.annotations", false),
        ("'x' in object.metadata.annotations", false),
        ("'x' not in object.metadata.annotations", true),
        ("object.metadata.annotations.deep.down == 'x'", false),
        ("empty.list[0].name == 'x'", false),
        ("object.spec.list[7] == 1", false),
        ("object.metadata.labels['no'] == 'x'", false),
        ("empty.memory | quantity >= '1Gi' | quantity", false),
        ("empty.at | time < now()", false),
        ("empty.list | length == 0", true),
        ("empty.list | length >= 1", false),
        (
            "empty.list | selectattr('type', '==', 'Ready') | list | length == 0",
            true,
        ),
        ("empty.flag", false),
        ("not empty.flag", true),
        ("empty.json | fromjson == 1", false),
        ("empty.text | regex('x') is none", true),
        ("1 < empty.x < 3", false),
        ("empty.x | int < 3", false),
        ("empty.x | float | round(1) >= 0", false),
        ("empty.x | upper == 'X'", false),
        ("empty.x | split(',') | length == 0", true),
        ("object.kind | replace('P', 'p') | upper == 'POD'", true),
        ("'a,b,c' | split(',', 1) | list == ['a', 'b,c']", true),
        ("empty.x | default(4) | int > 3", true),
    ] {
        let verdict = evaluate(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(verdict.holds, holds, "{source}");
    }
    let unset = |source: &str| evaluate(source).unwrap().unset;
    assert_eq!(
        unset("empty.status.ready >= 3 and empty.status.ready < 9 or n == 4"),
        ["empty.status.ready"]
    );
    assert_eq!(unset("n == 4"), [""; 0]);
    assert_eq!(unset("empty['x/y'].z == n"), ["empty['x/y'].z"]);
    let error = evaluate("unknown.status == 3").unwrap_err();
    assert_eq!(error.message, "there is no `unknown` here");
}

const CALCULATIONS: [&str; 8] = ["+", "-", "*", "/", "//", "%", "~", "**"];
const COMPARISONS: [&str; 6] = ["<", "<=", ">", ">=", "==", "in"];

/// What is calculated with what is not set is not set; what is said of it does not hold.
#[test]
fn no_operator_makes_something_of_what_is_not_set() {
    let check = |source: &str, holds: bool| {
        let verdict = evaluate(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(verdict.holds, holds, "{source}");
        assert!(!verdict.unset.is_empty(), "{source}");
    };
    for unset in ["empty.x", "empty.x.y[0]", "object.metadata.annotations"] {
        for set in ["n", "object.kind", "('a' ~ '')", "1", "(n + 1)"] {
            for (left, right) in [(unset, set), (set, unset), (unset, unset)] {
                for sign in CALCULATIONS {
                    let made = format!("({left} {sign} {right})");
                    check(&format!("{made} is none"), true);
                    check(&made, false);
                    check(&format!("not {made}"), true);
                    check(&format!("{made} != 3"), true);
                    check(&format!("{made} not in [3, 'a']"), true);
                    for said in [
                        "is defined",
                        "is number",
                        "== 0",
                        "== ''",
                        "== 'a'",
                        "< 9",
                        "> 0 - 9",
                        "in [0, 3, 'a']",
                        "+ 1 == 1",
                        "* 2 == 0",
                        "| int == 0",
                        "| string == ''",
                        "| default(none) == 0",
                    ] {
                        check(&format!("{made} {said}"), false);
                    }
                    check(&format!("-{made} == 0"), false);
                    check(&format!("n == 3 and {made} == 0"), false);
                    check(&format!("n == 3 or {made} == 0"), true);
                }
                for sign in COMPARISONS {
                    // `in` takes what there is to look in
                    let right = match (sign, right == unset) {
                        ("in", false) => "[1, 'a']",
                        _ => right,
                    };
                    if left == "object.metadata.annotations" && left == right && sign == "==" {
                        continue;
                    }
                    check(&format!("{left} {sign} {right}"), false);
                    check(&format!("not ({left} {sign} {right})"), true);
                }
            }
        }
        for test in [
            "divisibleby",
            "eq",
            "equalto",
            "ge",
            "gt",
            "le",
            "lt",
            "in",
            "startingwith",
            "endingwith",
            "containing",
        ] {
            check(&format!("{unset} is {test}(3)"), false);
            check(&format!("3 is {test}({unset})"), false);
        }
        for filter in ["sum", "max", "min", "join", "sum + 1", "max - 1"] {
            check(&format!("([{unset}, 3] | {filter}) is none"), true);
            check(&format!("([3, {unset}] | {filter}) == 3"), false);
        }
        check(&format!("-{unset} == 0"), false);
        check(&format!("--{unset} < 1"), false);
        check(&format!("3 - -{unset} == 3"), false);
    }
    for source in [
        "[{'a': 1}, {'b': 2}] | sum(attribute='a') == 1",
        "[{'a': 1}, {'b': 2}] | sum('a') == 1",
        "[{'a': {'c': 1}}, {'a': {}}] | max(attribute='a.c') == {'a': {'c': 1}}",
        "[{'a': 1}, {'b': 2}] | map(attribute='a') | max == 1",
    ] {
        assert!(!evaluate(source).unwrap().holds, "{source}");
    }
    for source in [
        "[{'a': 1}, {'b': 2}] | map(attribute='a', default=0) | sum == 1",
        "empty.x | default(0) - 1 == -1",
        "empty.x | default(2) ** 2 ~ 'a' == '4a'",
        "[1, 2, 3] | sum == 6",
        "[1, 2] | max - [3, 4] | min == -1",
        // a name before an argument stays one
        "[{'a': 2}, {'a': 1}] | sort(attribute='a', reverse=false) | first == {'a': 1}",
        "[{'a': 1}] | join(',', attribute='a') == '1'",
        "1.26 | round(precision=1) == 1.3",
    ] {
        let verdict = evaluate(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert!(verdict.holds, "{source}");
    }
}

#[test]
fn templates_calculate_with_nothing_that_is_not_set() {
    for sign in CALCULATIONS {
        for source in [
            format!("empty.x {sign} n"),
            format!("n {sign} empty.x"),
            format!("n if empty.x {sign} n == 0 else 1"),
        ] {
            assert!(expression(&source).is_err(), "{source}");
        }
    }
    assert!(expression("-empty.x").is_err());
    // what is there and cannot be calculated with stays an error
    for source in [
        "object.spec * n == 1",
        "object.kind - 1 == 1",
        "-object.kind == 1",
    ] {
        assert!(evaluate(source).is_err(), "{source}");
    }
}

/// minijinja would find one by their kinds.
#[test]
fn what_has_no_order_is_not_sorted() {
    for list in [
        "[n, '512Mi']",
        "['5m' | duration, '1Gi' | quantity]",
        "['1Gi' | quantity, '512Mi']",
        "[flag, n]",
        "[[1], n]",
    ] {
        for filter in ["sort | first", "max", "min"] {
            let source = format!("{list} | {filter}");
            for error in [
                evaluate(&format!("({source}) == 1")).unwrap_err().message,
                expression(&source).unwrap_err(),
            ] {
                assert!(error.starts_with("cannot compare"), "{source}: {error}");
            }
        }
    }
    let source = "[{'a': 1}, {'a': 'x'}] | sort(attribute='a') | length";
    assert!(expression(source).is_err());
    for (source, expected) in [
        ("[3, 1.5, 2] | sort", json!([1.5, 2, 3])),
        ("['b', 'A'] | sort", json!(["A", "b"])),
        (
            "['b', 'A'] | sort(reverse=true, case_sensitive=true)",
            json!(["b", "A"]),
        ),
        ("['1Gi' | quantity, '512Mi' | quantity] | max", json!("1Gi")),
        (
            "['5m' | duration, '90s' | duration] | sort | first",
            json!("90s"),
        ),
        (
            "[{'a': 2, 'b': 'x'}, {'a': 1, 'b': 'y'}] | sort(attribute='a,b') | map(attribute='b') | list",
            json!(["y", "x"]),
        ),
        ("[{'a': 2}, {'a': 1}] | min(attribute='a')", json!({"a": 1})),
        ("'ba' | sort", json!(["a", "b"])),
        ("[[2], [1]] | sort", json!([[1], [2]])),
    ] {
        assert_eq!(expression(source), Ok(expected), "{source}");
    }
}

/// Whatever comes later must not end a wait before it is there.
#[test]
fn nothing_that_is_asked_of_what_is_not_set_is_an_error() {
    for source in [
        "empty.url.startswith('http')",
        "empty.url.strip().split(',')[0] == 'a'",
        "empty.labels.items() | list | length > 0",
        "object.kind.startswith(empty.prefix)",
        "empty.url is startingwith 'http'",
        "empty.url is startingwith ''",
        "empty.url is containing 'http'",
        "'abc' is startingwith empty.prefix",
        "'abc' is endingwith empty.suffix",
        "empty.n is divisibleby 3",
        "empty.n is even",
        "range(empty.n) | length > 0",
        "empty.list[empty.n] == 1",
        "object.spec.list[empty.n] == 1",
        "empty.list[1:2] == [1]",
        "empty.list | map('upper') | first == 'A'",
        "empty.list | map(attribute='a') | list | length > 0",
        "object.metadata.annotations.get('x') == 'y'",
    ] {
        let verdict = evaluate(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert!(!verdict.holds, "{source}");
        assert!(!verdict.unset.is_empty(), "{source}");
    }
    let arguments = |filter: &str| match filter {
        "attr" | "groupby" | "selectattr" | "rejectattr" => "('x')",
        "map" => "(attribute='x')",
        "select" | "reject" => "('defined')",
        "batch" | "slice" => "(2)",
        "default" | "d" => "(none)",
        "regex" => "('x')",
        "replace" => "('x', 'y')",
        _ => "",
    };
    let mut state = environment::SCALARS.empty_state();
    for filter in filters::KNOWN_FILTERS {
        if !state.perform_test("filter", &[filter.into()]).unwrap() {
            continue;
        }
        let arguments = arguments(filter);
        for source in [
            format!("empty.x | {filter}{arguments} == 'a'"),
            format!("object.metadata.annotations | {filter}{arguments} == 'a'"),
        ] {
            let verdict = evaluate(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert!(!verdict.holds, "{source}");
        }
    }
}

#[test]
fn methods_are_those_of_python() {
    for source in [
        "object.kind.lower() == 'pod'",
        "object.metadata.labels.keys() | list == ['app/x']",
        "object.spec.values() | list | length == 4",
        "object.metadata.labels.get('z', 'none') == 'none'",
        "version.startswith(('v1', 'v2'))",
    ] {
        let verdict = evaluate(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert!(verdict.holds, "{source}");
    }
    for (source, help) in [
        ("object.spec.has_key('a')", "write `'…' in object.spec`"),
        ("object.kind.length() > 1", "write `object.kind | length`"),
        (
            "object.kind.startsWith('a')",
            "write `object.kind.startswith('…')`",
        ),
        ("object.kind.uper() == 'A'", "did you mean `upper`?"),
    ] {
        let error = Condition::parse(source, place(source)).unwrap_err();
        assert!(error.message.starts_with("there is no method"), "{error}");
        assert_eq!(error.help.as_deref(), Some(help));
        let template = format!("a {{{{ {source} }}}}");
        assert!(Template::parse(template.as_str(), place("")).is_err());
        let file = SourceFile::new("x.yaml.j2", format!("x: 1\n{template}\n"));
        assert!(TextTemplate::parse(file).is_err());
    }
    // what only the values tell is the suite's mistake all the same
    let error = evaluate("n.upper() == 'A'").unwrap_err();
    assert_eq!(error.message, "number has no method named upper");
    assert!(error.is_mistake);
    assert!(!evaluate("n < 'a' ~ ''").unwrap_err().is_mistake);
    assert_eq!(
        render("{{ a.b.upper() }}", json!({"a": {}})),
        Err("`a.b` is not set".to_owned())
    );
    let looped = "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}";
    assert_eq!(render(looped, json!({"l": [1, 2]})), Ok(json!("ab")));
}

#[test]
fn names_are_found_where_they_are_asked_for() {
    let file = SourceFile::new(
        "t.yaml.j2",
        "a: \"{{ job }}\"\nb: {c: {d: password}}\ne: \"{{ password }}\"\n\
         f: {{ inputs.b.x }} {{ inputs.c }}\n",
    );
    let template = TextTemplate::parse(file).unwrap();
    let place_of = |path: &str| template.place_of(path).to_string();
    assert_eq!(place_of("job"), "t.yaml.j2:1:8");
    assert_eq!(place_of("password"), "t.yaml.j2:3:8");
    assert_eq!(place_of("inputs.b"), "t.yaml.j2:4:7");
    assert_eq!(place_of("inputs.c"), "t.yaml.j2:4:24");
    assert_eq!(place_of("nobody"), "t.yaml.j2:1:1");
    let written = "|\n  password {{ job }}\n  {{ password }}\n";
    let template = Template::parse("password {{ job }}\n{{ password }}\n", place(written)).unwrap();
    assert_eq!(template.place_of("password").to_string(), "suite.yaml:3:6");
    let condition = Condition::parse("'b' in a and b", place("'b' in a and b")).unwrap();
    assert_eq!(condition.place_of("b").to_string(), "suite.yaml:1:14");
}

/// `{% include %}` reads nothing, also not what was compiled before.
#[test]
fn templates_read_no_others() {
    assert!(render("x {{ 1 }}", json!({})).is_ok());
    for name in ["x {{ 1 }}", "text:x {{ 1 }}", "a.yaml"] {
        let source = format!("{{% include {name:?} %}}");
        assert!(render(&source, json!({})).is_err(), "{name}");
    }
}

#[test]
fn what_has_no_order_is_an_error() {
    for source in [
        "object.spec.memory >= 99",
        "99 <= object.spec.memory",
        "object.spec.memory | quantity >= 99",
        "object.spec.memory | quantity >= object.spec.memory",
        "object.spec.memory | quantity >= '5m' | duration",
        "object.spec.memory | quantity == object.spec.memory",
        "version | version == version",
        "flag < n",
        "flag < flag",
        "object < object",
        "[1] < n",
        "[1] < [object.kind]",
        "n is gt object.kind",
        "[1, object.kind] | select('>', 0) | list",
        "1 < n < object.kind",
    ] {
        let error = evaluate(source).expect_err(source);
        assert!(
            error.message.starts_with("cannot compare"),
            "{source}: {error}"
        );
        assert!(error.help.is_some(), "{source}");
        let message = expression(source).expect_err(source);
        assert!(message.starts_with("cannot compare"), "{source}: {message}");
    }
    assert_eq!(
        evaluate("object.spec.memory >= n").unwrap_err().message,
        "cannot compare the string \"512Mi\" with the number 3"
    );
    assert!(
        expression("none < 3").is_err(),
        "strict where no condition is"
    );
    for source in [
        "'a' | quantity > n",
        "n | duration == n",
        "'x' | fromjson",
        "'(' | regex('(')",
    ] {
        assert!(evaluate(source).is_err(), "{source}");
    }
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    for (source, help) in [
        ("n >= '1Gi'", "quantity"),
        ("('1Gi') < object.spec.memory | quantity", "quantity"),
        ("n > 1 and object.kind > \"a\" 'b'", "quantity"),
        ("n | quantitty > 3", "did you mean `quantity`?"),
    ] {
        let error = Condition::parse(source, place(source)).expect_err(source);
        assert!(error.help.unwrap().contains(help), "{source}");
        let template = format!("a {{% if {source} %}}b{{% endif %}}");
        assert!(Template::parse(template.as_str(), place("")).is_err());
        let file = SourceFile::new("x.yaml.j2", format!("x: 1\n{template}\n"));
        let error = TextTemplate::parse(file).unwrap_err();
        assert!(error.place.to_string().starts_with("x.yaml.j2:2:"));
    }
    assert!(Condition::parse("n is even", place("")).is_ok());
    assert!(Condition::parse("n is evil", place("")).is_err());
    assert!(Condition::parse("'a' < 'b' ~ n", place("")).is_err());
    assert!(Condition::parse("'a' ~ n < 'b' ~ n", place("")).is_ok());
}

#[test]
fn parts_are_explained() {
    let explain = |source: &str| {
        let condition = Condition::parse(source, place(source)).unwrap();
        let parts = condition.explain(&object()).into_iter();
        parts
            .map(|(source, value)| format!("{source} = {value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        explain("object.status.ready >= 3 and object.spec.list | length == n"),
        [
            "object.status.ready = 2",
            "object.spec.list | length = 2",
            "n = 3"
        ]
    );
    assert_eq!(explain("empty.a.b == 3"), ["empty.a.b = null"]);
    assert_eq!(
        explain("not object.spec.paused"),
        ["object.spec.paused = false"]
    );
    assert_eq!(
        explain("object.spec.memory | quantity > '1Gi' | quantity"),
        [
            "object.spec.memory | quantity = \"512Mi\"",
            "'1Gi' | quantity = \"1Gi\""
        ]
    );
    assert_eq!(explain("n - 1 == 2 and n - 1 == 3"), ["n - 1 = 2"]);
    assert_eq!(explain("(n == 3) == flag"), ["n = 3", "flag = true"]);
}

#[test]
fn typed_values_are_text_where_they_are_written() {
    assert_eq!(expression("'0.50Gi' | quantity"), Ok(json!("0.50Gi")));
    assert_eq!(expression("['1h' | duration]"), Ok(json!(["1h"])));
    assert_eq!(
        expression("{'v': version | version}"),
        Ok(json!({"v": "v1.34.4+rke2r1"}))
    );
    assert_eq!(
        expression("('1h' | duration) | tojson"),
        Ok(json!("\"1h\""))
    );
    assert_eq!(expression("'a ' ~ '1h' | duration"), Ok(json!("a 1h")));
    assert_eq!(
        expression("object.spec"),
        Ok(json!({
            "memory": "512Mi", "replicas": 3, "paused": false, "list": [1, 2],
        }))
    );
    assert_eq!(render("{{ f }} x", json!({"f": true})), Ok(json!("true x")));
    assert_eq!(
        render_file(
            "m: {{ m | quantity }} {{ f }}\n",
            json!({"m": "1Gi", "f": false})
        ),
        Ok("m: 1Gi false\n".to_owned())
    );
}

#[test]
fn templates_tell_what_is_not_set() {
    let message = |source: &str| render(source, json!({"a": {"b": 1}})).unwrap_err();
    assert_eq!(message("{{ a.c }}"), "`a.c` is not set");
    assert_eq!(message("x {{ a.b }} {{ a.c }}"), "`a.c` is not set");
    assert_eq!(message("{{ a.c < 3 }}"), "`a.c` is not set");
    assert_eq!(message("{{ a.c | quantity }}"), "`a.c` is not set");
    assert_eq!(
        message("{{ a.d | default(1) }} {{ a.e|d }}{{ a.f is not defined }} {{ a.c }}"),
        "`a.c` is not set"
    );
    assert_eq!(message("{{ z }}"), "`z` is not set");
    assert_eq!(
        render("{{ a.c | default(7) }}", json!({"a": {}})),
        Ok(json!(7))
    );
}

#[test]
fn blocks_of_templates_compare_too() {
    let scope = || json!({"l": [1, 2, 3], "n": 2, "s": "x"});
    for (source, expected) in [
        ("{% for x in l if x >= n %}{{ x }}{% endfor %}", "23"),
        (
            "{% for x in l if x in [1] %}{{ x }}{% else %}-{% endfor %}",
            "1",
        ),
        ("{% set y = n < 3 %}{{ y }}", "true"),
        ("{% if n > 5 %}a{% elif n - 1 == 1 %}b{% endif %}", "b"),
        (
            "{% macro f(a, b=1 < 2) %}{{ a }}{{ b }}{% endmacro %}{{ f(a=n > 1) }}",
            "truetrue",
        ),
        (
            "{% with a = n + 1, b = 2 %}{{ a > b }}{% endwith %}",
            "true",
        ),
        (
            "{% set ns = namespace(t=0) %}{% for x in l %}{% set ns.t = ns.t + x %}{% endfor %}{{ ns.t }}",
            "6",
        ),
        (
            "{% raw %}{{ 'a' < 1 }}{% endraw %}{# 'a' < 'b' #}",
            "{{ 'a' < 1 }}{# 'a' < 'b' #}",
        ),
        ("{% for x in l %}{{ loop.index0 - 1 }}{% endfor %}", "-101"),
    ] {
        assert_eq!(render(source, scope()), Ok(json!(expected)), "{source}");
    }
    assert!(render("{% if s > n %}{% endif %}", scope()).is_err());
    let error = render_file(
        "{% for x in l %}\nb: {{ x.c }}\n{% endfor %}\nd: {{ o.a }} {{ o.c }}\n",
        json!({"l": [], "o": {"a": 1}}),
    );
    assert_eq!(error.unwrap_err(), "x.yaml.j2:4:17: `o.c` is not set");
    let error = render_file("a: 1\nb: {{ 1 if 2 > 1 }}\nc: {{ s < n }}\n", scope()).unwrap_err();
    assert!(error.starts_with("x.yaml.j2:3:"), "{error}");
}

mod same_meaning {
    //! Whatever is not about types means the same to us and to minijinja.

    use proptest::prelude::*;

    use super::*;

    fn expressions() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[0-9]",
            Just("n".to_owned()),
            Just("o.a".to_owned()),
            Just("o['b c']".to_owned()),
            Just("l[1]".to_owned()),
            Just("-n".to_owned()),
            Just("(l | length)".to_owned()),
            Just("l | sum".to_owned()),
            Just("o.if".to_owned()),
        ];
        leaf.prop_recursive(5, 40, 3, |inner| {
            let pair = (inner.clone(), inner.clone());
            let sum = "[-+*%]|//| ~ ";
            let comparison = "<|<=|>|>=|==|!=";
            prop_oneof![
                (pair.clone(), sum).prop_map(|((a, b), sign)| {
                    if sign == " ~ " {
                        format!("({a}) * ({b})")
                    } else {
                        format!("{a} {sign} {b}")
                    }
                }),
                (pair.clone(), comparison)
                    .prop_map(|((a, b), sign)| format!("(1 if {a}{sign}{b} else 0)")),
                (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("(1 if {a} < {b} <= {c} else 2)")),
                pair.clone()
                    .prop_map(|(a, b)| format!("(1 if {a} in [{b}] and not {b} > 3 else 2)")),
                pair.clone()
                    .prop_map(|(a, b)| format!("({{'k': {a} - {b}, 'l': [{b}]}}).k")),
                pair.clone().prop_map(|(a, b)| format!(
                    "(7 if n is divisibleby 2 or {a} < {b})|default({a} + 1)"
                )),
                pair.prop_map(|(a, b)| format!("[{a}, {b} - 1][0 if {a} >= {b} else 1]")),
                inner.prop_map(|a| format!("({a})")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn of_expressions(source in expressions()) {
            let scope = scope_value(&json!({
                "n": 4, "o": {"a": 2, "b c": 3, "if": 5}, "l": [1, 6],
            }));
            let plain = minijinja::Environment::new();
            let expected = plain
                .compile_expression(&source)
                .unwrap()
                .eval(scope.clone());
            if let Ok(expected) = expected {
                let template = format!("{{{{ {source} }}}}");
                let ours = Template::parse(template.as_str(), place("")).unwrap().render(&scope);
                prop_assert_eq!(ours.unwrap().to_string(), json!(expected).to_string());
                let same = format!("{source} == {expected}");
                let condition = Condition::parse(same.as_str(), place("")).unwrap();
                prop_assert!(condition.holds(&scope).unwrap(), "{}", same);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(source in "[a-z0-9 <>=.|()\\[\\]{}%'\"+*-]{0,40}") {
            let _ = Condition::parse(source.as_str(), place(""));
            let braced = format!("{{{{ {source} }}}}{{% if {source} %}}");
            let _ = Template::parse(braced.as_str(), place(""));
        }

        #[test]
        fn what_minijinja_takes_we_take(
            tokens in proptest::collection::vec(
                prop::sample::select(vec![
                    "a", "b", "1", "1.5", "'t'", "<", ">=", "==", "in", "not", "and", "or", "if",
                    "else", "is", "even", "odd", "|", "length", "(", ")", "[", "]", "{", "}",
                    ",", ":", ".", "+", "-", "*", "**", "~", "none", "true", "=",
                ]),
                1..12,
            ),
        ) {
            let source = tokens.join(" ");
            let plain = minijinja::Environment::new();
            if let Ok(expression) = plain.compile_expression(&source) {
                // minijinja takes `1 + not` for a sum with a name; we take it for a mistake
                let keywords = ["not", "and", "or", "if", "else", "in", "is"];
                let names = expression.undeclared_variables(false);
                prop_assume!(!keywords.iter().any(|keyword| names.contains(*keyword)));
                let refused = Condition::parse(source.as_str(), place("")).err();
                let ours = refused.map(|error| error.message).filter(|message| {
                    !message.starts_with("there is no") && !message.contains("no order")
                });
                prop_assert_eq!(ours, None, "{}", source);
                // a block takes fewer expressions
                let block = format!("{{% if {source} %}}{{{{ {source} }}}}{{% endif %}}");
                prop_assume!(minijinja::Environment::new().template_from_str(&block).is_ok());
                let refused = Template::parse(block.as_str(), place("")).err();
                let ours = refused.map(|error| error.message).filter(|message| {
                    !message.starts_with("there is no") && !message.contains("no order")
                });
                prop_assert_eq!(ours, None, "{}", block);
            }
        }
    }
}

#[test]
fn fuzz_any_template_renders_or_is_told_why_it_does_not() {
    let good = [
        "on {{ node }}",
        "{{ n + 1 }}",
        "{{ l | join(', ') | upper }}-{{ s[1:] }}",
        "{% for x in l %}- {{ x | tojson }}\n{% endfor %}",
        "{% if n > 1 and s == 'x' %}a: {{ n }}{% else %}b{% endif %}",
        "{{ 'a' in s or l | length >= 2 and not n is none }}",
        "{{ s | default('y') | replace('a', 'b') | trim }}",
        "{% set y = n * 3 %}{{ range(y) | list | tojson }}",
        "{{ {'a': [1, 2]}.a[0] }}",
    ];
    let scope = || json!({"n": 3, "l": [1, "two", null], "s": "x", "node": {"name": "a"}});
    crate::fuzz::run(
        "templates",
        300,
        |chance| chance.spoilt(&good),
        |source| {
            let _ = render(source, scope());
            let _ = render_file(source, scope());
            if let Ok(condition) = Condition::parse(source, place(source)) {
                let _ = condition.holds(&scope_value(&scope()));
            }
        },
    );
}
