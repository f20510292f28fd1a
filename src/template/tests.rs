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
fn a_value_is_not_rendered_again() {
    assert_eq!(
        render("{{ x }}", json!({"x": "{{ y }}"})),
        Ok(json!("{{ y }}"))
    );
}

#[test]
fn a_node_stands_for_its_name() {
    let scope = Scope::from_pairs([("node", Named::new("node1", [("ip", json!("10.0.0.1"))]))]);
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
